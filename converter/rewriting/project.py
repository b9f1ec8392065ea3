"""The project: the files that a name can come from, and what each name means over all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from converter.rewriting.libraries import ON_TORCH, OUTPUT, QUESTIONS, WHOLE, is_machinery, usual
from converter.rewriting.names import Binding, Function, Names, Scope, chain, is_builtin, names_of
from converter.rewriting.source import SourceFile, read

MODULE = "torch.nn.Module"
TENSOR = "torch.Tensor"

_ALIASES = {
    "torch.nn.parameter.Parameter": "torch.nn.Parameter",
    "torch._tensor.Tensor": TENSOR,
    "torch.tensor.Tensor": TENSOR,
    "torch.autograd.variable.Variable": "torch.autograd.Variable",
    "torch.autograd.function.Function": "torch.autograd.Function",
    "torch.nn.NonDynamicallyQuantizableLinear": "torch.nn.Linear",
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": "torch.nn.Linear",
} | {
    f"torch.{place}.{name}Tensor": f"torch.{name}Tensor"
    for place in ("cuda", "mps")
    for name in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
}


_DATA = tuple(f"torch.utils.data.{name}." for name in ("dataset", "dataloader", "sampler", "distributed"))


def canonical(name: str) -> str:
    """The usual name of something of PyTorch's: `torch.nn.modules.conv.Conv2d` is `torch.nn.Conv2d`."""
    if name in _ALIASES:
        return _ALIASES[name]
    if name.startswith("torch.nn.modules."):
        _, _, rest = name.removeprefix("torch.nn.modules.").partition(".")
        if not rest:
            rest = name.removeprefix("torch.nn.modules.")
        return f"torch.nn.{rest}" if rest and not rest.startswith("_") and rest[0].isupper() else name
    for module in _DATA:
        if name.startswith(module):
            return f"torch.utils.data.{name.removeprefix(module)}"
    if name.startswith("torch.functional."):
        return "torch." + name.removeprefix("torch.functional.")
    return name


@dataclass(eq=False)
class ClassInfo:
    """A class of the project.

    Attributes:
        name: its full name: `torchvision.models.resnet.BasicBlock`.
        node, scope: its definition, and the scope that this stands in.
        names: those of its file.
        bases: the full names of its bases, None for what is unknown.
        methods: its own functions.
    """

    name: str
    node: ast.ClassDef
    scope: Scope
    names: Names
    bases: list[str | None] = field(default_factory=list)
    methods: dict[str, Function] = field(default_factory=dict)


