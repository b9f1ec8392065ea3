"""The whole comparison, in a process of its own: outputs that differ, a script that raises, a process that dies."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graph.normalize.harness import parse
from onnx import TensorProto, helper

import converter
from converter.api import Result
from converter.base.output import InterruptedWhenPlacedError
from converter.errors import BadParamError
from converter.script.program import Program
from converter.script.structure import structure
from converter.script.templates import expr
from converter.verification import supervise, verify

NETWORK = ("Sin", "Cos", "Neg", "Exp")


def convert(folder: Path, rows: str, **options) -> Result:
    """Convert a chain of four operators with a table of one's own."""
    names = [f"x{i}" for i in range(len(NETWORK) + 1)]
    nodes = [
        helper.make_node(op_type, [names[i]], [names[i + 1]], f"chain/{op_type}") for i, op_type in enumerate(NETWORK)
    ]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3])] for name in (names[0], names[-1])]
    model = helper.make_model(
        helper.make_graph(nodes, "chain", *ends), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    onnx.save(model, folder / "chain.onnx")
    table = folder / "rows.py"
    table.write_text(f"import os\nfrom converter.rows import *\n\n{rows}\n", encoding="utf-8")
    return converter.convert(folder / "chain.onnx", output=folder / "out", operator_map=table, **options)


def report(folder: Path) -> str:
    return (folder / "out" / "report_of_chain.txt").read_text(encoding="utf-8")


def line_of(folder: Path, part: str) -> int:
    lines = (folder / "out" / "chain.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if part in line)


def test_a_wrong_node_is_named_with_its_line(tmp_path: Path) -> None:
    result = convert(tmp_path, 'ROWS = {"Cos": call("ops.tan({0})")}')
    assert result.verification is not None
    assert result.verdict == "differs"
    first = result.verification.first_difference
    assert first is not None
    assert (first.node, first.operator, first.value) == ("chain/Cos", "onnx::Cos", "x2")
    assert [node.verdict for node in result.verification.nodes] == ["same", "differs", "same", "same"]
    assert "the first node that differs by itself: 'onnx::Cos' (chain/Cos)" in report(tmp_path)
    assert f"line {line_of(tmp_path, 'ops.tan')}:" in report(tmp_path)


def test_a_kernel_that_is_at_fault_alone_is_named(tmp_path: Path) -> None:
    onnx.save(parse("g (float[4] x) => (float[4] y) { y = Tanh(x) }", 17), tmp_path / "bounded.onnx")
    np.savez(tmp_path / "x.npz", x=np.array([0.5, -2, 4.9999, -4.99995], np.float32))
    result = converter.convert(
        tmp_path / "bounded.onnx", output=tmp_path, verify_inputs=tmp_path / "x.npz", edges="none"
    )
    assert result.verification is not None
    first = result.verification.first_difference
    assert first is not None
    assert first.note.startswith("MindSpore's CPU kernel alone: ops.tanh is off")


def test_a_network_that_raises_says_where(tmp_path: Path) -> None:
    result = convert(tmp_path, 'ROWS = {"Neg": call("ops.matmul({0}, ops.ones((4, 5)))")}')
    assert result.verification is not None
    line = line_of(tmp_path, "ops.matmul")
    for output in result.verification.outputs:
        assert output.verdict == "differs"
        assert "raises" in output.note
        assert output.note.endswith(f"at line {line}: 'onnx::Neg' (chain/Neg)"), output.note
    assert result.verification.first_difference is not None
    assert result.verification.first_difference.node == "chain/Neg"
    assert [node.verdict for node in result.verification.nodes] == ["same", "same", "differs", "same"]


def killed_by(number: int) -> str:
    """Rows of which one ends the process by a signal."""
    return f"""
def killer(node, x):
    return expr("{{0}}({{1}})", kill, x)

def kill(x):
    import os
    os.kill(os.getpid(), {number})
    return x

ROWS = {{"Neg": killer}}
"""


def test_a_network_that_ends_the_process_says_where(tmp_path: Path) -> None:
    result = convert(tmp_path, killed_by(signal.SIGSEGV))
    assert result.verification is not None
    assert result.verdict == "differs"
    assert "SIGSEGV" in result.verification.outputs[0].note
    first = result.verification.first_difference
    assert first is not None
    assert first.node == "chain/Neg"
    assert "SIGSEGV" in first.note


def test_a_process_that_the_system_ends_says_nothing_about_the_network(tmp_path: Path) -> None:
    result = convert(tmp_path, killed_by(signal.SIGKILL))
    assert result.verification is not None
    assert result.verdict == "not verified"
    assert {output.verdict for output in result.verification.outputs} == {"not comparable"}
    assert "[Verification] not verified.\nthe system ended it, most likely since memory ran out\n" in report(tmp_path)


def test_a_process_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    assert convert(tmp_path, "ROWS = {}", verify_limit=0.36).verdict == "not verified"
    assert "the source could not be run: it was stopped after 0.36 seconds (--verify_limit)" in report(tmp_path)


@pytest.mark.parametrize("stopped_by", [None, RuntimeError("a fault of ours"), KeyboardInterrupt()])
def test_the_result_is_there_before_verification_runs(tmp_path: Path, monkeypatch, stopped_by) -> None:
    there = []

    def look(folder: Path, part: str, job, *rest):
        there.append({path.name for path in (tmp_path / "out").iterdir() if path.is_file()})
        there.append(job.script.read_text(encoding="utf-8") == (tmp_path / "out" / "chain.py").read_text("utf-8"))
        assert "[Verification] not verified.\nthe conversion ended before its verification did" in report(tmp_path)
        if stopped_by is not None:
            raise stopped_by
        return supervise.run(folder, part, job, *rest)

    monkeypatch.setattr(verify, "run", look)
    if isinstance(stopped_by, KeyboardInterrupt):
        with pytest.raises(InterruptedWhenPlacedError):
            convert(tmp_path, "ROWS = {}")
        assert "the conversion ended before its verification did" in report(tmp_path)
    else:
        verdict = convert(tmp_path, "ROWS = {}").verdict
        assert verdict == ("not verified" if stopped_by else "same")
        assert ("a fault of ours" in report(tmp_path)) == (stopped_by is not None)
        assert "the conversion ended" not in report(tmp_path)
    reports = {f"report_of_chain.{kind}" for kind in ("txt", "json", "html")}
    assert there[0] == {"chain.py", "weight_map_of_chain.json"} | reports
    assert there[1]
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == there[0]
    assert not any(path.is_dir() for path in (tmp_path / "out").iterdir())


def test_inputs_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x0=np.zeros((2, 3, 4), np.float32))
    with pytest.raises(BadParamError):
        convert(tmp_path, "ROWS = {}", verify_inputs=tmp_path / "x.npz")
    assert not (tmp_path / "out").exists()


def test_inputs_that_cannot_be_made_end_no_conversion(tmp_path: Path) -> None:
    """NumPy has no array of so many axes; strings have no bytes to count."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1] * 70) for name in ("x", "y")]
    text = [helper.make_tensor_value_info("t", TensorProto.STRING, [1])]
    words = helper.make_tensor("w", TensorProto.STRING, [1], [b"a"])
    nodes = [helper.make_node("Sin", ["x"], ["y"]), helper.make_node("Identity", ["w"], ["t"])]
    graph = helper.make_graph(nodes, "axes", ends[:1], ends[1:] + text, [words])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), tmp_path / "axes.onnx")
    result = converter.convert(tmp_path / "axes.onnx", output=tmp_path / "out")
    assert result.verification is not None
    assert result.verification.stopped
    assert (tmp_path / "out" / "axes.py").exists()


def test_a_network_too_large_for_memory_is_verified_layer_by_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "free_memory", lambda: 10**8)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [20]) for name in "xy")
    weight = helper.make_tensor("w", TensorProto.FLOAT, [20], list(range(20)))
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "net", [x], [y], [weight])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "net.onnx"
    )
    result = converter.convert(tmp_path / "net.onnx", output=tmp_path / "out")
    assert result.verdict == "same"
    assert result.verification is not None
    assert "each layer was compared by itself" in result.verification.note


def test_the_nodes_beside_a_stub_are_compared(tmp_path: Path) -> None:
    rows = """
def declined(node, x):
    raise node.decline("it is a test")

ROWS = {"Cos": declined}
"""
    result = convert(tmp_path, rows)
    assert result.verification is not None
    assert result.verdict == "not comparable"
    assert result.verification.note == "1 node is not converted"
    assert [node.verdict for node in result.verification.nodes] == ["same", "not comparable", "same", "same"]


def test_a_graph_that_is_not_the_source_is_suspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replaces_wrongly(graph: ir.Model, *_: object) -> ir.Model:
        for node in graph.graph:
            node.op_type = {"Neg": "Abs"}.get(node.op_type, node.op_type)
        return graph

    monkeypatch.setattr(converter.api, "fuse_operators", replaces_wrongly)
    result = convert(tmp_path, "ROWS = {}")
    assert result.verification is not None
    assert result.verification.first_difference is None
    assert result.verification.note.endswith(
        "the normalised graph itself is off the source at x4: suspect normalisation"
    )


def test_a_script_that_joins_nodes_wrongly_is_suspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def joins_wrongly(program: Program) -> Program:
        made = structure(program)
        made.top.body.results = tuple(expr("{0} + 1.0", result) for result in made.top.body.results)
        return made

    monkeypatch.setattr(converter.api, "structure", joins_wrongly)
    result = convert(tmp_path, "ROWS = {}")
    assert result.verification is not None
    assert result.verification.first_difference is None
    assert "suspect how the script joins them" in result.verification.note


@pytest.mark.parametrize(("rows", "compared"), [("ROWS = {}", 2), ('ROWS = {"Cos": call("ops.tan({0})")}', 4)])
def test_a_large_network_is_sampled_unless_it_differs(
    rows: str, compared: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SAMPLE", 2)
    result = convert(tmp_path, rows)
    assert result.verification is not None
    assert len(result.verification.nodes) == compared
    assert result.verdict == ("same" if compared == 2 else "differs")


def test_a_node_that_fails_in_graph_mode_alone_is_named(tmp_path: Path) -> None:
    rows = """
def row(node, x):
    return expr("{0}({1})", mode_dependent, x)

def mode_dependent(x):
    return ops.cos(x) if ms.get_context("mode") == ms.PYNATIVE_MODE else x  # graph mode does not compile it

ROWS = {"Cos": row}
"""
    result = convert(tmp_path, rows)
    assert result.verification is not None
    assert {output.mode: output.verdict for output in result.verification.outputs} == {
        "PyNative": "same",
        "graph": "differs",
    }
    first = result.verification.first_difference
    assert first is not None
    assert first.node == "chain/Cos"
    assert first.note.startswith("in graph mode; the script raises")


def test_a_random_node_is_not_comparable_and_those_behind_it_are(tmp_path: Path) -> None:
    shape = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"], "noise"),
        helper.make_node("Add", ["x", "noise"], ["sum"], "sum"),
        helper.make_node("Tanh", ["sum"], ["y"], "tanh"),
    ]
    ends = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])
    model = helper.make_model(
        helper.make_graph(nodes, "noisy", [ends], [shape]), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    onnx.save(model, tmp_path / "noisy.onnx")
    result = converter.convert(tmp_path / "noisy.onnx", output=tmp_path / "out")
    assert result.verification is not None
    assert result.verdict == "not comparable"
    assert {node.node: node.verdict for node in result.verification.nodes} == {
        "noise": "not comparable",
        "sum": "same",
        "tanh": "same",
    }


@pytest.mark.parametrize(
    ("got", "want", "cosine"),
    [
        ([1.0, 2.0], [2.0, 4.0], 1.0),
        ([1.0, 0.0], [0.0, 1.0], 0.0),
        ([1.0], [-1.0], -1.0),
        ([0.0], [1.0], None),
        ([1e30, 1e30], [1e30, 1e30], 1.0),
    ],
)
def test_cosine_similarity(got: list[float], want: list[float], cosine: float | None) -> None:
    from converter.verification.metrics import difference

    found = difference(np.array(got, np.float32), np.array(want, np.float32)).cosine
    assert found == (None if cosine is None else pytest.approx(cosine))


# Extents that nobody gave


def convert_frames(folder: Path, **options) -> Result:
    """Convert a model that cuts a sequence of any length into frames of 320."""
    text = '<ir_version: 10, opset_import: ["" : 20]> g (float[n, length] x) => (float[n, frames, 320] y)'
    body = "{ shape = Constant <value_ints = [0, -1, 320]> () r = Reshape(x, shape) y = Relu(r) }"
    onnx.save(onnx.parser.parse_model(text + body), folder / "frames.onnx")
    return converter.convert(folder / "frames.onnx", output=folder, **options)


def test_an_extent_that_the_source_takes_is_found(tmp_path: Path) -> None:
    result = convert_frames(tmp_path)
    assert result.verdict == "same"
    assert result.verification is not None
    assert [feed.shape for feed in result.verification.feeds.values()] == [(1, 640)]


def test_an_extent_that_the_user_gave_is_kept(tmp_path: Path) -> None:
    result = convert_frames(tmp_path, shape=["1,30"])
    assert result.verdict == "not comparable"
    assert "the source refuses the inputs" in (tmp_path / "report_of_frames.txt").read_text(encoding="utf-8")


# Element types


def test_an_output_is_as_exact_as_what_it_comes_from(tmp_path: Path) -> None:
    """A softmax of float16 between float32 ends: its rounding is seen in float32."""
    text = """<ir_version: 10, opset_import: ["" : 20]> g (float[4, 8] x) => (float[4, 8] y) {
        h = Cast <to = 10> (x)
        e = Exp(h)
        s = ReduceSum(e, axis)
        t = Div(e, s)
        y = Cast <to = 1> (t)
    }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    onnx.save(model, tmp_path / "half.onnx")
    rows = tmp_path / "rows.py"
    rows.write_text('from converter.rows import *\nROWS = {"Exp": call("ops.exp({0} * 1.001)")}\n', encoding="utf-8")
    assert converter.convert(tmp_path / "half.onnx", output=tmp_path, operator_map=rows).verdict == "same"


# Two runs


def test_a_second_run_is_compared_too(tmp_path: Path) -> None:
    """Some kernels change what they read, or keep what they should not."""
    rows = """
def once(x, kept=[]):
    kept.append(0)
    return ops.cos(x) if len(kept) == 1 else x

ROWS = {"Cos": lambda node, x: expr("{0}({1})", once, x)}"""
    result = convert(tmp_path, rows)
    assert result.verdict == "differs"
    assert "PyNative mode: differs" in report(tmp_path)
    assert "a second run differs from the first" in report(tmp_path)


@pytest.mark.parametrize(("row", "verdict"), [("ops.relu({0})", "same"), ("ops.relu(ops.cumsum({0}, 0))", "differs")])
def test_a_freed_batch_is_verified_at_other_batches(tmp_path: Path, row: str, verdict: str) -> None:
    """A row that mixes samples is right for the one sample of the file."""
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]> net (float[1,2,3] x) => (float[1,6] y) {
            r = Relu(x)  s = Constant<value_ints = [1, 6]>()  y = Reshape(r, s) }
    """)
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "rows.py").write_text(f'from converter.rows import *\n\nROWS = {{"Relu": call("{row}")}}\n')
    result = converter.convert(
        tmp_path / "net.onnx", shape=["N,2,3"], output=tmp_path / "out", operator_map=tmp_path / "rows.py"
    )
    assert result.verification is not None
    assert result.verification.feeds["x"].shape == (7, 2, 3)
    assert result.notes[-1].startswith("The model fixes N at 1. The script takes any")
    assert result.verdict == verdict
