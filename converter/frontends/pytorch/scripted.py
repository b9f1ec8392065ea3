"""TorchScript: what the older exporter takes of it, and where in the user's code its operators come from."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.onnx._internal.torchscript_exporter import utils
from torch.utils import _pytree as pytree

from converter.frontends.pytorch.lines import place_of_script
from converter.frontends.pytorch.ranks import set_types
from converter.frontends.pytorch.scripted_stops import keep_stops

_OPERATOR = re.compile(r"'((?:\w+::)\w+)'")
"""How the exporter names an operator that it refuses."""
_PACKING = "aten::_nested_tensor_from_mask_left_aligned"
_DECIDED = {
    _PACKING: False,
    "aten::is_autocast_enabled": False,
    "aten::is_grad_enabled": True,
    "prim::is_nested": False,
    "prim::requires_grad": True,
    "prim::type": "cpu",
}
"""Answers with which attention and encoders take their plain way, not that of fused kernels and packed tokens."""
_OF_THEIR_OWN = {"prim::Param", "aten::transpose"}
"""What makes tensors that are no other ones."""
_MOST_ROUNDS = 24
"""Loops and branches within each other."""


@contextlib.contextmanager
def for_older_exporter(module: Any, inputs: Mapping[str, torch.Tensor]) -> Iterator[Any]:
    """What torch's older exporter takes of a module of TorchScript inside the block: a copy that shares the weights.

    Its inputs are those that are given, as examples; the other parameters of `forward` have their defaults. Nodes are
    noted with the modules around them, of which the exporter would lose sight in a copy. Loops of a known count are
    unrolled, and dictionaries are tuples of what is in them: ONNX has none. One that a branch or a loop fills stays;
    the exporter then refuses it.
    """
    passes: Any = torch._C
    note_modules = passes._jit_pass_onnx_function_substitution
    note_modules(module.forward.graph)
    keep_stops(module.forward.graph)
    frozen = passes._freeze_module(module._c, ["training"], preserveParameters=True)
    graph = frozen._get_method("forward").graph
    _give_inputs(graph, module.forward.schema.arguments, inputs)
    _give_weights_types(module, graph)
    _simplify(graph, [frozen, *inputs.values()])
    _without_dictionaries(graph)
    passes._jit_pass_onnx_function_substitution = lambda graph: None
    wrapped: Any = torch.jit._recursive
    exporter: Any = utils
    run = exporter._get_example_outputs
    exporter._get_example_outputs = lambda _, args: _outputs_of(module, dict(zip(inputs, args, strict=True)))
    try:
        yield wrapped.wrap_cpp_module(frozen)
    finally:
        passes._jit_pass_onnx_function_substitution = note_modules
        exporter._get_example_outputs = run


def _outputs_of(module: Any, values: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The outputs of the module itself: the copy cannot be called without what has its default."""
    return tuple(leaf for leaf in pytree.tree_leaves(module(**values)) if isinstance(leaf, torch.Tensor))


def _give_inputs(graph: Any, parameters: Sequence[Any], given: Mapping[str, torch.Tensor]) -> None:
    """Leave these inputs only, which are tensors of known ranks, also where `forward` says that they may be None."""
    first = next(graph.nodes(), graph.return_node())
    for index, (parameter, value) in reversed(list(enumerate(zip(parameters, graph.inputs(), strict=True)))):
        if parameter.name in given:
            _set_type(value, given[parameter.name])
        elif parameter.has_default_value() and index:
            default = graph.insertConstant(parameter.default_value)
            default.node().moveBefore(first)
            value.replaceAllUsesWith(default)
            graph.eraseInput(index)
    torch._C._jit_pass_peephole(graph, True)


def _set_type(value: Any, example: torch.Tensor) -> None:
    """Give a value the element type and the rank of an example; its extents stay unknown, which may be free."""
    value.setType(torch._C.TensorType.get().with_dtype(example.dtype).with_sizes([None] * example.dim()))


