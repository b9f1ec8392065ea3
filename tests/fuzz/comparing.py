"""Compare what a script computes with what its source computes, and find the node that differs by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mindspore as ms
import numpy as np
import onnx
import pytest
from fuzz.building import Feeds, declared, names_read, run
from fuzz.disguises import retype
from fuzz.explained import cut_off, explanation, left_open, not_allowed, of_no_iterations
from fuzz.unfolding import unfolded
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_backend import MindSporeBackend, MindSporeRep, Unconverted

from converter.graph import edge_values
from converter.graph.queries import is_float
from converter.verification.arrays import to_mindspore, to_numpy

MODES = {"PyNative": ms.PYNATIVE_MODE, "graph": ms.GRAPH_MODE}
TOLERANCE = {"float16": 5e-3, "bfloat16": 3e-2}
"""How far results may be apart, as a part of the largest one; 1e-4 in other types."""


@dataclass(frozen=True)
class Difference:
    """What differs first on some inputs in a mode.

    `node` is the operator that differs by itself, "" if none does; `explained` says why it is not the converter's
    fault, "" if it is.
    """

    mode: str
    feeds: str
    what: str
    node: str = ""
    detail: str = ""
    explained: str = ""


def findings(
    model: onnx.ModelProto,
    feeds: Sequence[Feeds],
    wanted: Sequence[list[np.ndarray] | None],
    modes: Sequence[str] = tuple(MODES),
    evaluator: bool = False,
) -> Iterator[Difference]:
    """Every kind of difference, by mode and inputs."""
    try:
        made = MindSporeBackend.prepare(model)
    except Unconverted as error:
        yield Difference("", "", f"is not converted: {error}", explained=explanation("", str(error), "", {}))
        return
    seen: set[tuple[str, str]] = set()
    for mode in modes:
        for each, want in zip(feeds, wanted, strict=True):
            what = "" if want is None else _compared(made, model, each, want, mode)
            if not what or want is None:
                continue
            kind = kind_of(each)
            why = of_no_iterations(model, what) or _of_another_branch(model, each, want, what, mode)
            if not why and kind != "ordinary":
                why = _explained_together(model, each, want, what, mode, evaluator)
            found = Difference(mode, kind, what, explained=why) if why else None
            whole = unfolded(model, each)
            found = found or _first_alone(whole, each, mode, kind, evaluator)
            if found is None:
                if "raises" not in what and is_sensitive(model, each, want, evaluator):
                    continue
                why = _explained_together(model, each, want, what, mode, evaluator)
                if not why and whole is not model:  # a function, a branch or a body, and no node in it
                    found = _first_alone(model, each, mode, kind, evaluator)
                found = found or Difference(mode, kind, what, explained=why)
            if (found.node, found.what) not in seen:
                seen.add((found.node, found.what))
                yield found


def _explained_together(
    model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray], what: str, mode: str, evaluator: bool
) -> str:
    """Why a whole model differs where none of its nodes does; empty if no explanation fits."""
    if {"Exp", "Log"} <= {node.op_type for node in model.graph.node}:
        return "Softplus does not overflow where log(1 + exp(x)) does."
    whole = unfolded(model, feeds)
    alone = list(_alone(whole, feeds, evaluator))
    for node, one, inputs in alone:
        constants = {t.name: numpy_helper.to_array(t) for t in one.graph.initializer}
        if why := not_allowed(node, {**inputs, **constants}):
            return why
    if "raises" in what:
        operators = ["", *(node.op_type for node in whole.graph.node)]
        if why := next(filter(None, (explanation(each, what, "", {}) for each in operators)), ""):
            return why
        if all(array.size for _, _, inputs in alone for array in inputs.values()):
            return ""
        if _is_same_guarded(model, feeds, wanted, mode):
            return "What arithmetic and layers compute is taken to have elements: there an operator is not guarded."
        return ""
    for node, one, inputs in alone:
        constants = {t.name: numpy_helper.to_array(t) for t in one.graph.initializer}
        if why := left_open(node, {**inputs, **constants}) or cut_off(node, inputs):
            return why
    if why := _by_wider_type(model, feeds, wanted, what, mode) or _by_tanh(whole, feeds, wanted):
        return why
    if why := _by_evaluator(model, feeds, mode):
        return why
    if kind_of(feeds) == "ordinary" or not _is_same_guarded(model, feeds, wanted, mode):
        return ""
    return "What layers and reductions compute is taken as ordinary: there a kernel that loses NaN is not guarded."


def _by_wider_type(model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray], what: str, mode: str) -> str:
    """Why the difference is of rounding in float16, by what source and script give in float32."""
    wide, wide_feeds = onnx.ModelProto(), dict(feeds)
    wide.CopyFrom(model)
    if not retype(wide, wide_feeds, TensorProto.FLOAT16, TensorProto.FLOAT):
        return ""
    try:
        exact = run(wide, [wide_feeds])[0] or []
        got = outputs_of(MindSporeBackend.prepare(model), model, feeds, mode)
        is_rounding = what.startswith("off by") and float(what.split()[-1]) < 0.05
        same = is_rounding and not _compared(MindSporeBackend.prepare(wide), wide, wide_feeds, exact, mode)
    except Exception:
        return ""
    if not [x.shape for x in got] == [x.shape for x in wanted] == [x.shape for x in exact]:
        return ""
    trios = zip(got, wanted, exact, strict=True)
    far = [[np.abs(x.astype(np.float64) - right).max(initial=0) for x in pair] for *pair, right in trios]
    if all(mine <= 3 * theirs for mine, theirs in far):
        return "In float16 onnxruntime is as far from the result in float32 as the script."
    return (
        "The script rounds every step to float16, onnxruntime the last; in float32 they are the same." if same else ""
    )


def _is_same_guarded(model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray], mode: str) -> bool:
    """Whether nothing differs in a script that takes every value as one on the edge."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge_values, "_is_fed", lambda value, carries: carries(value))
        patch.setattr(edge_values, "_hides_row", lambda value, axis: is_float(value))
        patch.setattr(edge_values, "_is_input", lambda value: True)
        made = MindSporeBackend.prepare(model)
    return not _compared(made, model, feeds, wanted, mode)


