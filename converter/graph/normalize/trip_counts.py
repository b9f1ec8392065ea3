"""Infer the trip counts of loops from TensorFlow, which compare a counter with a limit after each iteration.

Such a loop gets a trip count, and loop-carried values that do not change, or only count iterations, are removed. Then
its row can write `for i in range(n)` and stack the outputs of all iterations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from converter.graph.constants import new_initializer
from converter.graph.shape_inference import infer_node
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_nodes
from converter.shapes import FAR

_INT32, _INT64 = ir.DataType.INT32, ir.DataType.INT64


class _Term(NamedTuple):
    """`counter + offset < limit`: the loop ends where this is false after an iteration.

    Counters that go down, or by other steps than 1, are written as such a counter where their ends are constants.
    `start` is the counter's first value, None for the loop's own iteration number; `limit` is loop-invariant. With
    offset 1, the counter is compared after it is incremented; with offset 0, before, so that the loop runs one
    iteration more.
    """

    start: ir.Value | None
    limit: ir.Value
    offset: int


def infer_trip_counts(model: ir.Model) -> None:
    """Set the trip count of every loop whose condition compares an iteration counter with a limit."""
    names = UniqueNames.of(model)
    for node in list(all_nodes(model.graph)):
        if node.op_type == "Loop" and not node.domain:
            _Loop(node, names).simplify()


class _Loop:
    """A Loop node. Loop-carried values are `initial` before it, inputs `formals` and outputs `results` of its body."""

    def __init__(self, node: ir.Node, names: UniqueNames) -> None:
        self.node = node
        self.names = names
        self.body = node.attributes["body"].as_graph()
        self.iteration, self.condition, *self.formals = self.body.inputs
        self.results = list(self.body.outputs)[1 : len(self.formals) + 1]
        self.initial = list(node.inputs)[2:]

    def simplify(self) -> None:
        """Set the trip count, and remove loop-carried values that are invariant or only count iterations."""
        self._capture_invariants()
        terms, others = [], []
        for value in _conjuncts(self.body.outputs[0]):
            if value is self.condition or (value.const_value is not None and value.const_value.numpy().all()):
                continue
            term = self._term(value)
            if term is not None and self._holds_before(term):
                terms.append((term, value))
            else:
                others.append(value)
        if terms:
            others += self._set_trip_count(terms)
            self._set_condition(others)
        self._remove_counters()

    def _capture_invariants(self) -> None:
        """Let the body, and what follows the loop, read values that no iteration changes from outside the loop."""
        carried = zip(self.formals, self.results, self.initial, self.node.outputs, strict=False)
        for formal, result, initial, final in carried:
            if _unwrapped(result) is formal and initial is not None:
                formal.replace_all_uses_with(initial)
                if not final.is_graph_output():
                    final.replace_all_uses_with(initial)

    def _term(self, value: ir.Value) -> _Term | None:
        node = value.producer()
        if node is None or node.op_type not in ("Less", "Greater") or node.domain:
            return None
        small, large = (
            _before_casts(x) for x in (node.inputs if node.op_type == "Less" else reversed(node.inputs)) if x
        )
        return self._counted(small, large, 1) or self._counted(large, small, -1) or self._upwards(small, large)

    def _counted(self, counter: ir.Value, limit: ir.Value, direction: int) -> _Term | None:
        """The term of a counter that goes from one constant to another by steps of another size than 1.

        It is that of a counter from 0 to the number of steps.
        """
        last = _number(limit)
        for formal, result, initial in zip(self.formals, self.results, self.initial, strict=True):
            step = self._step(formal, result)
            if step in (None, 0, 1) or initial is None or counter not in (formal, _unwrapped(result)):
                continue
            first = _number(initial)
            if step is None or first is None or last is None or step * direction < 0:
                return None
            count = len(range(first, last, step))
            return _Term(self._constant(np.array(0)), self._constant(np.array(count)), int(counter is not formal))
        return None

    def _upwards(self, counter: ir.Value, limit: ir.Value) -> _Term | None:
        """The term of a counter that goes up by 1."""
        if not self._is_invariant(limit) or limit.shape is None or len(limit.shape):
            return None
        if counter is self.iteration:
            return _Term(None, limit, 0)
        for formal, result, initial in zip(self.formals, self.results, self.initial, strict=True):
            if initial is not None and self._steps_by_one(formal, result) and counter in (formal, _unwrapped(result)):
                return _Term(initial, limit, int(counter is not formal))
        return None

    def _steps_by_one(self, formal: ir.Value, result: ir.Value) -> bool:
        return self._step(formal, result) == 1

    def _step(self, formal: ir.Value, result: ir.Value) -> int | None:
        """The constant that each iteration adds to an integer; None if it does something else."""
        node = _unwrapped(result).producer()
        if node is None or node.op_type not in ("Add", "Sub") or node.domain or formal.dtype not in (_INT32, _INT64):
            return None
        left, right = (_unwrapped(x) for x in node.inputs if x is not None)
        if node.op_type == "Sub":
            number = _number(right) if left is formal else None
            return None if number is None else -number
        return _number(right if left is formal else left) if formal in (left, right) else None

    def _is_invariant(self, value: ir.Value) -> bool:
        """Whether a value is loop-invariant."""
        node = value.producer()
        if value.const_value is not None:
            return True
        return value not in self.body.inputs if node is None else node.graph is not self.body

    def _holds_before(self, term: _Term) -> bool:
        """Whether `start < limit` holds for constants, or is a part of the loop's initial condition."""
        start, limit = _first(term.start), _number(term.limit)
        if start is not None and limit is not None:
            return start < limit
        condition = self.node.inputs[1]
        return condition is not None and any(_is_less(value, term.start, term.limit) for value in _conjuncts(condition))

    def _set_trip_count(self, terms: Sequence[tuple[_Term, ir.Value]]) -> list[ir.Value]:
        """Set the minimum of the terms' trip counts and the loop's own; return the terms that stay conditions."""
        given = self.node.inputs[0]
        counts = {} if given is None or (_number(given) or 0) >= FAR else {_before_casts(given): given}
        for (start, limit, offset), _ in terms:
            first, last = _first(start), _number(limit)
            if first is not None and last is not None:
                count = self._constant(np.array(last - first + 1 - offset))
                counts[count] = count
            elif offset:
                counts[limit if first == 0 else ir.Value()] = self._iterations(start, limit)
        known = [number for value in counts.values() if (number := _number(value)) is not None]
        computed = [value for value in counts.values() if _number(value) is None]
        if known:
            computed.append(self._constant(np.array(min(known))))
        if computed:
            least = computed[0] if len(computed) == 1 else self._outside("Min", *computed)
            self.node.replace_input_with(0, least)
        late = [(term, value) for term, value in terms if not term.offset and _number(term.limit) is None]
        return [value for (start, limit, _), value in late if limit not in counts or _first(start) != 0]

    def _iterations(self, start: ir.Value | None, limit: ir.Value) -> ir.Value:
        count, first = self._as_int64(limit), _first(start)
        if first is None and start is not None:
            return self._outside("Sub", count, self._as_int64(start))
        return self._outside("Sub", count, self._constant(np.array(first))) if first else count

    def _as_int64(self, value: ir.Value) -> ir.Value:
        return value if value.dtype == _INT64 else self._outside("Cast", value, to=_INT64.value)

    def _constant(self, array: np.ndarray) -> ir.Value:
        graph = self.node.graph
        assert isinstance(graph, ir.Graph)
        return new_initializer(graph, self.names.fresh(f"{self.node.name}/count"), ir.tensor(array))

    def _outside(self, op_type: str, *inputs: ir.Value, **attributes: int) -> ir.Value:
        return self._add(op_type, inputs, attributes, before=self.node)

    def _add(
        self, op_type: str, inputs: Sequence[ir.Value], attributes: Mapping[str, int], before: ir.Node | None = None
    ) -> ir.Value:
        """Add a node, before another one or at the end of the body."""
        name = self.names.fresh(f"{self.node.name}/{op_type}")
        made = ir.node(op_type, inputs, attributes, name=name)
        made.outputs[0].name = name
        if before is None:
            self.body.append(made)
        elif before.graph is not None:
            before.graph.insert_before(before, made)
        infer_node(made)
        return made.outputs[0]

    def _set_condition(self, others: Sequence[ir.Value]) -> None:
        """Set the loop's condition to the conjunction of `others`; to true when there are none."""
        if not others:
            self.node.replace_input_with(1, self._constant(np.array(True)))
            others = [self.condition]
        condition = others[0]
        for other in others[1:]:
            condition = self._add("And", (condition, other), {})
        self.body.outputs[0] = condition if condition is not self.condition else self._add("Identity", (condition,), {})

    def _remove_counters(self) -> None:
        """Compute counters from the loop's iteration number; remove loop-carried values that nothing reads.

        A counter that goes up by 1 from another number than 0 stays.
        """
        finals = self.node.outputs[: len(self.formals)]
        unread = [not final.uses() and not final.is_graph_output() for final in finals]
        for k, (formal, result, start) in enumerate(zip(self.formals, self.results, self.initial, strict=True)):
            first, step = None if start is None else _number(start), self._step(formal, result)
            if unread[k] and first is not None and step and (first == 0 or step != 1):
                counter, node = self.iteration, self.body[0]
                begin = self._constant(np.array(first))
                if abs(step) != 1:
                    counter = self._add("Mul", (counter, self._constant(np.array(abs(step)))), {}, before=node)
                if step < 0:
                    counter = self._add("Sub", (begin, counter), {}, before=node)
                elif first != 0:
                    counter = self._add("Add", (counter, begin), {}, before=node)
                if formal.dtype == _INT32:
                    counter = self._add("Cast", (counter,), {"to": _INT32.value}, before=node)
                formal.replace_all_uses_with(counter)
        gone = [
            k
            for k, formal in enumerate(self.formals)
            if unread[k] and not formal.uses() and not formal.is_graph_output()
        ]
        if gone:
            self._drop_carried(gone)

    def _drop_carried(self, gone: Sequence[int]) -> None:
        """Replace the node by one without the loop-carried values at the indices `gone`."""
        old = self.node
        for k in reversed(gone):
            del self.body.inputs[k + 2]
            del self.body.outputs[k + 1]
        inputs = [value for k, value in enumerate(old.inputs) if k - 2 not in gone]
        finals = [value for k, value in enumerate(old.outputs) if k not in gone]
        body = old.attributes.pop("body")
        new = ir.node("Loop", inputs, num_outputs=len(finals), name=old.name)
        new.attributes.add(body)
        new.metadata_props.update(old.metadata_props)
        assert old.graph is not None
        old.graph.insert_before(old, new)
        for one, other in zip(finals, new.outputs, strict=True):
            other.name, other.type, other.shape = one.name, one.type, one.shape
            other.metadata_props.update(one.metadata_props)
            one.replace_all_uses_with(other, replace_graph_outputs=True)
        old.graph.remove(old, safe=True)


