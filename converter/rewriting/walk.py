"""The walk over a project: which files are converted, in full or only for the names that others import from them."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from converter.errors import BadParamError
from converter.rewriting.cycles import check_cycles
from converter.rewriting.libraries import LIBRARIES
from converter.rewriting.names import Names, absolute
from converter.rewriting.notebook import SUFFIX, read_notebook
from converter.rewriting.project import Project
from converter.rewriting.source import SourceFile, read
from converter.rewriting.trees import nodes

_SKIPPED = {"__pycache__", ".git", ".hg", "node_modules", ".venv", "venv", ".tox", "build", "dist"}


@dataclass
class Walk:
    """What is converted.

    Attributes:
        project: the project.
        root: the folder that the layout of the result starts from.
        whole: the modules that are converted in full, in the order in which they were met.
        partial: packages of which only some names are needed, and these.
    """

    project: Project
    root: Path
    whole: dict[str, Names] = field(default_factory=dict)
    partial: dict[str, set[str]] = field(default_factory=dict)

    def path(self, names: Names) -> Path:
        """The place of a file below the output."""
        return names.file.path.resolve().relative_to(self.root)


def find_files(source: Path, project_path: Path | None = None, rows: Collection[str] = ()) -> Walk:
    """Find the files of a conversion.

    Args:
        source: a file or a folder.
        project_path: the folder from which the modules of the project are imported.
        rows: the names that have rows.

    Raises:
        BadParamError: the file is outside the project, or the folder has no Python file.
        ModelLoadingError: a file cannot be read, or files import each other in a circle that Python cannot load.
    """
    source = source.resolve()
    root = root_of(source) if project_path is None else project_path.resolve()
    if not source.is_relative_to(root):
        raise BadParamError(f"'{source}' is not in --project_path '{root}'. Name a folder that holds it.")
    package = module_of(source, root).partition(".")[0]
    only = package if _is_installed(root) or package in LIBRARIES else ""
    made = Walk(Project(root, only=only, rows=rows), root)
    files = [source] if source.is_file() else _files(source)
    if not files:
        raise BadParamError(f"'{source}' has no Python file. Name the folder of the scripts.")
    walker = _Walker(made)
    for path in files:
        module = module_of(path, root)
        if path.suffix == SUFFIX:
            file: SourceFile = read_notebook(path, module)
        else:
            file = read(path, module, is_package=path.name == "__init__.py")
        made.whole[module] = made.project.add(file)
    for names in list(made.whole.values()):
        walker.imports(names)
    walker.parents()
    check_cycles(made.whole)
    for module in made.whole:
        made.partial.pop(module, None)
    return made


def _is_installed(root: Path) -> bool:
    """Whether a folder is where packages are installed, all but one of which are others' projects."""
    return root.name in ("site-packages", "dist-packages") or any(root.glob("*.dist-info"))


def root_of(source: Path) -> Path:
    """The folder that a file or folder is imported from: the parent of its outermost package."""
    folder = source if source.is_dir() else source.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def module_of(path: Path, root: Path) -> str:
    """The name of a file as a module."""
    parts = list(path.relative_to(root).with_suffix("").parts) if path != root else []
    if parts[-1:] == ["__init__"]:
        parts.pop()
    return ".".join(parts) or path.parent.name


def _files(folder: Path) -> list[Path]:
    """The scripts of a folder, and the notebooks that have no script of the same name beside them."""
    scripts = sorted(_python_files(folder))
    notebooks = sorted(_python_files(folder, f"*{SUFFIX}"))
    return [*scripts, *(each for each in notebooks if each.with_suffix(".py") not in scripts)]


def _python_files(folder: Path, pattern: str = "*.py") -> list[Path]:
    found = []
    for path in folder.rglob(pattern):
        if not any(part in _SKIPPED or part.startswith(".") for part in path.relative_to(folder).parts):
            found.append(path)
    return found


