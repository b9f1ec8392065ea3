"""What a row of an operator table sees: one node, and its inputs as operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from converter import shapes
from converter.base.trained import BIASED, DETACHED, OF_CHANNELS, PADDING
from converter.base.weight_steps import Step
from converter.graph.hints import is_fixed, is_of_inference, scopes
from converter.lowering.context import Context, Unsupported
from converter.script import Arg, Assign, Block, Call, Cell, Leaf, Member, Statement, Variable, Weight, mindspore_dtype
from converter.shapes import PyValue, kind_of


class Operand(Leaf):
    """An input of a node. As an argument of an expression it is a tensor; its properties describe the value."""

    def __init__(self, context: Context, value: ir.Value) -> None:
        self._context = context
        self.value = value

    @property
    def name(self) -> str:
        """The value's name in the source."""
        return self.value.name or ""

    @property
    def label(self) -> str:
        """The value's name in the source."""
        return self.name

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """Extents, None where free; None instead of a tuple when the rank is unknown."""
        shape = self.value.shape
        return None if shape is None else tuple(dim if isinstance(dim, int) else None for dim in shape)

    @property
    def rank(self) -> int | None:
        """The number of axes, or None when unknown."""
        return None if self.value.shape is None else len(self.value.shape)

    @property
    def size(self) -> int | None:
        """The number of elements, or None when an extent is free."""
        shape = self.shape
        if shape is None or None in shape:
            return None
        return int(np.prod([dim or 0 for dim in shape], dtype=np.int64))

    @property
    def dtype(self) -> ir.DataType | None:
        """The element type, or None when unknown."""
        return self.value.dtype

    @property
    def kind(self) -> str:
        """NumPy's letter for the element type: f, i, u, b, c; "f" for bfloat16 and unknown ones, "O" for strings."""
        return kind_of(self.value.dtype)

    @property
    def is_constant(self) -> bool:
        """Whether the model fixes its elements (an initializer, or arithmetic on fixed extents)."""
        evaluated = self._context.deferred(self.value)
        return self.is_weight or (evaluated is not None and evaluated.literal)

    @property
    def is_weight(self) -> bool:
        """Whether it is a constant that can be a layer's parameter: an initializer, or a view of one."""
        return self.value.const_value is not None or self._context.view_of_weight(self.value) is not None

    @property
    def is_buffer(self) -> bool:
        """Whether the source says that it is a constant which is not trained, such as the kernel of a blur."""
        return self.value.const_value is not None and is_fixed(self.value)

    @property
    def is_of_inference(self) -> bool:
        """Whether it belongs to a layer that the source runs as in inference also while it trains."""
        return is_of_inference(self.value)

    @property
    def constant(self) -> NDArray[Any] | None:
        """Its elements when the model fixes them, else None. Loads them: use it for small values only."""
        tensor = self.value.const_value
        if tensor is not None:
            return tensor.numpy()
        if (view := self._context.view_of_weight(self.value)) is not None:
            return view.array()
        evaluated = self._context.deferred(self.value)
        if evaluated is None or not evaluated.literal:
            return None
        dtype = self.value.dtype.numpy() if self.value.dtype else None
        return np.array(evaluated.items, dtype).reshape(evaluated.shape)

    def python(self, computed: bool = False) -> Any:
        """Its elements as Python values: a scalar (rank 0) or a tuple, of literals and expressions; else None.

        Shape arithmetic (`x.shape[0] * 2`) and small constants have Python values. With `computed`, every numeric
        tensor of rank 0 or 1 has, read when the network runs: `int(y[0])`.
        """
        evaluated = self._evaluated(computed)
        return None if evaluated is None else evaluated.arg

    def items(self, computed: bool = False) -> tuple[Any, ...] | None:
        """Like `python`, but always a tuple, element by element; None when their number is unknown."""
        evaluated = self._evaluated(computed)
        return None if evaluated is None or evaluated.unknown_length else evaluated.items

    def _evaluated(self, computed: bool) -> PyValue | None:
        evaluated = self._context.python_value(self.value)
        if evaluated is None and computed:
            evaluated = shapes.read(self, self.kind, self.shape)
        return None if evaluated is None or evaluated.rank > 1 else evaluated

    def number_or_tensor(self) -> Arg:
        """Its single element as a Python number, for `x * 0.5`, if that is a Python value; else itself, a tensor."""
        if self.size != 1:
            return self
        evaluated = self._context.python_value(self.value)
        return self if evaluated is None else evaluated.items[0]

    def weight(self, *steps: Step) -> Weight:
        """Use it as a parameter, computed by `steps`; trainable when it is a float, neither folded nor a buffer."""
        return self._context.weight(self.value, steps)

    def shape_python(self) -> tuple[Any, ...] | None:
        """Its shape as Python values: numbers where fixed, `x.shape[i]` where free; None when the rank is unknown."""
        evaluated = self._context.shape_of(self.value)
        return None if evaluated.unknown_length else evaluated.items


