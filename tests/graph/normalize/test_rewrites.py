"""Every rewrite leaves a node that computes what the original computes."""

from __future__ import annotations

import itertools

import pytest
from graph.normalize.harness import assert_same, feeds_for, normalized, operators, run_normalized, run_original
from graph.normalize.rewrites import arithmetic, attributes, experimental, layers, resize, scan
from graph.normalize.rewrites.case import Case
from onnx import defs, helper

from converter.graph.annotations import OPSET, refusal_of
from converter.graph.normalize.rewrites import EXPERIMENTAL, REWRITES

FAMILIES = (arithmetic, attributes, experimental, layers, resize, scan)
CASES = [case for family in FAMILIES for case in family.CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_equals_original(case: Case) -> None:
    model = case.model()
    feeds = feeds_for(model)
    if case.expected is None:
        expected = run_original(model, feeds)
    else:
        results = case.expected(*feeds.values())
        expected = list(results) if isinstance(results, tuple) else [results]
    graph = normalized(model)
    assert not [refusal_of(node) for node in graph.graph if refusal_of(node)]
    assert_same(run_normalized(graph, feeds), expected, 2e-6)
    if case.becomes is not None:
        assert " ".join(operators(graph)) == case.becomes


def test_every_rewrite_has_a_case() -> None:
    steps = {step for case in CASES for step in case.steps()}
    assert set(REWRITES) <= steps
    assert set(EXPERIMENTAL) <= {name for name, _ in steps}


def changes() -> list[tuple[defs.OpSchema, defs.OpSchema]]:
    """Every version of ONNX's own operators up to `OPSET`, with the one before."""
    versions: dict[str, list[defs.OpSchema]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= OPSET:
            versions.setdefault(schema.name, []).append(schema)
    ordered = [sorted(history, key=lambda schema: schema.since_version) for history in versions.values()]
    return [pair for history in ordered for pair in itertools.pairwise(history)]


def narrowings(old: defs.OpSchema, new: defs.OpSchema) -> list[str]:
    """What a node written for `old` may say that `new` does not take, or takes for something else."""
    found = ["deprecated"] if new.deprecated else []
    for name, attribute in old.attributes.items():
        now = new.attributes.get(name)
        if now is None or now.type != attribute.type:
            found.append(f"attribute {name} is gone or of another type")
        elif default(now) != default(attribute) or (now.required and not attribute.required):
            found.append(f"attribute {name} has another default")
    found += [
        f"attribute {name} is new and required"
        for name, now in new.attributes.items()
        if now.required and name not in old.attributes
    ]
    for before, now in zip((*old.inputs, *old.outputs), (*new.inputs, *new.outputs), strict=False):
        if len(old.inputs) == len(new.inputs) and not set(before.types) <= set(now.types):
            found.append(f"{now.name} takes fewer types")
    if len(old.inputs) > len(new.inputs) or len(old.outputs) > len(new.outputs):
        found.append("fewer inputs or outputs")
    return found


def default(attribute: defs.OpSchema.Attribute) -> object:
    value = attribute.default_value
    return helper.get_attribute_value(value) if value.name else None


HARMLESS = {
    ("Clip", 6): "the new defaults are the least and the largest number",
    ("GRU", 3): "a spelling mistake in a default: 'foward'",
}


def test_a_change_that_narrows_an_operator_has_a_rewrite() -> None:
    pairs = [(old, new) for old, new in changes() if (new.name, new.since_version) not in REWRITES.keys() | HARMLESS]
    assert len(pairs) > 300
    assert not {(new.name, new.since_version): found for old, new in pairs if (found := narrowings(old, new))}
