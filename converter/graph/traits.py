"""Traits of ONNX's operators: views, data movement, elementwise, random, in one table for all passes.

A pass that treats all operators of a kind alike uses this table (`has_trait`, `operators_with`); a pass that handles a
few operators, each in a different way, names them itself.
"""

from __future__ import annotations

import enum
import functools

import onnx_ir as ir


class Trait(enum.Flag):
    """A property of an operator, whatever its attributes. Element types and element values are not shapes: `Cast`."""

    VIEW = enum.auto()
    """Has the elements of its first input, each once, in another shape or order of axes."""
    DATA_MOVEMENT = enum.auto()
    """Every element of the result is one of its first input, of all inputs for Concat. Views are data movement."""
    UNARY = enum.auto()
    """Elementwise in its first input; other inputs are scalars (Clip)."""
    BROADCASTING = enum.auto()
    """Elementwise in all inputs, which broadcast as in NumPy: extents of 1 are repeated, missing leading axes are 1."""
    ELEMENTWISE = UNARY | BROADCASTING
    """Every element of the result depends only on the input elements at its position, after broadcasting."""
    COMMUTATIVE = enum.auto()
    """The order of its inputs does not matter."""
    REDUCTION = enum.auto()
    """Reduces all elements along axes to one: `axes` is its second input, `keepdims` an attribute."""
    RANDOM = enum.auto()
    """Its result differs from run to run."""
    QUANTIZATION = enum.auto()
    """Converts real numbers to integers with a scale, or back."""
    RECURRENT = enum.auto()
    """A recurrent layer, with weights X, W, R, B of all gates and directions."""
    LOOP = enum.auto()
    """Runs its attribute `body` in every iteration, with loop-carried values."""
    INDEXES_AXIS = enum.auto()
    """Its second input holds positions along one axis of its first: the attribute `axis`, 0 by default."""
    INDEXES_LEADING_AXES = enum.auto()
    """Its second input holds positions along several axes of its first, from the first axis (after the batch) on."""


_MOVES = Trait.DATA_MOVEMENT
_VIEW = Trait.VIEW | _MOVES
_UNARY, _BROADCASTING = Trait.UNARY, Trait.BROADCASTING
_COMMUTES = _BROADCASTING | Trait.COMMUTATIVE

