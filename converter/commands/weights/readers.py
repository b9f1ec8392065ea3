"""Readers: the tensors of a file of any kind, with names, shapes and element types. No code of a file is run."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec
from converter.base.files import check_readable
from converter.commands.weights.contents import Contents, contents
from converter.errors import ModelLoadingError, RuntimeIntegrityError, UnknownModelError

_KINDS = ".onnx, .pb, .pt, .pth, .bin, .safetensors, .ckpt, or a TensorFlow checkpoint (its prefix, .index or folder)"
_PART_OF_A_BUNDLE = re.compile(r"\.(index|data-\d{5}-of-\d{5})$")
_SAVED_MODEL = "variables/variables"


def read(file: Path) -> Contents:
    """Read the names, shapes and types of a file's tensors. Their values are read later, or memory-mapped, if possible.

    Raises:
        UnknownModelError: no file of a kind that holds tensors.
        ModelLoadingError: the file is missing, unreadable or damaged.
        GraphInitError: an ONNX model that is no graph.
        RuntimeIntegrityError: TensorFlow or torch is needed and missing.
    """
    prefix = _bundle(file)
    if prefix is not None:
        return _tensorflow_checkpoint(prefix)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        if not file.exists():
            check_readable(file)
        raise UnknownModelError(f"'{file}' is of no kind that is read: {_KINDS}.")
    check_readable(file)
    return reader(file)


def read_mindspore(file: Path) -> Contents:
    """The parameters of a checkpoint of MindSpore's, `.ckpt` or `.safetensors`.

    Raises:
        UnknownModelError, ModelLoadingError: as `read`.
    """
    if file.suffix not in (".ckpt", ".safetensors"):
        raise UnknownModelError(f"'{file}' is no checkpoint of MindSpore's: name a .ckpt or a .safetensors.")
    check_readable(file)
    return _READERS[file.suffix](file)


# TensorFlow


def _bundle(file: Path) -> Path | None:
    """The prefix of the TensorFlow checkpoint that the user means: by its prefix, one of its files, or its folder."""
    if file.name == "saved_model.pb" and (file.parent / f"{_SAVED_MODEL}.index").exists():
        return file.parent / _SAVED_MODEL
    if file.is_dir():
        return next((file / name for name in _names_in(file) if (file / f"{name}.index").exists()), None)
    if file.is_file():
        match = _PART_OF_A_BUNDLE.search(file.name)
        return file.with_name(file.name[: match.start()]) if match else None
    return file if file.with_name(f"{file.name}.index").exists() else None


def _names_in(folder: Path) -> Iterator[str]:
    """Possible prefixes of a folder's checkpoint: a SavedModel's variables, or the newest checkpoint of a training."""
    yield from (_SAVED_MODEL, "variables")
    state = folder / "checkpoint"
    if state.is_file():
        yield from re.findall(r'^model_checkpoint_path: "(.+)"', state.read_text(encoding="utf-8", errors="replace"))


def _tensorflow_checkpoint(prefix: Path) -> Contents:
    check_readable(prefix.with_name(f"{prefix.name}.index"))
    tf = _tensorflow("a TensorFlow checkpoint")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    except Exception as error:  # OpError, and any other error that a damaged file causes
        raise _damaged(prefix, error) from error
    return contents(
        "TensorFlow checkpoint",
        *(
            LazyTensor(
                TensorSpec(name, tuple(shapes[name]), types[name].name),
                _safely(prefix, partial(reader.get_tensor, name)),
            )
            for name in sorted(shapes)
            if types[name] != tf.string  # TensorFlow's object graph
        ),
    )


def _frozen_graph(file: Path) -> Contents:
    tf = _tensorflow("a .pb")
    from converter.frontends import tensorflow

    whole = tensorflow.read(file)
    functions = (node for function in whole.library.function for node in function.node_def)
    return contents(
        "frozen TensorFlow graph",
        *(_constant(tf, file, node) for node in (*whole.node, *functions) if node.op == "Const"),
    )


def _constant(tf: ModuleType, file: Path, node: Any) -> LazyTensor:
    tensor = node.attr["value"].tensor
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    try:
        dtype = tf.dtypes.as_dtype(tensor.dtype).name
    except TypeError as error:
        raise _damaged(file, error) from error
    return LazyTensor(TensorSpec(node.name, shape, dtype), _safely(file, partial(tf.make_ndarray, tensor)))


def _tensorflow(what: str) -> ModuleType:
    from converter.frontends.tensorflow import import_tensorflow

    try:
        return import_tensorflow()
    except ImportError as error:
        raise _missing(what, "TensorFlow", "tensorflow", error) from error


# Others


def _onnx_model(file: Path) -> Contents:
    from converter.frontends import onnx
    from converter.graph.normalize import tensors_of

    model = onnx.read(file)
    return contents(
        "ONNX model",
        *(
            LazyTensor(
                TensorSpec(tensor.name or "", tuple(tensor.shape.numpy()), tensor.dtype.numpy().name),
                _safely(file, tensor.numpy),
            )
            for tensor in tensors_of(model, file.parent)
        ),
    )


def _torch_state(file: Path) -> Contents:
    try:
        import torch
    except ImportError as error:
        raise _missing(f"'{file.suffix}'", "PyTorch", "pytorch", error) from error
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # any error that a malformed file causes
        if isinstance(error, pickle.UnpicklingError) or "TorchScript" in str(error):
            raise ModelLoadingError(
                f"'{file}' holds more than tensors, and to read that would run code from the file. "
                "Save the weights alone: torch.save(model.state_dict(), file)."
            ) from error
        raise _damaged(file, error) from error
    return contents("PyTorch state", *_torch_tensors(torch, file, "", state))


def _torch_tensors(torch: ModuleType, file: Path, name: str, item: Any) -> Iterator[LazyTensor]:
    """All tensors in dictionaries and lists, by their path: `state_dict.conv.weight`."""
    if isinstance(item, torch.Tensor):
        dtype = str(item.dtype).removeprefix("torch.")
        yield LazyTensor(TensorSpec(name, tuple(item.shape), dtype), _safely(file, partial(_torch_array, torch, item)))
    elif isinstance(item, Mapping):
        for key, inner in item.items():
            yield from _torch_tensors(torch, file, f"{name}.{key}" if name else str(key), inner)
    elif isinstance(item, list | tuple):
        for index, inner in enumerate(item):
            yield from _torch_tensors(torch, file, f"{name}.{index}" if name else str(index), inner)


def _torch_array(torch: ModuleType, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def _safetensors(file: Path) -> Contents:
    from safetensors import SafetensorError, safe_open

    try:
        archive = safe_open(file, framework="numpy")
        slices = {name: archive.get_slice(name) for name in archive.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(file, error) from error
    return contents(
        "safetensors",
        *(
            LazyTensor(
                TensorSpec(
                    name, tuple(piece.get_shape()), _SAFETENSORS_TYPES.get(piece.get_dtype(), piece.get_dtype())
                ),
                _safely(file, partial(archive.get_tensor, name)),
            )
            for name, piece in slices.items()
        ),
    )


def _mindspore_checkpoint(file: Path) -> Contents:
    import mindspore as ms

    try:
        parameters = ms.load_checkpoint(str(file))
    except (ValueError, RuntimeError, TypeError) as error:
        raise _damaged(file, error) from error
    return contents(
        "MindSpore checkpoint",
        *(
            LazyTensor(TensorSpec(name, tuple(item.shape), str(item.dtype).lower()), item.asnumpy)
            for name, item in parameters.items()
        ),
    )


_READERS: Mapping[str, Callable[[Path], Contents]] = {
    ".onnx": _onnx_model,
    ".pb": _frozen_graph,
    ".pt": _torch_state,
    ".pth": _torch_state,
    ".bin": _torch_state,
    ".safetensors": _safetensors,
    ".ckpt": _mindspore_checkpoint,
}

_SAFETENSORS_TYPES = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


def _safely(file: Path, load: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """`load`, with errors of the library replaced by a `ModelLoadingError`."""

    def careful() -> np.ndarray:
        try:
            return np.asarray(load())
        except Exception as error:  # any error that a damaged file causes
            raise _damaged(file, error) from error

    return careful


def _damaged(file: Path, error: Exception) -> ModelLoadingError:
    return ModelLoadingError(
        f"'{file}' is damaged, or not what its name says: {_first_line(error)}. Save or copy it again."
    )


def _missing(what: str, package: str, extra: str, error: ImportError) -> RuntimeIntegrityError:
    return RuntimeIntegrityError(
        f'to read {what}, {package} is needed ({error}). Install it: pip install "onnx2mindspore[{extra}]"'
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:200].rstrip(". ")
