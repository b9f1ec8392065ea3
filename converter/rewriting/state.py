"""The state of the rewriting of one file: its scopes on the way down the tree, edits, records, needs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from converter.rewriting.carried import Carried
from converter.rewriting.edits import Edits
from converter.rewriting.inference import Inference
from converter.rewriting.names import Function, Names, Scope, chain
from converter.rewriting.project import MODULE
from converter.rewriting.records import Record
from converter.rewriting.trees import PARTS, nodes
from converter.rewriting.variables import NAMED

PYTHON = frozenset({"__init__", "__repr__", "_init_weights", "init_weights", "reset_parameters", "extra_repr"})
"""Methods of a module that graph mode never runs."""
_ALIAS = re.compile(r"(?<![\w.])(nn|ops|ms|mint|compat|np|initializer)\.")
_FULL = {"nn": "mindspore.nn", "ops": "mindspore.ops", "ms": "mindspore", "mint": "mindspore.mint"}
_FULL |= {"compat": "_torch_compat", "np": "numpy"}


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes:
        api: `nn`, or `mint` where a row has a text for it.
        assume_tensors: whether a receiver that is not known is taken for a tensor.
        comments: whether a comment stands behind what was not converted.
        helpers: the names that the helper module can have.
        remedy: what to do about a name without a row.
    """

    api: str = "nn"
    assume_tensors: bool = False
    comments: bool = True
    helpers: Container[str] = frozenset()
    remedy: Callable[[str], str] = lambda name: "Write it by hand, or add a row with --operator_map."


@dataclass
class Needs:
    """What a file needs after its conversion.

    Attributes:
        modules: the short names of modules: `nn`, `ops`, `ms`, `compat`.
        helpers: names of the helper module.
        stubs: names that stay, bound to something that raises when it is used: local name → full name.
        rebound: names that an import binds to MindSpore's: local name → `ms.Tensor`.
    """

    modules: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)
    stubs: dict[str, str] = field(default_factory=dict)
    rebound: dict[str, str] = field(default_factory=dict)