TRAITS = {
    "Abs": _UNARY,
    "Acos": _UNARY,
    "Acosh": _UNARY,
    "Add": _COMMUTES,
    "And": _COMMUTES,
    "Asin": _UNARY,
    "Asinh": _UNARY,
    "Atan": _UNARY,
    "Atanh": _UNARY,
    "Bernoulli": Trait.RANDOM,
    "BitCast": _UNARY,
    "BitShift": _BROADCASTING,
    "BitwiseAnd": _COMMUTES,
    "BitwiseNot": _UNARY,
    "BitwiseOr": _COMMUTES,
    "BitwiseXor": _COMMUTES,
    "Cast": _UNARY,
    "Ceil": _UNARY,
    "Celu": _UNARY,
    "Clip": _UNARY,
    "Concat": _MOVES,
    "Cos": _UNARY,
    "Cosh": _UNARY,
    "DepthToSpace": _MOVES,
    "DequantizeLinear": Trait.QUANTIZATION,
    "Div": _BROADCASTING,
    "DynamicQuantizeLinear": Trait.QUANTIZATION,
    "Elu": _UNARY,
    "Equal": _COMMUTES,
    "Erf": _UNARY,
    "Exp": _UNARY,
    "Expand": _MOVES,
    "Flatten": _VIEW,
    "Floor": _UNARY,
    "GRU": Trait.RECURRENT,
    "Gather": _MOVES | Trait.INDEXES_AXIS,
    "GatherElements": _MOVES | Trait.INDEXES_AXIS,
    "GatherND": _MOVES | Trait.INDEXES_LEADING_AXES,
    "Gelu": _UNARY,
    "Greater": _BROADCASTING,
    "GreaterOrEqual": _BROADCASTING,
    "HardSigmoid": _UNARY,
    "HardSwish": _UNARY,
    "Identity": _VIEW | _UNARY,
    "IsInf": _UNARY,
    "IsNaN": _UNARY,
    "LSTM": Trait.RECURRENT,
    "LeakyRelu": _UNARY,
    "Less": _BROADCASTING,
    "LessOrEqual": _BROADCASTING,
    "Log": _UNARY,
    "Loop": Trait.LOOP,
    "Max": _COMMUTES,
    "Mean": _COMMUTES,
    "Min": _COMMUTES,
    "Mish": _UNARY,
    "Mod": _BROADCASTING,
    "Mul": _COMMUTES,
    "Multinomial": Trait.RANDOM,
    "Neg": _UNARY,
    "Not": _UNARY,
    "Or": _COMMUTES,
    "Pow": _BROADCASTING,
    "QuantizeLinear": Trait.QUANTIZATION,
    "RNN": Trait.RECURRENT,
    "RandomNormal": Trait.RANDOM,
    "RandomNormalLike": Trait.RANDOM,
    "RandomUniform": Trait.RANDOM,
    "RandomUniformLike": Trait.RANDOM,
    "Reciprocal": _UNARY,
    "ReduceL1": Trait.REDUCTION,
    "ReduceL2": Trait.REDUCTION,
    "ReduceLogSum": Trait.REDUCTION,
    "ReduceLogSumExp": Trait.REDUCTION,
    "ReduceMax": Trait.REDUCTION,
    "ReduceMean": Trait.REDUCTION,
    "ReduceMin": Trait.REDUCTION,
    "ReduceProd": Trait.REDUCTION,
    "ReduceSum": Trait.REDUCTION,
    "ReduceSumSquare": Trait.REDUCTION,
    "Relu": _UNARY,
    "Reshape": _VIEW,
    "ReverseSequence": _MOVES,
    "Round": _UNARY,
    "Scan": Trait.LOOP,
    "ScatterElements": Trait.INDEXES_AXIS,
    "ScatterND": Trait.INDEXES_LEADING_AXES,
    "Selu": _UNARY,
    "Shrink": _UNARY,
    "Sigmoid": _UNARY,
    "Sign": _UNARY,
    "Sin": _UNARY,
    "Sinh": _UNARY,
    "Slice": _MOVES,
    "Softplus": _UNARY,
    "Softsign": _UNARY,
    "SpaceToDepth": _MOVES,
    "Split": _MOVES,
    "Sqrt": _UNARY,
    "Squeeze": _VIEW,
    "Sub": _BROADCASTING,
    "Sum": _COMMUTES,
    "Swish": _UNARY,
    "Tan": _UNARY,
    "Tanh": _UNARY,
    "ThresholdedRelu": _UNARY,
    "Tile": _MOVES,
    "Transpose": _VIEW,
    "Unsqueeze": _VIEW,
    "Where": _BROADCASTING,
    "Xor": _COMMUTES,
}
"""Operator of ONNX's own domain, at the newest opset → its traits. Operators without traits are omitted.

Not elementwise: CastLike and PRelu, whose second input does not broadcast like the first; Dropout, which is random
in training. Not data movement: Compress and Unique, whose result has as many elements as their inputs' elements
say; Pad and Trilu, which put a number of their own into the result.
"""


@functools.cache
def operators_with(trait: Trait) -> frozenset[str]:
    """The operators that have a trait, or one of several: `operators_with(Trait.VIEW | Trait.UNARY)`."""
    return frozenset(op_type for op_type, traits in TRAITS.items() if traits & trait)


def has_trait(node: ir.Node, trait: Trait) -> bool:
    """Whether a node's operator is one of ONNX's own domain that has a trait, or one of several."""
    return not node.domain and node.op_type in operators_with(trait)