def _give_weights_types(module: torch.nn.Module, graph: Any) -> None:
    weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    paths = {next(graph.inputs()).unique(): ""}
    for node in _nodes(graph):
        if node.kind() == "prim::GetAttr" and (path := paths.get(node.input().unique())) is not None:
            name = f"{path}.{node.s('name')}" if path else node.s("name")
            paths[node.output().unique()] = name
            if name in weights and node.output().type().kind() == "TensorType":
                _set_type(node.output(), weights[name])


def _decide(graph: Any) -> None:
    for node in list(_nodes(graph)):
        if (answer := _answer(node)) is not None:
            constant = graph.insertConstant(answer)
            constant.node().moveBefore(node)
            node.output().replaceAllUsesWith(constant)
            node.destroy()


def _answer(node: Any) -> Any:
    """The answer to what only chooses between ways to compute the same; None for any other node."""
    if node.kind() not in ("aten::__is__", "aten::__isnot__"):
        return _DECIDED.get(node.kind())
    left, right = node.inputs()
    if left.unique() != right.unique() and not {left.node().kind(), right.node().kind()} <= _OF_THEIR_OWN:
        return None
    return (left.unique() == right.unique()) == (node.kind() == "aten::__is__")


def _simplify(graph: Any, values: Sequence[Any]) -> None:
    """Take branches that are decided, and unroll loops of a known count, such as that of a list which another fills."""
    passes: Any = torch._C
    before = ""
    for _ in range(_MOST_ROUNDS):
        if (now := str(graph)) == before:
            break
        before = now
        _decide(graph)
        passes._jit_pass_remove_mutation(graph)
        set_types(graph, values)
        passes._jit_pass_peephole(graph, False)
        passes._jit_pass_peephole_list_idioms(graph, refine_list_len=True)
        passes._jit_pass_constant_propagation(graph)
        passes._jit_pass_constant_loop_unrolling(graph)
    passes._jit_pass_peephole_list_idioms(graph, refine_list_len=True)
    passes._jit_pass_dce(graph)


def _without_dictionaries(graph: Any) -> None:
    passes: Any = torch._C
    dictionaries: dict[str, dict[Any, Any]] = {}
    for node in list(graph.nodes()):
        inputs = list(node.inputs())
        filled = dictionaries.get(inputs[0].debugName()) if inputs else None
        if node.kind() in ("prim::DictConstruct", "aten::dict") and filled is None and len(inputs) % 2 == 0:
            keys = [key.toIValue() for key in inputs[::2]]
            dictionaries[node.output().debugName()] = dict(zip(keys, inputs[1::2], strict=True))
        elif node.kind() == "aten::_set_item" and filled is not None:
            filled[inputs[1].toIValue()] = inputs[2]
            node.destroy()
        elif node.kind() == "aten::__getitem__" and filled is not None and inputs[1].toIValue() in filled:
            node.output().replaceAllUsesWith(filled[inputs[1].toIValue()])
            node.destroy()
    for node in list(graph.nodes()):
        values = dictionaries.get(node.output().debugName()) if node.outputsSize() == 1 else None
        if values is not None:
            tuples = graph.create("prim::TupleConstruct", list(values.values()), 1)
            tuples.output().setType(passes.TupleType([value.type() for value in values.values()]))
            graph.appendNode(tuples)
            node.output().replaceAllUsesWith(tuples.output())
            node.destroy()


def packs_tokens(module: Any) -> bool:
    """Whether an encoder in a module packs the tokens that are not masked, where no gradients are needed."""
    return any(node.kind() == _PACKING for node in _nodes(module.inlined_graph))


def place_of_operator(module: Any, refusal: BaseException) -> str:
    """Where the user's code calls the operator that a refusal names, in parentheses after a space; else ""."""
    named = _OPERATOR.search(str(refusal))
    operator = named[1] if named else ""
    for node in _nodes(module.inlined_graph):
        if node.kind() == operator and (place := place_of_script(node.sourceRange())):
            return place
    return ""


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)