class State:
    """What the rewriting of one file knows and has made.

    Args:
        names: the file's names.
        inference: the kinds of its expressions.
        options: how.
    """

    handlers: ClassVar[Mapping[type[ast.AST], Callable[..., None]]] = {}
    """What rewrites each type of node; all others are gone through."""

    def __init__(self, names: Names, inference: Inference, options: Options) -> None:
        self.names = names
        self.file = names.file
        self.inference = inference
        self.project = inference.project
        self.rows = inference.rows
        self.options = options
        self.edits = Edits(self.file.text)
        self.records: list[Record] = []
        self.needs = Needs()
        self.aliases = self._aliases()
        self.scope: Scope = names.module
        self.function: Function | None = None
        self.class_node: ast.ClassDef | None = None
        self.statement: ast.stmt | None = None
        self.parents: list[ast.AST] = []
        self.gone: list[ast.stmt] = []
        self.changing: ast.expr | None = None
        self.without_gradient = False
        self.bindings: dict[ast.AST, list[tuple[ast.Assign | ast.For, set[str]]]] = {}
        self.carried = Carried()
        self._attribute_leaves: dict[ast.ClassDef, set[str]] = {}
        self._made_names: set[str] = set()
        self._taken: dict[ast.AST, set[str]] = {}
        self.removed: set[ast.stmt] = set()

    # Names of the file's own

    def _aliases(self) -> dict[str, str]:
        """How the file writes MindSpore's modules; what it uses for `torch.nn` stays."""
        found: dict[str, str] = {}
        for name, bindings in self.names.module.names.items():
            imported = (each.target for each in bindings if each.kind == "import")
            if ("nn" not in found or name == "nn") and "torch.nn" in map(self.project.follow, imported):
                found["nn"] = name
        for short in ("nn", "ops", "ms", "mint", "compat", "np"):
            if short in found:
                continue
            name = short
            bound = self.names.module.names.get(short, ())
            ours = any(each.kind == "import" and each.target == _FULL[short] for each in bound)
            if short in self.names.bound and not ours:
                name = f"ms_{short}" if short not in ("ms", "compat", "np") else f"_{short}"
            found[short] = name
        return found

    def write(self, text: str) -> str:
        """The text of a template with the file's own names for modules."""

        def own(match: re.Match[str]) -> str:
            self.needs.modules.add(match[1])
            return f"{self.aliases[match[1]]}."

        for helper in re.findall(r"(?<![\w.])compat\.(\w+)", text):
            self.needs.helpers.add(helper)
        return _ALIAS.sub(own, text)

    def free_name(self, around: ast.AST, base: str = "forward") -> str:
        """A name that nothing in the scope around has."""
        if around not in self._taken:
            names = {each.id for each in nodes(around) if isinstance(each, ast.Name)}
            names |= {each.arg for each in nodes(around) if isinstance(each, ast.arg)}
            self._taken[around] = names | {each.name for each in getattr(around, "body", ()) if isinstance(each, NAMED)}
        number = 1
        while (name := base if number == 1 else f"{base}_{number}") in self._taken[around]:
            number += 1
        self._taken[around].add(name)
        return name

    # The way through the tree

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Go through statements."""
        for statement in statements:
            outer, self.statement = self.statement, statement
            self.visit(statement)
            self.statement = outer

    def visit(self, node: ast.AST) -> None:
        """Go through a node."""
        handler = self.handlers.get(type(node))
        self.parents.append(node)
        if handler is not None:
            handler(self, node)
        else:
            self.children(node)
        self.parents.pop()

    def children(self, node: ast.AST) -> None:
        """Go through the parts of a node."""
        inside = node.__dict__
        for name in PARTS[node.__class__]:
            child = inside.get(name)
            if child.__class__ is list:
                if child and isinstance(child[0], ast.stmt):
                    self.block(child)
                else:
                    for each in child:
                        if each is not None:
                            self.visit(each)
            elif child is not None:
                self.visit(child)

    def value_text(
        self, node: ast.expr, full: str, text: str, *, use: str = "value", helper: bool = False, note: str = ""
    ) -> None:
        """Write a text in the place of a name, or bind the name to it where it is imported."""
        if helper and text.startswith("compat.") and text.removeprefix("compat.") not in self.options.helpers:
            self._unconverted(node, full, "No class with PyTorch's signature stands for it yet.", stub=use == "class")
            return
        local = node.id if isinstance(node, ast.Name) else None
        if local is not None and text.count(".") == 1 and text.startswith("ms.") and self._imported(local):
            self.needs.rebound[local] = text
        else:
            text = self._quoted(text[1:-1]) if text[:1] == '"' else text
            self.edits.replace(self.file.start(node), self.file.end(node), self.write(text))
        self.record(node, full, became=full_name(text), use=use, note=note)

    def _quoted(self, name: str) -> str:
        """A name in quotes that may stand here: not in those of an f-string around it."""
        around = next((each for each in reversed(self.parents) if isinstance(each, ast.JoinedStr)), None)
        taken = around is not None and '"' in self.file.of(around).partition("{")[0]
        return f"'{name}'" if taken else f'"{name}"'

    def _imported(self, name: str) -> bool:
        found = self.scope.find(name)
        return found is not None and found[0].parent is None and all(each.kind == "import" for each in found[1])

    # What stays

    def _unconverted(self, node: ast.expr, full: str, remedy: str, *, stub: bool = False) -> None:
        """Leave a use as it is, and see that the file can be imported."""
        function = node.func if isinstance(node, ast.Call) else node
        remedy = remedy or self.options.remedy(full)
        self.record(node, full, converted=False, remedy=remedy)
        if full.startswith(("torch.Tensor.", MODULE + ".")) and self._full(function) != full:
            return  # a method of an object, which raises by itself
        if stub or self.function is None:
            text = self.write(f"compat.missing({self._quoted(full)})")
            self.edits.drop(self.file.start(function), self.file.end(function))
            self.edits.replace(self.file.start(function), self.file.end(function), text)
            return
        self._stub(function, full)

    def _stub(self, node: ast.expr, full: str) -> None:
        names = chain(node)
        if names is None:
            return
        root = self.project.resolve(names[0], self.scope)
        if root == "torch.nn" and self.aliases["nn"] == names[0]:
            self.needs.modules.add("nn")
        elif root is not None:
            self.needs.stubs[names[0]] = root
            self.needs.modules.add("compat")
            self.needs.helpers.add("missing")

    def _remove_statement(self, node: ast.stmt) -> None:
        start = self.file.start(node)
        for each in getattr(node, "decorator_list", ()):
            start = min(start, self.file.text.rindex(b"@", 0, self.file.start(each)))
        end = self.file.end(node)
        self.edits.drop(start, end)
        self.removed.add(node)
        if self._empties_block(node):
            self.edits.replace(start, end, "pass")
        else:
            self._remove_span(start, end)

    def _empties_block(self, node: ast.stmt) -> bool:
        """Whether nothing would be left of the block that a removed statement stands in."""
        parent = self.parents[-2] if len(self.parents) > 1 else self.file.tree
        if self.parents and self.parents[-1] is not node:
            parent = self.parents[-1]
        blocks = (getattr(parent, name, None) for name in ("body", "orelse", "finalbody"))
        around = next((each for each in blocks if isinstance(each, list) and node in each), [])
        whole = isinstance(parent, ast.Module)
        return not whole and bool(around) and self.removed.issuperset(around)

    def _remove_span(self, start: int, end: int) -> None:
        """Remove a span, and its lines where nothing else stands on them."""
        first, _ = self.file.line_span(self.file.line_of(start))
        _, after = self.file.line_span(self.file.line_of(end))
        if not self.file.text[first:start].strip() and not self.file.text[end:after].strip():
            start, end = first, after
        self.edits.replace(start, end, "")

    # Helpers

    def _full(self, node: ast.expr) -> str | None:
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        return self.project.qualified(node, self.scope)

    def is_compiled(self) -> bool:
        """Whether graph mode may compile this place."""
        if self.class_node is None or self.function is None or self.function.name in PYTHON:
            return False
        return self.inference.is_module(self.project.info(self.class_node, self.names).name)

    def _optimized(self) -> set[str]:
        """The variables of this function that stand in a call of an optimizer."""
        calls = (each for each in nodes(self.function or self.file.tree) if isinstance(each, ast.Call))
        optimizers = [each for each in calls if (self._full(each.func) or "").startswith("torch.optim.")]
        return {each.id for call in optimizers for each in nodes(call) if isinstance(each, ast.Name)}

    def record(
        self,
        node: ast.expr,
        full: str,
        *,
        written: str = "",
        converted: bool = True,
        became: str = "",
        remedy: str = "",
        note: str = "",
        use: str = "call",
    ) -> None:
        """Record what became of a use."""
        function = node.func if isinstance(node, ast.Call) else node
        self.records.append(
            Record(
                start=self.file.start(node),
                end=self.file.end(node),
                name=full,
                written=written or self.file.of(function),
                converted=converted,
                became=became,
                remedy=remedy,
                note=note,
                use=use if not isinstance(node, ast.Call) or use != "value" else "call",
            )
        )


def full_name(text: str) -> str:
    """The full name of what a template writes: `mindspore.nn.Conv2d`."""
    first, dot, rest = text.partition(".")
    return f"{_FULL.get(first, first)}{dot}{rest}"


PACKAGES = frozenset({"torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.utils", "torch.jit"}) | {
    "torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.utils", "torchvision.models", "einops"
}  # fmt: skip
