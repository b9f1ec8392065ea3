"""Check one operator: the converted network against the source, in PyNative and in graph mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_backend import MindSporeBackend, MindSporeRep

from converter.api import Result
from converter.artifacts import checkpoint
from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.verification.arrays import to_mindspore, to_numpy

ORT_OPSET = 26
"""The newest opset that onnxruntime runs; tests of operators newer than that name theirs."""


def model_of(
    op_type: str,
    inputs: Sequence[np.ndarray | None],
    *,
    constants: Sequence[int] = (),
    outputs: int = 1,
    opset: int = ORT_OPSET,
    domain: str = "",
    free: bool = False,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node.

    Args:
        op_type: the operator.
        inputs: a value for each input; None for one that is left out.
        constants: which inputs are initializers; the others are inputs of the graph.
        outputs: how many outputs the node has.
        opset: the version of its domain (com.microsoft's is 1).
        domain: the operator's domain.
        free: whether the first axis of every input is a free dimension.
        attributes: the node's attributes.
    """
    names = ["" if value is None else f"x{i}" for i, value in enumerate(inputs)]
    node = helper.make_node(op_type, names, [f"y{i}" for i in range(outputs)], "node", domain=domain, **attributes)
    graph_inputs, initializers = [], []
    for i, value in enumerate(inputs):
        if value is None:
            continue
        array = np.asarray(value)
        if i in constants:
            initializers.append(numpy_helper.from_array(array, names[i]))
        else:
            shape: list[Any] = list(array.shape)
            if free and shape:
                shape[0] = f"n{i}"
            dtype = ir.DataType.from_numpy(array.dtype).value
            graph_inputs.append(helper.make_tensor_value_info(names[i], dtype, shape))
    results = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "one", graph_inputs, results, initializers)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    inferred = onnx.shape_inference.infer_shapes(model)
    for result, known in zip(graph.output, inferred.graph.output, strict=True):
        if known.type.HasField("tensor_type") and known.type.tensor_type.elem_type:
            result.CopyFrom(known)
        else:
            result.CopyFrom(helper.make_tensor_value_info(result.name, TensorProto.FLOAT, None))
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def expected_of(model: onnx.ModelProto, inputs: Sequence[np.ndarray]) -> list[Any]:
    """What the source gives: by onnxruntime, by onnx's own evaluator where that refuses the model."""
    feeds = dict(zip([value.name for value in model.graph.input], inputs, strict=True))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")  # no saturation at 16 bits without VNNI
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, feeds)
    except Exception:
        return ReferenceEvaluator(model).run(None, feeds)


def check(
    op_type: str,
    *inputs: np.ndarray | None,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    expect: Sequence[Any] | None = None,
    dynamic: bool = False,
    **options: Any,
) -> MindSporeRep:
    """Convert a node and compare it with the source in both modes; options are those of `model_of`."""
    model = model_of(op_type, inputs, **options)
    constants = options.get("constants", ())
    feeds = [np.asarray(v) for i, v in enumerate(inputs) if v is not None and i not in constants]
    return check_model(model, feeds, rtol=rtol, atol=atol, expect=expect, dynamic=dynamic)


def check_model(
    model: onnx.ModelProto,
    feeds: Sequence[Any],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    expect: Sequence[Any] | None = None,
    dynamic: bool = False,
) -> MindSporeRep:
    """Convert a model and compare it with the source (or with `expect`) in both modes; returns the network.

    With `dynamic` graph mode also compiles it for any extents of its inputs.
    """
    import mindspore as ms

    wanted = expected_of(model, feeds) if expect is None else expect
    rep = MindSporeBackend.prepare(model)
    for name in ("PyNative", "graph", "graph, all axes free")[: 3 if dynamic else 2]:
        ms.set_context(mode=ms.PYNATIVE_MODE if name == "PyNative" else ms.GRAPH_MODE)
        inputs = [to_mindspore(item) for item in feeds]
        if name == "graph, all axes free":
            rep.net.set_inputs(*[ms.Tensor(shape=[None] * item.ndim, dtype=item.dtype) for item in inputs])
        result = _result_of(rep.net, inputs)
        results = [to_numpy(item) for item in (result if isinstance(result, tuple) else (result,))]
        assert len(results) == len(wanted)
        for got, want in zip(results, wanted, strict=True):
            compare(got, want, rtol, atol, f"{name} mode\n{rep.script}")
    return rep


def _result_of(net: Any, inputs: Sequence[Any]) -> Any:
    """Run a network, a second time where MindSpore's threads that analyse a graph end in an error of their own.

    It was met once in 9,700 tests, behind thousands of networks in one process, and not again on the same script.
    """
    try:
        return net(*inputs)
    except RuntimeError as error:
        if "Fail to get eval result with conf" not in str(error):
            raise
        return net(*inputs)


def compare(got: Any, want: Any, rtol: float, atol: float, message: str) -> None:
    """Compare values, shapes and dtypes; sequences element by element."""
    if isinstance(want, list):
        assert len(got) == len(want), message
        for one, other in zip(got, want, strict=True):
            compare(one, other, rtol, atol, message)
        return
    if want is None:
        assert got is None, message
        return
    want = np.asarray(want)
    assert got.dtype == want.dtype, f"{got.dtype}, wanted {want.dtype}, in {message}"
    assert got.shape == want.shape, f"{got.shape}, wanted {want.shape}, in {message}"
    if want.dtype.kind in "fcV" or want.dtype.name == "bfloat16":
        got, want = (a if a.dtype.kind == "c" else a.astype(np.float64) for a in (got, want))
        np.testing.assert_allclose(got, want, rtol, atol, err_msg=message)
    else:
        np.testing.assert_array_equal(got, want, err_msg=message)


def check_gradient_of_moved(rep: MindSporeRep, x: np.ndarray) -> None:
    """Assert that the gradient comes through a network that only moves the elements of its input, in both modes."""
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)
    gradient = ms.grad(lambda value: ms.ops.square(rep.net(value)).sum())(ms.Tensor(x))
    np.testing.assert_allclose(gradient.asnumpy(), 2 * x)
    ms.set_context(mode=ms.GRAPH_MODE)
    np.testing.assert_array_equal(ms.grad(rep.net)(ms.Tensor(x)).asnumpy(), np.ones_like(x))


def proved(result: Result) -> None:
    """Assert that everything was converted and is the same in both modes."""
    assert not result.unconverted, [f"{r.operator} {r.name}: {r.became}" for r in result.unconverted]
    assert result.verification is not None
    assert {output.mode for output in result.verification.outputs} == {"PyNative", "graph"}
    assert result.verdict == "same", result.verification.lines()


def assert_short(result: Result, classes: int, lines: int) -> None:
    """Assert that a script has so many classes and non-blank lines at most."""
    written = [line for line in result.files[0].read_text(encoding="utf-8").splitlines() if line.strip()]
    found = sum(line.startswith("class ") for line in written), len(written)
    assert found[0] <= classes, found
    assert found[1] <= lines, found


def save(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Write arrays as a checkpoint."""
    stored = [LazyTensor(TensorSpec(name, array.shape, array.dtype.name), array.copy) for name, array in arrays.items()]
    checkpoint.save(stored, file)