def kind_of(feeds: Feeds) -> str:
    """What is on the edge in some inputs."""
    arrays = [x.astype(np.float64) for x in feeds.values()]
    if any(np.isnan(x).any() for x in arrays):
        return "NaN"
    if any(np.isinf(x).any() for x in arrays):
        return "edges"
    if not any(x.any() for x in arrays):
        return "zeros"
    return "edges" if any((np.abs(x) > 1e6).any() for x in arrays) else "ordinary"


def _compared(made: MindSporeRep, model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray], mode: str) -> str:
    """What differs in a mode on some inputs; empty if nothing does."""
    try:
        arrays = outputs_of(made, model, feeds, mode)
    except TimeoutError:
        raise
    except Exception as error:
        return f"raises {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if len(arrays) != len(wanted):
        return f"{len(arrays)} outputs for {len(wanted)}"
    floor = 1e-6 if kind_of(feeds) == "ordinary" else 1.0
    return next(filter(None, (unlike(a, b, floor) for a, b in zip(arrays, wanted, strict=True))), "")


def _of_another_branch(model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray], what: str, mode: str) -> str:
    """Why graph mode raises: the shapes of a branch that is not taken do not fit; with free extents it runs."""
    if mode != "graph" or "raises" not in what or all(node.op_type != "If" for node in model.graph.node):
        return ""
    made = MindSporeBackend.prepare(model)
    arrays = [to_mindspore(feeds[value.name]) for value in model.graph.input]
    made.net.set_inputs(*[ms.Tensor(shape=[None] * array.ndim, dtype=array.dtype) for array in arrays])
    left = _compared(made, model, feeds, wanted, mode)
    return "" if left else "Graph mode compiles a branch that is not taken, for extents that do not fit in it."


def outputs_of(made: MindSporeRep, model: onnx.ModelProto, feeds: Feeds, mode: str) -> list[np.ndarray]:
    """What a script gives."""
    ms.set_context(mode=MODES[mode])
    found = made.net(*[to_mindspore(feeds[value.name]) for value in model.graph.input])
    return [np.asarray(to_numpy(value)) for value in (found if isinstance(found, tuple) else (found,))]


def is_sensitive(model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray], evaluator: bool = False) -> bool:
    """Whether the source itself gives something else on inputs that are moved by as much as rounding does."""
    for number in range(3):
        numbers = np.random.default_rng(number)

        def moved_by_rounding(x: np.ndarray, numbers: np.random.Generator = numbers) -> np.ndarray:
            far = 4e-3 if x.dtype.itemsize == 2 else 2e-7
            return (x * (1 + numbers.choice([-far, far], x.shape))).astype(x.dtype) if x.dtype.kind == "f" else x

        moved = {name: moved_by_rounding(x) for name, x in feeds.items()}
        with np.errstate(all="ignore"):
            found = run(model, [moved], evaluator)[0]
        if any(unlike(a, b, 0.1) for a, b in zip(found or (), wanted, strict=False)):
            return True
    return False


def _first_alone(model: onnx.ModelProto, feeds: Feeds, mode: str, kind: str, evaluator: bool) -> Difference | None:
    """The first node that differs by itself; one that is not explained before those that are."""
    explained = None
    for node, one, inputs in _alone(model, feeds, evaluator):
        wanted = None
        try:
            wanted = run(one, [inputs], evaluator)[0]
            what = "" if wanted is None else _compared(MindSporeBackend.prepare(one), one, inputs, wanted, mode)
        except Unconverted as error:
            what = f"is not converted: {error}"
        except TimeoutError:
            raise
        except Exception:  # onnx's evaluator does not run this node by itself
            continue
        if what:
            constants = {t.name: numpy_helper.to_array(t) for t in one.graph.initializer}
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.type != a.GRAPH}
            shapes = {name: f"{array.dtype}{list(array.shape)}" for name, array in inputs.items()}
            shown = {name: array.tolist() for name, array in constants.items() if array.size < 12}
            detail = f"{list(node.input)} {shapes} {shown} {attributes}"
            held = {**inputs, **constants}
            why = next(filter(None, (explanation(each, what, kind, held, attributes) for each in _operators(node))), "")
            if not why and kind != "ordinary" and "raises" not in what:
                why = left_open(node, {**inputs, **constants})
            why = why or not_allowed(node, {**inputs, **constants}) or _by_evaluator(one, inputs, mode)
            why = why or _by_wider_type(one, inputs, wanted or (), what, mode)
            found = Difference(mode, kind, what, node.op_type, detail, why)
            if not why:
                return found
            explained = explained or found
    return explained