class Node:
    """One node, as a row sees it: its attributes and outputs, and methods to write statements, layers and blocks."""

    def __init__(self, context: Context, node: ir.Node) -> None:
        self._context = context
        self.ir = node
        self.used = tuple(bool(output.uses()) or output.is_graph_output() for output in node.outputs)
        """For every output: whether it has a consumer or is an output of the graph."""

    @property
    def name(self) -> str:
        """The node's name in the source."""
        return self.ir.name or ""

    @property
    def operator(self) -> str:
        """`onnx::Conv`, `com.microsoft::Gelu`."""
        return f"{self.ir.domain or 'onnx'}::{self.ir.op_type}"

    @property
    def is_of_channels(self) -> bool:
        """Whether the source drops whole channels by this Dropout."""
        return OF_CHANNELS in self.ir.metadata_props

    @property
    def is_biased(self) -> bool:
        """Whether the source moves the variance of this BatchNormalization towards that of a batch, of n values."""
        return BIASED in self.ir.metadata_props

    @property
    def padding(self) -> int | None:
        """The row of the table of this lookup that stands for padding, and that the source does not train."""
        row = self.ir.metadata_props.get(PADDING)
        return None if row is None else int(row)

    @property
    def is_detached(self) -> bool:
        """Whether the source lets no gradient through this Identity."""
        return DETACHED in self.ir.metadata_props

    @property
    def inputs(self) -> tuple[Operand, ...]:
        """The inputs that are not omitted."""
        return tuple(Operand(self._context, value) for value in self.ir.inputs if value is not None)

    @property
    def outputs(self) -> tuple[Operand, ...]:
        """The outputs, for their shapes and dtypes."""
        return tuple(Operand(self._context, output) for output in self.ir.outputs)

    def decline(self, reason: str) -> Unsupported:
        """Give the reason why this case has no translation: `raise node.decline("…")`."""
        return Unsupported(reason)

    def dtype(self, index: int = 0) -> Arg:
        """The element type of an output as an expression: `ms.float32`."""
        return self.mindspore_dtype(self.ir.outputs[index].dtype)

    def mindspore_dtype(self, dtype: ir.DataType | int | None) -> Arg:
        """An element type as an expression of MindSpore's.

        Raises:
            Unsupported: MindSpore has no such type.
        """
        if dtype is None:
            raise self.decline("the element type is unknown")
        written = mindspore_dtype(ir.DataType(dtype))
        if written is None:
            raise self.decline(f"MindSpore has no element type {ir.DataType(dtype).name}")
        return written

    def variable(self, index: int) -> Variable:
        """A new variable for an output, named after it."""
        return self._context.variable(self.ir, index)

    def let(self, hint: str, value: Arg) -> Variable:
        """Write `hint = value` before the node's own statement, and return the variable."""
        target = Variable(hint)
        self.emit(Assign((target,), self._context.resolve(value)))
        return target

    def unpack(self, hints: Sequence[str], value: Arg) -> tuple[Variable, ...]:
        """Write `a, b = value` and return the variables."""
        targets = tuple(Variable(hint) for hint in hints)
        self.emit(Assign(targets, self._context.resolve(value)))
        return targets

    def emit(self, statement: Statement) -> None:
        """Append a statement; its expressions are already resolved."""
        self._context.emit(statement)

    def resolve(self, value: Arg) -> Arg:
        """Replace operands in an expression by variables, parameters and literals."""
        return self._context.resolve(value)

    def layer(self, constructor: Arg, weights: dict[str, Weight], hint: str = "") -> Member:
        """Make a member of the Cell: `layer(invoke("nn.Linear", 8, 4), {"weight": w.weight(), …})`.

        Nodes that use the same layer with the same weights share one member.
        """
        hint = hint or self._hint(weights)
        module = scopes.dotted(scopes.scopes_of(self.ir))
        return self._context.layer(constructor, weights, hint, module)

    def tied(self, constructor: Arg, weights: dict[str, Weight]) -> dict[str, Arg] | None:
        """The parameters of this layer as tensors, if a layer of another form holds its matrix; else None."""
        own = {name: weight for name, weight in weights.items() if len(weight.shape) < 2}  # the matrix is another's
        return self._context.tied(constructor, weights, self._hint(own))

    def _hint(self, weights: dict[str, Weight]) -> str:
        return scopes.layer_hint(self.ir, tuple(weight.source_name for weight in weights.values()))

    def apply(self, constructor: Arg, weights: dict[str, Weight], *inputs: Arg) -> Arg:
        """Make a layer and call it: `self.conv1(x)`."""
        return Call(self.layer(constructor, weights), inputs)

    def cell(self, make: Callable[[], Cell]) -> Cell:
        """A class that the row writes: `make` is called once for a script, however many layers are instances of it."""
        return self._context.cell_of(make)

    def constant(self, array: NDArray[Any], hint: str = "constant") -> Arg:
        """A tensor that the row computed from constants: a literal when small, else a parameter that is not trained."""
        tensor = ir.tensor(np.asarray(array, order="C"), name=f"{self.name}/{hint}")
        return self._context.constant(Weight(tensor, (), trainable=False, computed=True), hint)

    def block(self, graph: ir.Graph, inputs: Sequence[Arg | PyValue] = ()) -> Block:
        """Translate a sub-graph to a block; `inputs` are the expressions for its formal inputs."""
        return self._context.subgraph(graph, inputs)

    def inline(self, graph: ir.Graph, inputs: Sequence[Arg | PyValue] = ()) -> tuple[Arg, ...]:
        """Translate a sub-graph into the current block, and return its results."""
        return self._context.inline(graph, inputs)