class Project:
    """Files by module name, loaded when a name leads there.

    Args:
        roots: the folders that modules are searched in, such as the parent of a package.
        only: the one package that is the project, where the folder holds those of others too; empty: all.
        rows: the names that have rows; those of a library count where it is not the project itself.
    """

    def __init__(self, *roots: Path, only: str = "", rows: Iterable[str] = ()) -> None:
        self.roots = roots
        self.only = only
        others = {name.partition(".")[0] for name in rows} - {"torch"}
        own = {name for name in others if only in ("", name) and any((root / name).is_dir() for root in roots)}
        self._known = frozenset(name for name in rows if name.partition(".")[0] in others - own)
        self._whole = frozenset(library for library in WHOLE & others if library not in own and library != only)
        self._torch: dict[str, bool] = {}
        self._qualified: dict[ast.expr, str | None] = {}
        self._followed: dict[str, str] = {}
        self._starred: dict[str, str | None] = {}
        self._modules: dict[str, Names | None] = {}
        self._classes: dict[str, ClassInfo | None] = {}
        self._by_node: dict[ast.ClassDef, ClassInfo] = {}

    def is_torch(self, name: str) -> bool:
        """Whether a full name is PyTorch's, or that of a library's machinery: rows say what it becomes."""
        found = self._torch.get(name)
        if found is None:
            top = name.partition(".")[0]
            found = top == "torch" or top in self._whole or name in self._known or name in QUESTIONS
            self._torch[name] = found = found or is_machinery(name, self.only)
        return found

    def needs_torch(self, library: str) -> bool:
        """Whether a package is another library that is built on PyTorch."""
        return library in ON_TORCH and library != self.only and self.path_of(library) is None

    def is_elsewhere(self, full: str) -> bool:
        """Whether a full name belongs to another library or to Python, such as `numpy.transpose`."""
        parts = full.split(".")
        return not any(self.module(".".join(parts[:length])) for length in range(1, len(parts)))

    def add(self, file: SourceFile) -> Names:
        """Take a file that has been read."""
        names = names_of(file)
        self._modules[file.module] = names
        return names

    @property
    def loaded(self) -> dict[str, Names]:
        """The modules that have been loaded."""
        return {name: names for name, names in self._modules.items() if names is not None}

    def module(self, name: str) -> Names | None:
        """A module of the project, loaded if it has not been; None if it is not the project's."""
        if name not in self._modules:
            path = self.path_of(name)
            self._modules[name] = None
            if path is not None:
                self.add(read(path, name, is_package=path.name == "__init__.py"))
        return self._modules[name]

    def path_of(self, name: str) -> Path | None:
        """The file of a module; None if it is not the project's."""
        top = name.partition(".")[0]
        if not name or self.only not in ("", top) or self.is_torch(name):
            return None
        for root in self.roots:
            base = root.joinpath(*name.split("."))
            if (package := base / "__init__.py").is_file():
                return package
            if (file := base.with_name(base.name + ".py")).is_file():
                return file
        return None

    def qualified(self, node: ast.expr, scope: Scope) -> str | None:
        """The full name that `a.b.c` stands for; None when it is no name, or a variable's attribute."""
        if isinstance(node, ast.Name):
            root = self.resolve(node.id, scope)
            return None if root is None else self.follow(root)
        if node not in self._qualified:
            names = chain(node) or ("",)
            root = self.resolve(names[0], scope) if names[0] else None
            self._qualified[node] = None if root is None else self.follow(".".join((root, *names[1:])))
        return self._qualified[node]

    def resolve(self, name: str, scope: Scope) -> str | None:
        """The full name of an identifier; None for a variable."""
        if name in scope.cache:
            return scope.cache[name]
        scope.cache[name] = None  # for an alias of itself
        scope.cache[name] = found = self._resolve(name, scope)
        return found

    def _resolve(self, name: str, scope: Scope) -> str | None:
        found = scope.find(name)
        if found is None:
            for star in scope_of_module(scope).stars:
                if (target := self._from_star(star, name)) is not None:
                    return target
            return f"builtins.{name}" if is_builtin(name) else None
        owner, bindings = found
        for binding in bindings:
            if binding.kind == "import":
                return self.follow(binding.target)
        if len(bindings) > 1 and not all(each.kind in ("class", "function") for each in bindings):
            return None
        return self._defined(name, owner, bindings[0])

    def _defined(self, name: str, owner: Scope, binding: Binding) -> str | None:
        if binding.kind in ("class", "function"):
            return f"{path_to(owner)}.{name}"
        if binding.kind == "value" and binding.value is not None and chain(binding.value) is not None:
            return self.qualified(binding.value, owner)
        if binding.kind == "value" and owner.parent is None:
            return f"{owner.file.module}.{name}"
        return None

    def _from_star(self, module: str, name: str) -> str | None:
        if self.is_torch(module):
            return self._usual(f"{module}.{name}") if not is_builtin(name) else None
        names = self.module(module)
        if names is None or (name.startswith("_") and name not in exported(names)):
            return None
        if name in names.module.names:
            return self.follow(f"{module}.{name}")
        key = f"{module}.{name}"
        if key not in self._starred:
            self._starred[key] = None  # for modules that import all of each other
            found = (self._from_star(star, name) for star in names.module.stars)
            self._starred[key] = next((each for each in found if each), None)
        return self._starred[key]

    def follow(self, full: str) -> str:
        """Follow imports and aliases to where something is defined."""
        if full not in self._followed:
            self._followed[full] = self._usual(full)  # for modules that import all of each other
            found = full
            for _ in range(32):  # a chain of imports longer than that is a circle
                target = self._step(found)
                if target is None or target == found:
                    break
                found = target
            self._followed[full] = self._usual(found)
        return self._followed[full]

    def _usual(self, full: str) -> str:
        return canonical(usual(full, self.only, self._known))

    def _step(self, full: str) -> str | None:
        parts = full.split(".")
        if parts[0] == "builtins" or self.is_torch(full):
            return None
        for length in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:length])
            if (names := self.module(module)) is None:
                continue
            name, rest = parts[length], parts[length + 1 :]
            bindings = names.module.names.get(name)
            if bindings is None:
                found = next((f for star in names.module.stars if (f := self._from_star(star, name))), None)
                return ".".join((found, *rest)) if found else None
            imported = next((each for each in bindings if each.kind == "import"), None)
            if imported is not None:
                return ".".join((imported.target, *rest))
            only = bindings[0]
            if len(bindings) == 1 and only.kind == "value" and only.value is not None and chain(only.value):
                target = self.qualified(only.value, names.module)
                return ".".join((target, *rest)) if target else None
            return None
        return None

    def classes(self) -> Iterator[ClassInfo]:
        """Every class of the modules that have been loaded."""
        for names in list(self.loaded.values()):
            for node in names.classes:
                yield self.info(node, names)

    def info(self, node: ast.ClassDef, names: Names) -> ClassInfo:
        """What is known of a class."""
        if node not in self._by_node:
            scope = names.classes[node]
            made = ClassInfo(f"{path_to(scope)}.{node.name}", node, scope, names)
            self._by_node[node] = made
            for base in node.bases:
                plain = base.value if isinstance(base, ast.Subscript) else base
                made.bases.append(self.qualified(plain, scope))
            for each in node.body:
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    made.methods[each.name] = each
        return self._by_node[node]

    def class_named(self, full: str) -> ClassInfo | None:
        """A class of the project by its full name."""
        if full not in self._classes:
            self._classes[full] = None
            found = self.definition(full)
            if found is not None and isinstance(found[0], ast.ClassDef):
                self._classes[full] = self.info(found[0], found[1])
        return self._classes[full]

    def definition(self, full: str) -> tuple[ast.AST, Names] | None:
        """The class, function or assignment that a full name belongs to."""
        module, _, name = full.rpartition(".")
        names = self.module(module) if module else None
        if names is None:
            return None
        bindings = names.module.names.get(name)
        if not bindings:
            return None
        return bindings[-1].node, names

    def ancestry(self, info: ClassInfo) -> Iterator[ClassInfo | str]:
        """A class, its bases and theirs; what is not of the project by its full name."""
        seen: set[str] = set()
        waiting: list[str | ClassInfo] = [info]
        while waiting:
            each = waiting.pop(0)
            if isinstance(each, str):
                if each in seen:
                    continue
                seen.add(each)
                found = self.class_named(each)
                if found is None:
                    yield each
                    continue
                each = found
            yield each
            waiting[:0] = [base for base in each.bases if base is not None]

    def external_bases(self, full: str) -> set[str]:
        """The bases of a class, its own name included, that are not the project's."""
        info = self.class_named(full)
        if info is None:
            return {full}
        return {each for each in self.ancestry(info) if isinstance(each, str)}

    def is_output(self, full: str) -> bool:
        """Whether a class is what a network of transformers returns: a dict whose keys are attributes, too."""
        return OUTPUT in self.external_bases(full)


def scope_of_module(scope: Scope) -> Scope:
    """The scope of the module around a scope."""
    while scope.parent is not None:
        scope = scope.parent
    return scope


def path_to(scope: Scope) -> str:
    """The name of a scope, from its module on."""
    parts: list[str] = []
    at: Scope | None = scope
    while at is not None and at.parent is not None:
        parts.append(getattr(at.node, "name", "<locals>"))
        at = at.parent
    return ".".join((scope.file.module, *reversed(parts)))


def exported(names: Names) -> set[str]:
    """What `__all__` of a module lists."""
    found: set[str] = set()
    for binding in names.module.names.get("__all__", ()):
        if isinstance(binding.value, (ast.List, ast.Tuple)):
            found |= {str(each.value) for each in binding.value.elts if isinstance(each, ast.Constant)}
    return found
