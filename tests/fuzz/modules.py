"""Networks of modules, as exporters record them: blocks of a few forms, each called with small differences.

What structure makes of them is tried: one class with arguments, optional parts and constants that are given, lists and
loops, calls with one value for two inputs, modules that are called again, views that stand apart from their layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fuzz.building import Builder, NotAcceptedError
from onnx import helper, numpy_helper

WIDTH, HEADS = 8, 2
LENGTHS = (3, 5)
"""Extents of the second axis of the two inputs, (batch, length, WIDTH)."""
STEPS = (
    "dense",
    "activation",
    "leaky",
    "residual",
    "attend",
    "heads",
    "norm",
    "scale",
    "positions",
    "parallel",
    "list",
)


@dataclass(frozen=True)
class Form:
    """What the instances of a class have in common: its steps, and the numbers that decide about each."""

    kind: str
    steps: tuple[str, ...]
    numbers: tuple[int, ...]


def _form(random: Random, number: int) -> Form:
    steps = tuple(random.choice(STEPS) for _ in range(random.randint(2, 6)))
    return Form(f"m.Block{number}", steps, tuple(random.randrange(4) for _ in steps))


class _Module:
    """One call of a module."""

    def __init__(self, b: Builder, form: Form, path: str, around: tuple[str, ...], style: str) -> None:
        self._b, self._form, self._path, self._around, self._style = b, form, path, around, style

    def _node(self, operator: str, *inputs: str, within: str = "", **attributes: object) -> str:
        output = f"v{len(self._b.nodes)}_0"
        node = helper.make_node(operator, inputs, [output], f"node_{output}", **attributes)
        scopes = [*self._around, self._path, *([f"{self._path}.{within}"] if within else [])]
        if self._style == "torch":
            kinds = [*["m.Stage"] * len(self._around), self._form.kind, *(["m.Part"] if within else [])]
            entries = {"name_scopes": ["", *scopes, output], "class_hierarchy": ["Net", *kinds, "op"]}
            for key, value in entries.items():
                entry = node.metadata_props.add()
                entry.key, entry.value = f"pkg.torch.onnx.{key}", repr(value)
        elif self._style == "names":
            node.name = "/" + "/".join([*scopes, f"{operator}_{output}"])
        if not self._b.add_node(node):
            raise NotAcceptedError(f"{operator}: {self._b.why}")
        return output

    def _weight(self, name: str, *shape: int) -> str:
        full = f"{self._path}.{name}"
        if all(tensor.name != full for tensor in self._b.initializers):
            array = self._b.normal(*shape, scale=0.7 / max(shape[0], 1) ** 0.5)
            self._b.initializers.append(numpy_helper.from_array(array, full))
        return full

    def _dense(self, x: str, name: str) -> str:
        made = self._node("MatMul", x, self._weight(f"{name}.weight", WIDTH, WIDTH), within=name)
        return self._node("Add", made, self._weight(f"{name}.bias", WIDTH), within=name)

    def _cut(self, x: str, length: int) -> str:
        """A value cut into heads, (batch, HEADS, length, WIDTH // HEADS)."""
        shape = self._b.constant([-1, length, HEADS, WIDTH // HEADS])
        return self._node("Transpose", self._node("Reshape", x, shape), perm=[0, 2, 1, 3])

    def _joined(self, x: str, length: int) -> str:
        shape = self._b.constant([-1, length, WIDTH])
        return self._node("Reshape", self._node("Transpose", x, perm=[0, 2, 1, 3]), shape)

    def __call__(self, x: str, other: str, skipped: int, constant: bool, slope: float) -> str:
        """The result of the steps, on two values; one step may be left out."""
        first = x
        for place, (step, number) in enumerate(zip(self._form.steps, self._form.numbers, strict=True)):
            if place == skipped and step not in ("dense", "attend"):
                continue
            length, keys = (self._b.known(value).shape[1] for value in (x, other))
            name = f"{step}{place}"
            match step:
                case "dense":
                    x = self._dense(x, name)
                case "activation":
                    x = self._node(("Relu", "Tanh", "Sigmoid", "Softplus")[number], x)
                case "leaky":
                    x = self._node("LeakyRelu", x, alpha=slope)
                case "residual":
                    x = self._node("Add", x, first)
                case "norm":
                    scale, bias = self._weight(f"{name}.weight", WIDTH), self._weight(f"{name}.bias", WIDTH)
                    x = self._node("LayerNormalization", x, scale, bias, within=name, axis=-1, epsilon=1e-5)
                case "scale":
                    x = self._node("Mul", x, self._weight(name, WIDTH))
                case "positions":
                    given = self._weight(name, 1, length, WIDTH) if constant else self._total(other)
                    x = self._node("Add", x, given)
                case "heads":
                    x = self._joined(self._cut(x, length), length)
                case "attend":
                    x = self._attended(x, other, name, length, keys)
                case "parallel":
                    made = [self._dense(x, f"{name}.{each}") for each in ("a", "b", "c")[: 2 + number % 2]]
                    views = [self._node("Transpose", each, perm=[0, 2, 1]) for each in made]
                    x = self._node("Transpose", self._node("Sum", *views), perm=[0, 2, 1])
                case "list":
                    made = [self._dense(x if i % 2 else first, f"{name}.{i}") for i in range(2 + number % 2)]
                    x = self._node("Sum", *made)
        return x

    def _total(self, other: str) -> str:
        return self._node("ReduceSum", other, self._b.constant([1]), keepdims=1)

    def _attended(self, x: str, other: str, name: str, length: int, keys: int) -> str:
        layers = [self._dense(x, f"{name}.q"), self._dense(other, f"{name}.k"), self._dense(other, f"{name}.v")]
        q, k, v = (self._cut(each, extent) for each, extent in zip(layers, (length, keys, keys), strict=True))
        scores = self._node("MatMul", q, self._node("Transpose", k, perm=[0, 1, 3, 2]))
        weights = self._node("Softmax", scores, axis=-1)
        return self._dense(self._joined(self._node("MatMul", weights, v), length), f"{name}.o")


def random_modules(b: Builder) -> None:
    """Calls of blocks of one to three forms, some within stages, on two sequences of different lengths."""
    random = b.random
    sequences = [b.input(b.normal(2, length, WIDTH)) for length in LENGTHS]
    forms = [_form(random, number) for number in range(random.randint(1, 3))]
    style = random.choice(["torch", "torch", "names"])
    called: list[tuple[Form, str, tuple[str, ...]]] = []
    for number in range(random.randint(2, 6)):
        stage = f"stages.{number // 2}"
        inside = random.random() < 0.4
        path = f"{stage}.blocks.{number}" if inside else f"layers.{number}"
        call = random.choice(forms), path, (stage,) if inside else ()
        if called and random.random() < 0.15:
            call = random.choice(called)  # the module is called again
        called.append(call)
        which = 0 if number % 3 else random.randrange(2)
        x, other = sequences[which], sequences[random.choice([which, 1 - which])]
        skipped = random.randrange(8)
        module = _Module(b, *call, style)
        sequences[which] = module(x, other, skipped, random.random() < 0.4, random.choice([0.1, 0.1, 0.3]))
