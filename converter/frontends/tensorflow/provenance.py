"""The provenance of initializers: the source's constant that each one comes from, and the weight steps.

tf2onnx transposes and reshapes constants in NumPy and writes the results as new constants. Inside `recording()`, the
float arrays that it reads from its graph are `Recorded` arrays: they record each operation on them as a weight step, in
the metadata of the new tensor. Elements are not compared, so that this also works for kernels of zeros.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest import mock

import numpy as np
import onnx

from converter.base.weight_steps import Step, cast, concatenate, reshape, slice_axis, transpose, zeros

_KEY = "provenance"
"""Key of the provenance in a tensor's metadata; `take` removes it."""

_FLOAT = ("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16")
"""Element types of constants whose provenance is recorded."""


@dataclass(frozen=True)
class Origin:
    """A constant of the source, its shape, and the weight steps from it to the tensor."""

    name: str
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()

    def then(self, *steps: Step) -> Origin:
        """The same constant after more steps."""
        return Origin(self.name, self.shape, (*self.steps, *steps))


@dataclass(frozen=True)
class Joined:
    """Several arrays, concatenated along an axis."""

    axis: int
    parts: tuple[Provenance, ...]


Provenance: TypeAlias = Origin | Joined


def take(tensor: onnx.TensorProto) -> Provenance | None:
    """Remove the provenance from a tensor's metadata and return it; None if it is unknown."""
    note = _note(tensor)
    if note is None:
        return None
    tensor.metadata_props.remove(note)
    return _read(json.loads(note.value))


def convert(tensor: onnx.TensorProto, dtype: type[np.generic]) -> None:
    """Convert the elements of an initializer to another type, in place; recorded as a step."""
    provenance = take(tensor)
    array = onnx.numpy_helper.to_array(tensor).astype(dtype)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    if isinstance(provenance, Origin):
        _add_note(tensor, provenance.then(cast(array.dtype.name)))


def _note(tensor: onnx.TensorProto) -> onnx.StringStringEntryProto | None:
    return next((entry for entry in tensor.metadata_props if entry.key == _KEY), None)


def _add_note(tensor: onnx.TensorProto, provenance: Provenance | None) -> None:
    tensor.metadata_props.add(key=_KEY, value=json.dumps(_plain(provenance)))


def _plain(provenance: Provenance | None) -> dict[str, Any] | None:
    if provenance is None:
        return None
    if isinstance(provenance, Origin):
        return {"name": provenance.name, "shape": provenance.shape, "steps": provenance.steps}
    return {"axis": provenance.axis, "parts": [_plain(item) for item in provenance.parts]}


def _read(plain: Any) -> Any:
    if plain is None:
        return None
    if "parts" in plain:
        return Joined(plain["axis"], tuple(_read(item) for item in plain["parts"]))
    return Origin(plain["name"], tuple(plain["shape"]), tuple(plain["steps"]))


class Recorded(np.ndarray):
    """An array computed from constants of the source, with its provenance.

    Only the methods and functions below keep the provenance: results of all others have none. The array is read-only,
    so that its elements continue to agree with the provenance.
    """

    provenance: Provenance | None

    def __array_finalize__(self, source: Any) -> None:
        self.provenance = None

    def transpose(self, *axes: Any) -> Recorded:  # type: ignore[override]
        """Permute the axes; recorded as a step."""
        result = np.asarray(self).transpose(*axes)
        given = axes and axes[0] is not None
        perm = np.concatenate([np.ravel(item) for item in axes]) if given else range(self.ndim)[::-1]
        return self._after(result, transpose(*(int(axis) % self.ndim for axis in perm)))

    def reshape(self, *shape: Any, order: Any = "C") -> Recorded:  # type: ignore[override]
        """Reshape; recorded as a step if the order is C, else the provenance is lost."""
        result = np.asarray(self).reshape(*shape, order=order)
        return self._after(result, reshape(*result.shape)) if order == "C" else recorded(result, None)

    def astype(self, *args: Any, **kwargs: Any) -> Recorded:  # type: ignore[override]
        """Convert the elements; the provenance is kept only if the element type does not change."""
        result = np.asarray(self).astype(*args, **kwargs)
        return recorded(result, self.provenance if result.dtype == self.dtype else None)

    def _after(self, result: np.ndarray, step: Step) -> Recorded:
        """The result of a step on this array; if that is `Joined`, its parts would need other steps: no provenance."""
        return recorded(result, self.provenance.then(step) if isinstance(self.provenance, Origin) else None)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        own = _FUNCTIONS.get(function)
        return own(*args, **kwargs) if own is not None else super().__array_function__(function, types, args, kwargs)


def recorded(array: np.ndarray, provenance: Provenance | None) -> Recorded:
    """A view of an array, with its provenance."""
    result = np.asarray(array).view(Recorded)
    result.provenance = provenance
    result.flags.writeable = provenance is None and result.flags.writeable
    return result


