"""Locations: the Cells around a node in the script, and the names of its parameters."""

from __future__ import annotations

from script.programs import call, dense, let, member, variables

from converter.base.scope import Scope
from converter.script.expressions import Call, invoke
from converter.script.program import Cell, Record
from converter.script.structure.locations import NodeLocations

X, A, B, C = variables("x a b c")
INSTANCE = member("block", Call(Cell("Block")), "fc.weight")


def noted(locations: NodeLocations, anchor: object) -> Record:
    record = Record("onnx::Gemm", "node", anchor=anchor)  # type: ignore[arg-type]
    locations.note_calls(record)
    return record


def test_a_node_of_the_network_itself_is_in_no_cell() -> None:
    layer = dense("fc")
    record = noted(NodeLocations(), let(A, call(layer, X)))
    assert record.calls == ()
    assert record.parameters == ("fc.weight", "fc.bias")


def test_a_statement_is_in_the_instance_that_it_stood_in() -> None:
    layer, statement = dense("fc"), let(A, invoke("ops.relu", X))
    layer.owner = INSTANCE
    locations = NodeLocations()
    locations.owners[statement] = INSTANCE
    assert noted(locations, statement).calls == (Scope("block", "Block"),)
    assert noted(locations, layer).calls == (Scope("block", "Block"),)
    assert noted(locations, layer).parameters == ("block.fc.weight", "block.fc.bias")


def test_an_instance_within_a_sequence_is_known_by_its_number() -> None:
    sequence = member("layers", invoke("nn.SequentialCell"), "0.fc.weight")
    first = member("0", Call(Cell("Block")), "fc.weight")
    first.owner = sequence
    statement = let(A, call(first, X))
    locations = NodeLocations()
    locations.owners[statement] = first
    assert noted(locations, statement).calls == (Scope("layers", "nn.SequentialCell"), Scope("0", "Block"))


def test_a_merged_statement_keeps_the_instance_that_it_stood_in() -> None:
    """The statement of a second instance is replaced by that of the first, which stands in another instance."""
    first, second = let(A, invoke("ops.relu", X)), let(B, invoke("ops.relu", X))
    other = member("other", Call(Cell("Block")), "fc.weight")
    locations = NodeLocations()
    locations.moved[second] = first
    locations.owners |= {first: INSTANCE, second: other}
    record = noted(locations, second)
    locations.follow(record)
    assert record.calls == (Scope("other", "Block"),)
    assert record.anchor is first


def test_a_record_follows_its_anchor_to_the_end() -> None:
    first, second, third = let(A, X), let(B, A), let(C, B)
    locations = NodeLocations()
    locations.moved = {first: second, second: third}
    record = Record("onnx::Relu", "node", anchor=first)
    locations.follow(record)
    assert record.anchor is third


def test_a_node_that_nothing_was_written_for_is_nowhere() -> None:
    record = noted(NodeLocations(), None)
    NodeLocations().follow(record)
    assert (record.calls, record.parameters, record.anchor) == ((), (), None)
