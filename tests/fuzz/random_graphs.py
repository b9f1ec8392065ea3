"""Random right models by families, and the inputs on which they are compared with their source.

Inputs are ordinary ones, other extents of free axes, zeros, edges of the element type, and NaN. Every other model is
in another form than its family makes it (`disguises.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import numpy as np
import onnx
from fuzz.building import Builder, Feeds, NotAcceptedError, names_read, run
from fuzz.chains import random_chain
from fuzz.control_flow import control_flow
from fuzz.disguises import disguised
from fuzz.modules import random_modules
from fuzz.near_fusions import FORMS
from fuzz.operators import OPERATORS
from fuzz.rare_operators import RARE

FAMILIES: Mapping[str, Callable[[Builder], None]] = {
    "chains": random_chain,
    **FORMS,
    **OPERATORS,
    "control_flow": control_flow,
    "modules": random_modules,
    **RARE,
}
"""What fills a `Builder`, by name."""
TAKE_NO_ELEMENTS = frozenset([
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Cos", "Div", "Elu", "Equal",
    "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "Greater", "Identity", "IsNaN", "LeakyRelu", "Less", "Log",
    "MatMul", "Max", "Min", "Mul", "Neg", "Not", "Or", "Pow", "Range", "ReduceMax", "ReduceMean", "ReduceSum", "Relu",
    "Reshape", "Round", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile",
    "Transpose", "Unsqueeze", "Where",
])  # fmt: skip
"""Operators that onnxruntime runs on a tensor without elements; others may end its process."""
_ATTEMPTS = 200


def random_model(family: str, number: int) -> tuple[onnx.ModelProto, list[dict[str, np.ndarray]], list[list | None]]:
    """A model of a family, whose outputs are the values that nothing reads; its inputs; what it gives on each."""
    for attempt in range(_ATTEMPTS):
        random = Random(f"{family} {number} {attempt}")
        b = Builder(random, random.choice([13, 17, 18, 20, 20, 21, 22, 23]) if family != "chains" else 20)
        try:
            FAMILIES[family](b)
        except NotAcceptedError:
            if not b.nodes:
                continue
        read = {name for node in b.nodes for name in names_read(node)}
        ends = [name for name, _ in b.values if name not in read and name not in b.feeds]
        if not ends:
            continue
        try:
            model, fed = b.model(ends), b.feeds
            if number % 2:
                model, fed = disguised(model, b.feeds, random, b.evaluator)
            fixed = b.fixed | (fed.keys() - b.feeds.keys())
            feeds = [fed, *_extents(model, fed, fixed, b), *_variations(fed, fixed, b)]
            return model, feeds, run(model, feeds, b.evaluator)
        except Exception:  # together they are not accepted, as where extents are free
            continue
    raise NotAcceptedError(f"nothing is accepted for {family} {number}")


def _extents(model: onnx.ModelProto, feeds: Feeds, fixed: set[str], b: Builder) -> list[dict[str, np.ndarray]]:
    """Other extents of the free axes: each longer by one; then, where the source runs it, some at 1, 0 or longer."""
    symbols = {value.name: [dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in model.graph.input}
    free = sorted({symbol for name, each in symbols.items() for symbol in each if symbol and name not in fixed})
    if not free:
        return []

    def changed(changes: Mapping[str, Callable[[int], int]]) -> dict[str, np.ndarray]:
        found = {}
        for name, x in feeds.items():
            pairs = zip(symbols[name], x.shape, strict=True)
            shape = [changes[symbol](n) if symbol in changes else n for symbol, n in pairs]
            found[name] = x if name in fixed or shape == list(x.shape) or not x.size else _resized(b, x, shape)
        return found

    tried = [changed(dict.fromkeys(free, lambda n: n + 1))]
    others = [lambda n: n + 1, lambda n: 1, lambda n: n + 2]
    if {node.op_type for node in model.graph.node} <= TAKE_NO_ELEMENTS:
        others.append(lambda n: 0)
    for extent in others:
        some = b.random.sample(free, b.random.randint(1, len(free)))
        tried.append(changed(dict.fromkeys(some, extent)))
    accepted = run(model, [feeds, *tried], b.evaluator)[1:]
    return [each for each, found in zip(tried, accepted, strict=True) if found is not None]


def _resized(b: Builder, x: np.ndarray, shape: list[int]) -> np.ndarray:
    return np.resize(b.numbers.permutation(x.ravel()), shape).astype(x.dtype)


def _variations(feeds: Feeds, fixed: set[str], b: Builder) -> list[dict[str, np.ndarray]]:
    """Zeros; large numbers, ties and infinities; NaN."""

    def varied(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        return {name: x if name in fixed else change(x).astype(x.dtype) for name, x in feeds.items()}

    def mixed(x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return np.where(b.numbers.random(x.shape) < 0.3, b.numbers.choice(numbers, x.shape), x)

    def with_nan(x: np.ndarray) -> np.ndarray:
        return mixed(x, np.array([np.nan], np.float32)) if x.dtype.kind in "fV" else x

    found = [varied(np.zeros_like), varied(lambda x: mixed(x, _edges(x.dtype)))]
    return [*found, varied(with_nan)] if any(x.dtype.kind in "fV" for x in feeds.values()) else found


def _edges(dtype: np.dtype) -> np.ndarray:
    """The edges of an element type: infinities, both zeros, ties, the largest and the smallest numbers."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([info.max, info.min, 0, 1, 1, 2, *([-1, -7] if dtype.kind == "i" else [])], dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    large = [65504, 1e-4] if dtype.itemsize == 2 else [2**31, -(2.0**40), 1e-30, 65504]
    return np.array([np.inf, -np.inf, 0, -0.0, 1, 1, -1, *large]).astype(dtype)
