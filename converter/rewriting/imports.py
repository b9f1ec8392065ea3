"""Imports: those of PyTorch go, and what the converted file needs stands in the place of the first of them."""

from __future__ import annotations

import ast
from collections.abc import Callable

from converter.rewriting.names import Scope, absolute
from converter.rewriting.records import Record
from converter.rewriting.rewrite import Rewriter
from converter.rewriting.trees import nodes

NOTHING: Callable[[str], bool] = lambda module: True  # noqa: E731


class Imports:
    """The imports of one file that has been rewritten.

    Args:
        rewriter: the rewriter after its run.
        compat: how the file imports the helper module: `from . import _torch_compat`.
    """

    def __init__(self, rewriter: Rewriter, compat: Callable[[str], str]) -> None:
        self.rewriter = rewriter
        self.file = rewriter.file
        self.project = rewriter.project
        self.compat = compat
        self.inserted: list[str] = []

    def run(self) -> None:
        """Edit the imports, and insert what is needed."""
        of_torch = [found for found in self.rewriter.names.imports if self.torch_aliases(*found)]
        lines = self._lines()
        place = next((node for node, _ in of_torch if node in self.file.tree.body), None)
        for node, scope in of_torch:
            if self.rewriter.edits.covers(self.file.start(node), self.file.end(node)):
                continue
            kept = self._kept(node, self.torch_aliases(node, scope))
            block = list(lines) if node is place else []
            if kept:
                block.append(kept)
            self._replace(node, block)
        if lines and place is None:
            self._insert(lines)
        self.inserted = lines
        for node, scope in self.rewriter.names.imports:
            self._report(node, self.torch_aliases(node, scope))

    def _report(self, node: ast.Import | ast.ImportFrom, of_torch: list[ast.alias]) -> None:
        """Report what an import takes of other libraries that need PyTorch: it stays."""
        if node in self.rewriter.names.typing_only:
            return
        module = absolute(node, self.file) if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            full = f"{module}.{alias.name}".lstrip(".")
            library = full.partition(".")[0]
            if alias in of_torch or not self.project.needs_torch(library):
                continue
            start, end = self.file.start(alias), self.file.end(alias)
            remedy = self.rewriter.options.remedy(full)
            written = alias.name
            self.rewriter.records.append(
                Record(start=start, end=end, name=full, written=written, converted=False, remedy=remedy, use="import")
            )

    def torch_aliases(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> list[ast.alias]:
        """The names of an import that are PyTorch's, also those that a module of the project hands on."""
        found = []
        module = absolute(node, self.file) if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            if isinstance(node, ast.Import):
                if self.project.is_torch(alias.name):
                    found.append(alias)
            elif self.project.is_torch(module):
                found.append(alias)
            elif alias.name != "*":
                full = self.project.resolve(alias.asname or alias.name, scope)
                if full is not None and self.project.is_torch(full):
                    found.append(alias)
        return found

    def _kept(self, node: ast.Import | ast.ImportFrom, of_torch: list[ast.alias]) -> str:
        """The statement without its names of PyTorch's; empty when nothing is left."""
        kept = [alias for alias in node.names if alias not in of_torch]
        if not kept:
            return ""
        names = ", ".join(f"{each.name} as {each.asname}" if each.asname else each.name for each in kept)
        if isinstance(node, ast.Import):
            return f"import {names}"
        return f"from {'.' * node.level}{node.module or ''} import {names}"

    def _lines(self) -> list[str]:
        needs, aliases = self.rewriter.needs, self.rewriter.aliases
        bound = self.rewriter.names.module.names
        lines: list[str] = []

        def has(name: str, target: str) -> bool:
            return any(each.kind == "import" and each.target == target for each in bound.get(name, ()))

        if "np" in needs.modules and not has(aliases["np"], "numpy"):
            lines.append(f"import numpy as {aliases['np']}")
        if "ms" in needs.modules and not has(aliases["ms"], "mindspore"):
            lines.append(f"import mindspore as {aliases['ms']}")
        wanted: list[tuple[str, str]] = []
        for local, text in needs.rebound.items():
            wanted.append((text.removeprefix("ms."), local))
        for short in ("mint", "nn", "ops"):
            if short in needs.modules and not has(aliases[short], f"mindspore.{short}"):
                wanted.append((short, aliases[short]))
        if wanted:
            names = sorted({name if name == local else f"{name} as {local}" for name, local in wanted})
            lines.append(f"from mindspore import {', '.join(names)}")
        if "compat" in needs.modules:
            lines.append(self.compat(aliases["compat"]))
        lines += [f'{local} = {aliases["compat"]}.missing("{full}")' for local, full in sorted(needs.stubs.items())]
        return lines

    def _replace(self, node: ast.stmt, block: list[str]) -> None:
        file, edits = self.file, self.rewriter.edits
        start, end = file.start(node), file.end(node)
        first, _ = file.line_span(file.line_of(start))
        indent = file.text[first:start]
        if not block:
            if self._is_alone(node):
                edits.replace(start, end, "pass")
                return
            _, after = file.line_span(file.line_of(end))
            rest = file.text[end:after].strip()
            if not indent.strip() and not rest:
                edits.replace(first, after, "")
            elif not indent.strip() and rest.startswith(b";"):
                stop = file.text.index(b";", end) + 1
                while file.text[stop : stop + 1] in (b" ", b"\t"):
                    stop += 1
                edits.replace(start, stop, "")
            elif rest.startswith(b"#") and not indent.strip():
                edits.replace(start, end, "")
            else:
                edits.replace(start, end, "pass")
            return
        separator = file.newline + indent.decode() if not indent.strip() else "; "
        edits.replace(start, end, separator.join(block))

    def _is_alone(self, node: ast.stmt) -> bool:
        for parent in nodes(self.file.tree):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(parent, name, None)
                if isinstance(block, list) and node in block:
                    gone = {each for each, scope in self.rewriter.names.imports if self._goes(each, scope)}
                    first = next(each for each in block if each in gone)
                    whole = isinstance(parent, ast.Module)
                    return not whole and node is first and gone.union(self.rewriter.removed).issuperset(block)
        return False

    def _goes(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> bool:
        return len(self.torch_aliases(node, scope)) == len(node.names)

    def _insert(self, lines: list[str]) -> None:
        """Insert lines behind the docstring and the imports from `__future__`."""
        file = self.file
        at = 0
        for statement in file.tree.body:
            docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            if not docstring and not future:
                break
            at = file.end(statement)
        if at:
            _, at = file.line_span(file.line_of(at))
        elif file.tree.body:
            first = file.tree.body[0]
            at = min([file.start(first), *(file.start(each) - 1 for each in getattr(first, "decorator_list", ()))])
        text = "".join(line + file.newline for line in lines)
        if at and file.text[at - 1 : at] not in (b"\n", b"\r"):
            text = file.newline + text
        self.rewriter.edits.insert(at, text)