def _split(array: Recorded, sections: Any, axis: int = 0) -> list[Recorded]:
    """`np.split`: each part is recorded as a slice."""
    parts, start, axis = [], 0, axis % array.ndim
    for piece in np.split(np.asarray(array), sections, axis):
        stop = start + piece.shape[axis]
        parts.append(array._after(piece, slice_axis(axis, start, stop)))
        start = stop
    return parts


def _concatenate(arrays: Sequence[np.ndarray], axis: int | None = 0, **options: Any) -> Recorded:
    """`np.concatenate`: a step if all parts come from one constant, else `Joined`, in which parts may also be zeros."""
    result = np.concatenate([np.asarray(array) for array in arrays], axis, **options)
    if axis is None or any(array.dtype != result.dtype for array in arrays):
        return recorded(result, None)
    axis %= result.ndim
    known = [array.provenance for array in arrays if isinstance(array, Recorded)]
    origins = [origin for origin in known if isinstance(origin, Origin)]
    if len({origin.name for origin in origins}) == 1 and len(origins) == len(arrays):
        return recorded(result, _gathered(origins, axis))
    parts = [_beside(array, origins) for array in arrays]
    return recorded(result, None if None in parts else Joined(axis, tuple(item for item in parts if item is not None)))


def _gathered(origins: Sequence[Origin], axis: int) -> Origin:
    """Several arrays of one constant, concatenated; their common first steps are applied only once."""
    first = origins[0]
    shared = next(
        (i for i, step in enumerate(first.steps) if any(origin.steps[i : i + 1] != (step,) for origin in origins)),
        len(first.steps),
    )
    rest = [origin.steps[shared:] for origin in origins]
    return Origin(first.name, first.shape, (*first.steps[:shared], concatenate(axis, *rest)))


def _beside(array: np.ndarray, origins: Sequence[Origin]) -> Provenance | None:
    """The provenance of a part; zeros that are not a constant of the source are assigned to the first origin."""
    if isinstance(array, Recorded):
        return array.provenance
    if not origins or np.any(array):
        return None
    return Origin(origins[0].name, origins[0].shape, (zeros(*array.shape),))


def _zeros_like(array: np.ndarray, *args: Any, **kwargs: Any) -> np.ndarray:
    """`np.zeros_like`: the result has no provenance."""
    return np.zeros_like(np.asarray(array), *args, **kwargs)


_FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    np.concatenate: _concatenate,
    np.split: _split,
    np.zeros_like: _zeros_like,
}
"""Replacements of NumPy's functions for `Recorded` arguments."""


class _NumPy:
    """NumPy for tf2onnx's LSTM rewriter.

    The rewriter puts a kernel into a list to add an axis: here that is a reshape. It adds the cell's forget bias to the
    bias of the forget gate: here a forget bias of 0 keeps the array, with its provenance.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def array(content: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        if isinstance(content, list) and len(content) == 1 and isinstance(content[0], Recorded):
            return content[0].reshape(1, *content[0].shape).astype(*args, **kwargs)
        return np.array(content, *args, **kwargs)

    @staticmethod
    def add(bias: np.ndarray, number: np.ndarray) -> np.ndarray:
        return np.add(bias, number) if np.any(number) else bias


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Record the operations of tf2onnx on the float constants of a graph."""
    from tf2onnx import graph, tf_utils, tflite_utils
    from tf2onnx.rewriter import lstm_rewriter

    import_tensor = tf_utils.tf_to_onnx_tensor

    def imported(tensor: Any, name: str = "") -> onnx.TensorProto:
        return _with_note(import_tensor(tensor, name), name)

    def read(array: np.ndarray, name: str) -> onnx.TensorProto:
        return _with_note(onnx.numpy_helper.from_array(array, name), name)

    with (
        mock.patch.object(tflite_utils, "numpy_helper", SimpleNamespace(from_array=read)),
        mock.patch.object(tf_utils, "tf_to_onnx_tensor", imported),
        mock.patch.object(graph, "numpy_helper", SimpleNamespace(to_array=_to_array, from_array=_from_array)),
        mock.patch.object(lstm_rewriter, "np", _NumPy()),
    ):
        yield


def _with_note(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    """A constant as it stands in the source, with its provenance if it is a float."""
    if onnx.TensorProto.DataType.Name(tensor.data_type) in _FLOAT:
        _add_note(tensor, Origin(name.removesuffix(":0"), tuple(tensor.dims)))
    return tensor


def _to_array(tensor: onnx.TensorProto) -> np.ndarray:
    array, note = onnx.numpy_helper.to_array(tensor), _note(tensor)
    return array if note is None else recorded(array, _read(json.loads(note.value)))


def _from_array(array: np.ndarray, name: str | None = None) -> onnx.TensorProto:
    tensor = onnx.numpy_helper.from_array(np.asarray(array), name)
    if isinstance(array, Recorded):
        _add_note(tensor, array.provenance)
    return tensor