def _by_evaluator(model: onnx.ModelProto, feeds: Feeds, mode: str) -> str:
    """Why the script is right after all: it gives what onnx's evaluator gives; empty if it does not."""
    operators = ", ".join(sorted({node.op_type for node in model.graph.node}))
    try:
        with np.errstate(all="ignore"):
            wanted = [np.asarray(array) for array in ReferenceEvaluator(model).run(None, dict(feeds))]
        what = _compared(MindSporeBackend.prepare(model), model, feeds, wanted, mode)
    except Exception:
        return ""
    return "" if what else f"onnx's evaluator gives what the script gives for {operators}."


def _by_tanh(model: onnx.ModelProto, feeds: Feeds, wanted: Sequence[np.ndarray]) -> str:
    """Why the difference is that of MindSpore's tanh: the source is as far off where its own is off by as much."""
    for factor in (1 - 1e-5, 1 + 1e-5):
        made = onnx.ModelProto()
        made.CopyFrom(model)
        made.graph.initializer.append(numpy_helper.from_array(np.float32(factor), "as_far_off"))
        del made.graph.node[:]
        for node in model.graph.node:
            made.graph.node.append(node)
            if node.op_type == "Tanh":
                moved = made.graph.node[-1].output
                moved[0] += "/exact"
                made.graph.node.append(helper.make_node("Mul", [moved[0], "as_far_off"], node.output))
        is_whole = {end.name for end in made.graph.output} <= {name for node in made.graph.node for name in node.output}
        if len(made.graph.node) > len(model.graph.node) and is_whole:  # no loop was taken out with what it returns
            found = run(made, [feeds])[0]
            if any(unlike(a, b) for a, b in zip(found or (), wanted, strict=False)):
                return "MindSpore's tanh in float32 is good to 1e-5 only."
    return ""


def _operators(node: onnx.NodeProto) -> Iterator[str]:
    """The operators of a node and of all that stand in it."""
    yield node.op_type
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _operators(inner)


def unlike(got: np.ndarray, want: np.ndarray, floor: float = 1e-6) -> str:
    """Why two arrays are not the same; empty if they are. `floor` is the least number that counts as the largest."""
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return f"{got.dtype}{list(got.shape)} for {want.dtype}{list(want.shape)}"
    if want.dtype.kind not in "fV":
        if np.array_equal(got, want):
            return ""
        apart = np.max(np.abs(got.astype(object) - want.astype(object))) if want.dtype.kind in "iu" else 1
        return f"{got.ravel()[:6]} for {want.ravel()[:6]}, {apart} apart"
    limit = TOLERANCE.get(want.dtype.name, 1e-4)
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(np.isnan(got), np.isnan(want)):
        return f"{np.isnan(got).sum()} NaN for {np.isnan(want).sum()}"
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return "infinities in other places"
    scale = max(floor, float(np.abs(want[finite]).max(initial=0)))
    error = float(np.abs(got[finite] - want[finite]).max(initial=0)) / scale
    return f"off by {error:.1e}" if error > limit else ""


def _alone(
    model: onnx.ModelProto, feeds: Feeds, evaluator: bool
) -> Iterator[tuple[onnx.NodeProto, onnx.ModelProto, Feeds]]:
    """Each node as a model of its own, whose inputs are what the source computes for it."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    del whole.graph.output[:]
    whole.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    computed = run(whole, [feeds], evaluator)[0]
    known = {**feeds, **dict(zip(names, computed or (), strict=True))}
    inferred = onnx.shape_inference.infer_shapes(whole).graph.output
    lists = {value.name for value in inferred if value.type.HasField("sequence_type")}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        read = names_read(node)
        if lists & {*read, *node.output}:  # a list is not fed
            continue
        inputs = {name: known[name] for name in read if name in known}
        ends = [
            declared(name, known[name], [f"{name}_{axis}" for axis in range(known[name].ndim)])
            for name in node.output
            if name
        ]
        starts = [declared(name, x, [f"{name}_n", *x.shape[1:]][: x.ndim]) for name, x in inputs.items()]
        kept = [constants[name] for name in read if name in constants]
        graph = helper.make_graph([node], "one", starts, ends, kept)
        made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        made.functions.extend(model.functions)
        yield node, made, inputs