class _Walker:
    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._project = walk.project

    def whole(self, module: str) -> None:
        names = self._project.module(module)
        if names is None or module in self._walk.whole:
            return
        self._walk.whole[module] = names
        self.imports(names)

    def imports(self, names: Names) -> None:
        for node, _ in names.imports:
            if node in names.typing_only:
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.package(alias, names)
                continue
            module = absolute(node, names.file)
            if self._project.path_of(module) is None and self._project.module(module) is None:
                continue
            for alias in node.names:
                self.name(module, alias.name)

    def package(self, alias: ast.alias, names: Names) -> None:
        """What `import module` needs: of a package of which only attributes are used, these."""
        package = self._project.module(alias.name)
        if package is None or alias.asname or not package.file.is_package or "." in alias.name:
            self.whole(alias.name)
            return
        used = _attributes(alias.name, names)
        if used is None:
            self.whole(alias.name)
            return
        self._walk.partial.setdefault(alias.name, set())
        for each in sorted(used):
            self.name(alias.name, each)
            if each in package.module.names:
                self._walk.partial[alias.name].add(each)

    def name(self, module: str, name: str) -> None:
        """What `from module import name` needs."""
        if self._project.is_torch(f"{module}.{name}"):
            return
        if self._project.path_of(f"{module}.{name}") is not None:
            package = self._project.module(module)
            bindings = package.module.names.get(name, []) if package is not None else []
            if all(each.target == f"{module}.{name}" for each in bindings):  # a package may import its own modules
                self.whole(f"{module}.{name}")
                self._walk.partial.setdefault(module, set())
                return
        names = self._project.module(module)
        if names is None:
            return
        bindings = names.module.names.get(name, [])
        imported = [each for each in bindings if each.kind == "import"]
        if not names.file.is_package or module in self._walk.whole or (name == "*" or (bindings and not imported)):
            self.whole(module)
            return
        needed = self._walk.partial.setdefault(module, set())
        if name in needed:
            return
        needed.add(name)
        for binding in imported:
            if isinstance(binding.node, ast.ImportFrom):
                for alias in binding.node.names:
                    if (alias.asname or alias.name) == name:
                        self.name(absolute(binding.node, names.file), alias.name)
            else:
                self.whole(binding.target)
        if not bindings:
            for star in names.module.stars:
                if has_name(self._project, star, name):
                    self.name(star, name)
                    break

    def parents(self) -> None:
        """The packages around every module."""
        for module in [*self._walk.whole, *self._walk.partial]:
            parent = module.rpartition(".")[0]
            while parent:
                if self._project.module(parent) is not None and parent not in self._walk.whole:
                    self._walk.partial.setdefault(parent, set())
                parent = parent.rpartition(".")[0]


def _attributes(name: str, names: Names) -> set[str] | None:
    """The attributes of a name that a file uses; None if it uses the name by itself."""
    found = list(nodes(names.file.tree))
    attributes = {
        id(node.value): node.attr
        for node in found
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
    bare = any(isinstance(node, ast.Name) and node.id == name and id(node) not in attributes for node in found)
    return None if bare else set(attributes.values())


def partial_text(names: Names, wanted: set[str], project: Project) -> str:
    """An `__init__.py` with only the imports that other modules need."""
    lines = ['"""Only what the converted modules import of this package."""', ""]
    left = wanted - names.module.names.keys()
    for node, scope in names.imports:
        if scope is not names.module or not isinstance(node, ast.ImportFrom) or node in names.typing_only:
            continue
        if not node.level and (node.module or "").startswith("torch."):
            continue
        kept = [
            f"{each.name} as {each.asname}" if each.asname else each.name
            for each in node.names
            if (each.asname or each.name) in wanted
        ]
        if node.names[0].name == "*":
            kept = sorted(name for name in left if has_name(project, absolute(node, names.file), name))
            left = left.difference(kept)
        kept = [each for each in kept if not _is_torchs(each.rpartition(" ")[2], names, project)]
        if kept:
            lines.append(f"from {'.' * node.level}{node.module or ''} import {', '.join(kept)}")
    return "\n".join(lines) + "\n"


def _is_torchs(name: str, names: Names, project: Project) -> bool:
    """Whether a module of the project only hands on something of PyTorch, whose uses are rewritten."""
    full = project.resolve(name, names.module)
    return full is not None and project.is_torch(full)


def has_name(project: Project, module: str, name: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a module of the project has a name, its own or by `import *`."""
    names = project.module(module)
    if names is None or module in seen:
        return False
    return name in names.module.names or any(
        has_name(project, star, name, seen | {module}) for star in names.module.stars
    )