def _conjuncts(value: ir.Value) -> Iterator[ir.Value]:
    """The operands of `a and b and c`."""
    pending: list[ir.Value] = [value]
    joined: set[ir.Node] = set()  # each is visited once, even where a value is an operand of And twice
    while pending:
        value = _unwrapped(pending.pop())
        node = value.producer()
        if node is None or node.op_type != "And" or node.domain:
            yield value
        elif node not in joined:
            joined.add(node)
            pending += [part for part in reversed(node.inputs) if part is not None]


def _is_less(value: ir.Value, start: ir.Value | None, limit: ir.Value) -> bool:
    """Whether a value is `start < limit`."""
    node = value.producer()
    if node is None or node.op_type not in ("Less", "Greater") or node.domain:
        return False
    small, large = (_before_casts(x) for x in (node.inputs if node.op_type == "Less" else reversed(node.inputs)) if x)
    wanted = _first(start)
    same = small is _before_casts(start) if wanted is None and start is not None else _number(small) == wanted
    return same and large is limit


def _unwrapped(value: ir.Value) -> ir.Value:
    """The value before Identity nodes."""
    node = value.producer()
    while node is not None and node.op_type == "Identity" and not node.domain and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return value


def _before_casts(value: ir.Value) -> ir.Value:
    """The integer that Cast nodes convert, since loops also compare integers as floats; `value` if there is none."""
    root = value = _unwrapped(value)
    node = value.producer()
    while node is not None and node.op_type == "Cast" and not node.domain and node.inputs[0] is not None:
        value = _unwrapped(node.inputs[0])
        node = value.producer()
        root = value if value.dtype in (_INT32, _INT64) else root
    return root


def _number(value: ir.Value) -> int | None:
    """The integer that a constant of one element holds; None for other values."""
    tensor = _before_casts(value).const_value
    if tensor is None or tensor.size != 1 or not (tensor.dtype.is_integer() or tensor.dtype.is_floating_point()):
        return None
    number = float(tensor.numpy().reshape(()))
    return int(number) if number.is_integer() else None


def _first(start: ir.Value | None) -> int | None:
    """A counter's first value, 0 for the iteration number; None where it is computed."""
    return 0 if start is None else _number(start)
