"""Prober: receive the inputs and outputs of an instrumented script's nodes, compare them, return the references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.verification.comparisons import NEAR, Difference, NodeComparison, badness
from converter.verification.cpu_kernels import fault_of
from converter.verification.edge_judgement import judged, symptoms
from converter.verification.evaluate import NoReference
from converter.verification.job import Probe
from converter.verification.metrics import difference
from converter.verification.reference import Reference
from converter.verification.sensitivity import REORDERED, is_reordered

ITERATIONS = 16
"""Number of iterations of a loop in which the nodes of its body are compared."""

Note = Callable[..., None]


class Raised:
    """The type of `RAISED`, which replaces a value that the script could not compute."""


RAISED = Raised()


class Prober:
    """The probe: the script calls `before` and `after`.

    `inaccurate` are the nodes that onnxruntime computes inaccurately, so that the result in 64 bits is handed on.

    On edge inputs (`edge`), what an operator leaves open is no difference, and what is special about a node's inputs is
    noted with its comparison.
    """

    def __init__(self, probes: Sequence[Probe], reference: Reference, note: Note, edge: bool = False) -> None:
        self.inaccurate: dict[str, None] = {}
        self._edge = edge
        self._probes = probes
        self._reference = reference
        self._note = note
        self._running: list[tuple[int, Sequence[Any]]] = []
        self._errors: dict[int, Exception] = {}
        self._iterations: dict[int, int] = {}
        self._worst: dict[tuple[int, str], Difference] = {}

    def before(self, number: int, inputs: Sequence[Any]) -> None:
        """Begin a node."""
        if number not in self._iterations:
            self._note(reached=number)
        self._iterations[number] = self._iterations.get(number, 0) + 1
        self._running.append((number, inputs))

    def failed(self, error: Exception) -> None:
        """Record that the innermost running node raised."""
        if self._running:
            self._errors.setdefault(self._running[-1][0], error)

    def after(self, number: int, made: Sequence[Any]) -> Any:
        """End a node; return the values that its consumers read: one value, or a list of several."""
        if all(running != number for running, _ in self._running):  # what computes its inputs raised
            self.before(number, [RAISED])
        while self._running[-1][0] != number:  # nodes of its body that raised
            self._raised_within(self._running.pop()[0])
        _, inputs = self._running.pop()
        results = list(made)
        if self._iterations[number] <= ITERATIONS or any(item is RAISED for item in made):
            results = self._judge(number, inputs, [self._settled(number, item) for item in made])
        return results[0] if len(results) == 1 else results

    def _settled(self, number: int, item: Any) -> Any:
        """Wait for a value: PyNative mode executes asynchronously, and raises errors when a value is read."""
        try:
            if item is not RAISED:
                _array(item, None)
        except Exception as error:
            self._errors.setdefault(number, error)
            return RAISED
        return item

    def _judge(self, number: int, inputs: Sequence[Any], made: Sequence[Any]) -> list[Any]:
        probe = self._probes[number]
        try:
            feeds = self._feeds(probe, inputs)
            wanted = self._reference.outputs(probe.value, feeds)
        except (NoReference, LookupError, ValueError, TypeError, RuntimeError) as reason:
            for _, name in probe.outputs:
                self._found(number, name, Difference("not comparable", note=str(reason)))
            return list(made)
        results = []
        for (index, name), got in zip(probe.outputs, made, strict=True):
            right = wanted[index]
            found = self._difference(number, got, right)
            if found.verdict == "differs" and got is not RAISED:
                if self._reference.is_unordered(probe.value) and is_reordered(_array(got, None), wanted[index]):
                    found = replace(found, verdict="same", note=REORDERED)
                elif self._edge:
                    found = self._on_edge(probe, feeds, index, got, wanted[index])
                elif found.cosine is None or found.cosine > NEAR:
                    exact = self._second_opinion(probe, feeds, index, right)
                    second = found if exact is None else difference(_array(got, None), exact)
                    if exact is not None and second.verdict == "same":
                        found, right = replace(second, note="compared in 64 bits"), exact
                        self.inaccurate[probe.node] = None
            self._found(number, name, found, feeds)
            results.append(_instead(got, right))
        return results

    def _feeds(self, probe: Probe, inputs: Sequence[Any]) -> dict[str, Any]:
        if any(item is RAISED for item in inputs):
            raise NoReference("an input of it could not be computed")
        return {name: _array(item, dtype) for (name, dtype), item in zip(probe.inputs, inputs, strict=True)}

    def _second_opinion(self, probe: Probe, feeds: Mapping[str, Any], index: int, want: Any) -> np.ndarray | None:
        """The reference in float64, since onnxruntime may be inaccurate; None if nothing computes it."""
        if not isinstance(want, np.ndarray) or want.dtype.kind != "f":
            return None
        try:
            exact = self._reference.in_float64(probe.value, feeds)[index]
        except NoReference:
            return None
        return np.asarray(exact).astype(want.dtype)

    def _on_edge(self, probe: Probe, feeds: Mapping[str, Any], index: int, got: Any, want: Any) -> Difference:
        """The comparison on edge inputs: either evaluator may be right."""
        got, inputs = _array(got, None), self._reference.inputs_of(probe.value, feeds)
        operator = self._reference.operator(probe.value)
        found = judged(operator, inputs, got, want)
        if found.verdict != "differs" or fault_of(probe.became, symptoms(feeds)):
            return found
        try:
            exact = np.asarray(self._reference.in_float64(probe.value, feeds)[index]).astype(want.dtype)
        except (NoReference, LookupError, ValueError, TypeError, AttributeError):
            return found
        return judged(operator, inputs, got, want, exact)

    def _difference(self, number: int, got: Any, want: Any) -> Difference:
        if got is not RAISED:
            return difference(_array(got, None), want)
        error = self._errors.get(number)
        if not self._probes[number].converted:
            return Difference("not comparable", note="it is not converted")
        if error is None:
            return Difference("not comparable", note="a node of its body raises")
        return Difference("differs", note=f"the script raises {first_line(error)}")

    def _raised_within(self, number: int) -> None:
        """Record a node that raised inside the body of a loop or branch, where no reference can replace its outputs."""
        for _, name in self._probes[number].outputs:
            self._found(number, name, self._difference(number, RAISED, None))

    def _found(self, number: int, value: str, found: Difference, feeds: Mapping[str, Any] | None = None) -> None:
        """Record a comparison if it is worse than those of earlier iterations."""
        known = self._worst.get((number, value))
        if known is None or badness(found) > badness(known):
            self._worst[number, value] = found
            probe = self._probes[number]
            fault = fault_of(probe.became, symptoms(feeds or {})) if found.verdict == "differs" else ""
            if fault and not self._edge:
                found = replace(found, note=f"MindSpore's CPU kernel alone: {fault}")
            each = NodeComparison(**found.as_dict(), node=probe.node, operator=probe.operator, value=value)
            self._note(node=each.as_dict(), number=number, **({"kernel": fault} if self._edge else {}))


def _array(item: Any, dtype: int | None) -> Any:
    """Convert a tensor, a Python value of a known element type, a list of tensors or None to NumPy."""
    import mindspore as ms

    from converter.verification.arrays import to_numpy

    array = to_numpy(item) if dtype is None or isinstance(item, ms.Tensor) or item is None else np.asarray(item)
    return array if dtype is None or array is None else array.astype(ir.DataType(dtype).numpy(), copy=False)


def _instead(got: Any, want: Any) -> Any:
    """The reference, converted to the kind of value that the script computed."""
    import mindspore as ms

    from converter.verification.arrays import to_mindspore, to_numpy

    if isinstance(got, ms.Tensor):
        return to_mindspore(np.asarray(want).astype(to_numpy(got).dtype))
    return to_mindspore(want) if isinstance(got, (list, tuple, Raised)) else got


def first_line(error: Exception) -> str:
    """The class of an error and the first line of its message, without MindSpore's headings."""
    lines = [line.strip() for line in str(error).splitlines()]
    message = next((line for line in lines if line and not line.startswith("-")), "")
    return f"{type(error).__name__}: {message.rstrip('.')}"[:300]
