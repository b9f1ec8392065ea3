"""Rendering: how a template takes the place of a call, with few edits."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from converter.rewriting.calls import Argument, layout_of, skip, wrapped
from converter.rewriting.edits import Edits
from converter.rewriting.signature import Arguments
from converter.rewriting.source import SourceFile
from converter.rewriting.template import Pieces, Slot, Template, TemplateArgument

_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.JoinedStr)


@dataclass
class Rendering:
    """The template for one call, with what it is made of.

    Attributes:
        call: the call in the source.
        file, edits: where it stands; edits of its arguments have been made since `mark`.
        bound: its arguments by PyTorch's names.
        receiver: the receiver of a method.
        write: brings text of a template into the file's own names (`nn.` may be called otherwise there).
    """

    call: ast.Call
    file: SourceFile
    edits: Edits
    mark: int
    bound: Arguments
    receiver: ast.expr | None
    write: Callable[[str], str]

    def __post_init__(self) -> None:
        self.layout = layout_of(self.call, self.file)
        self._by_node = {id(each.node): each for each in self.layout.arguments}

    def apply(self, template: Template) -> None:
        """Write the template in place of the call."""
        if not self._edit(template):
            self._replace(template)

    # With few edits

    def _edit(self, template: Template) -> bool:
        """Edit the call's own parts; false where they would have to change places."""
        if template.whole:
            return False
        new = None if template.arguments is None else self._arguments(template.arguments)
        first, skipped = self._function(template, new)
        if first is None:
            return False
        if new is not None:
            self._inserted_before = skipped == 1
            planned = self._plan(new[skipped:], first)
            if planned is None:
                return False
            for edit in planned:
                edit()
        elif template.callee.startswith("compat.") or any(each.keyword == "keepdims" for each in self.layout.arguments):
            self._rename()
        self._begin(template, new, first)
        self.edits.insert(self.layout.start, self.write(template.prefix), leading=True)
        self.edits.insert(self.layout.end, self.write(template.suffix))
        return True

    def _rename(self) -> None:
        """Give arguments PyTorch's names, by which a helper knows them: `axis` is `dim`."""
        names = {id(node): name for name, node in self.bound.given.items()}
        for each in self.layout.arguments:
            if each.keyword:
                self._keyword(each, names.get(id(each.node), each.keyword))()

    def _function(self, template: Template, new: list[_New] | None) -> tuple[int | None, int]:
        """How many arguments of the source, and of the template, the function itself takes; None: another order."""
        if self.receiver is None:
            if not template.method:
                return 0, 0
            arguments = self.layout.arguments
            fits = new is not None and bool(arguments) and self.bound.given.get("input") is arguments[0].node
            atom = fits and isinstance(arguments[0].node, _ATOMS) and arguments[0].keyword is None
            return (1, 0) if atom else (None, 0)
        if template.method or template.receiver_first:
            return 0, 0
        if new is None:
            return None, 0
        slot = new[0].only if new else None
        return (0, 1) if slot is not None and slot.name == "self" else (None, 0)

    def _begin(self, template: Template, new: list[_New] | None, taken: int) -> None:
        """Edit what stands before the arguments."""
        layout, text = self.layout, self.file.text
        if self.receiver is None:
            if not template.method:
                self.edits.drop(layout.start, layout.function_end, self.mark)
                self.edits.replace(layout.start, layout.function_end, self.write(template.callee))
                return
            first = layout.arguments[0]
            after = layout.arguments[1].start if len(layout.arguments) > 1 else layout.closing
            self.edits.replace(layout.start, first.value, "")
            self.edits.replace(first.end, after, f"{template.callee}(")
            return
        assert isinstance(self.call.func, ast.Attribute)
        name = self.file.end(self.call.func) - len(self.call.func.attr.encode())
        dot = text.rindex(b".", layout.start, name)
        if template.method:
            self.edits.replace(name, self.file.end(self.call.func), template.callee[1:])
            return
        self.edits.insert(layout.start, f"{self.write(template.callee)}(", leading=True)
        some = layout.arguments if new is None else new[1:]
        end = self._receiver_end()
        between = text[end:dot].decode()
        gap = text[layout.opening + 1 : layout.arguments[0].start].decode() if layout.arguments else ""
        separator = "," + (gap if "\n" in gap or "\r" in gap else f" {gap}".rstrip() + " ") if some else ""
        if not layout.arguments and new is not None:
            separator = ""  # what follows brings its own comma
        if "#" in between:  # a comment stays behind what it is about, and ends with its line
            separator = separator[:1] + between
        self.edits.replace(end, layout.arguments[0].start if layout.arguments else layout.opening + 1, separator)

    def _arguments(self, arguments: tuple[TemplateArgument, ...]) -> list[_New]:
        """The arguments of the template that this call has."""
        found: list[_New] = []
        positional = True
        last = max((number for number, each in enumerate(arguments) if self._holds_place(each)), default=-1)
        for number, each in enumerate(arguments):
            if any(not self._is_given(slot) and not slot.required for slot in each.slots):
                if each.keyword is None and number < last:  # what follows it by position keeps its place
                    found.append(_New(None, each.pieces, None, each.slot))
                    continue
                positional = positional and each.keyword is None
                continue
            slot = each.slot
            if slot is not None and slot.star:
                found += [_New(None, (), node) for node in self.bound.rest]
                continue
            node = self._node(slot) if slot is not None else None
            keyword = each.keyword
            positional = positional and not each.keyword_only
            if keyword is not None and positional and node is not None and slot is not None:
                by_position = slot.name not in self.bound.by_keyword and slot.name != "self"
                if by_position and arguments.index(each) == len(found):
                    keyword = None
            if keyword is not None:
                positional = False
            found.append(_New(keyword, each.pieces, node, slot))
        return found

    def _holds_place(self, argument: TemplateArgument) -> bool:
        """Whether an argument stands in the result by its position and has one in the source."""
        given = any(self._is_given(slot) for slot in argument.slots)
        return argument.keyword is None and not argument.keyword_only and given

    def _plan(self, new: list[_New], first: int) -> list[Callable[[], None]] | None:
        """The edits that turn the source's arguments into these; None where the order is another."""
        source = self.layout.arguments[first:]
        order = [id(each.node) for each in source]
        new = _in_source_order(new, order)
        kept = [each for each in new if each.node is not None and id(each.node) in order]
        if [order.index(id(each.node)) for each in kept] != sorted(order.index(id(each.node)) for each in kept):
            return None
        if len({id(each.node) for each in kept}) != len(kept):
            return None
        nodes = {id(each.node) for each in kept}
        leading = [each for each in new if each.node is None]
        texts = {id(each): self._text(each) for each in leading}
        edits: list[Callable[[], None]] = [
            self._removal(argument, source, number, nodes)
            for number, argument in enumerate(source)
            if id(argument.node) not in nodes
        ]
        survivors = [each for each in source if id(each.node) in nodes]
        if first == 1 and len(survivors) != len(source):
            return None
        if not survivors and source:
            body = ", ".join(texts[id(each)] for each in new)
            return [lambda: self._rewrite_all(body)]
        last: Argument | None = None
        pending: list[str] = []
        for each in new:
            if each.node is None:
                if last is None and survivors:
                    pending.append(texts[id(each)])
                else:
                    edits.append(self._insertion(last, texts[id(each)], survivors))
                continue
            last = self._by_node[id(each.node)]
            edits.append(self._keyword(last, each.keyword))
            if pending:
                edits.append(self._before(last, "".join(f"{text}, " for text in pending)))
                pending = []
        return edits

    def _before(self, argument: Argument, text: str) -> Callable[[], None]:
        return lambda: self.edits.insert(argument.start, text, leading=True)

    def _rewrite_all(self, body: str) -> None:
        start, end = self.layout.arguments[0].start, self.layout.arguments[-1].end
        if not body:  # a comma behind the last argument goes as well
            start, end = self.layout.opening + 1 if self.receiver is None else start, self.layout.closing
        self.edits.drop(start, end, self.mark)
        self.edits.replace(start, end, body)

    def _keyword(self, argument: Argument, keyword: str | None) -> Callable[[], None]:
        def edit() -> None:
            if (argument.keyword or None) == keyword:
                return
            prefix = f"{keyword}=" if keyword else ""
            if argument.start < argument.value:
                self.edits.replace(argument.start, argument.value, prefix)
            else:
                self.edits.insert(argument.start, prefix, leading=True)

        return edit

    def _insertion(self, last: Argument | None, text: str, survivors: list[Argument]) -> Callable[[], None]:
        def edit() -> None:
            if last is None:
                at = self.layout.opening + 1
                self.edits.insert(at, f", {text}" if self._inserted_before else text)
                self._inserted_before = True
                return
            self.edits.insert(last.end, f",{self._gap(last)}{text}")

        return edit

    _inserted_before = False

    def _gap(self, last: Argument) -> str:
        """What separates an argument from the next one: a line break where each has its own line."""
        line, _ = self.file.line_span(self.file.line_of(last.start))
        indent = self.file.text[line : last.start]
        own = len(self.layout.arguments) > 1 and not indent.strip() and last is not self.layout.arguments[0]
        if own and self.file.line_of(self.layout.opening) != self.file.line_of(last.start):
            previous = self.layout.arguments[self.layout.arguments.index(last) - 1]
            if self.file.line_of(previous.start) != self.file.line_of(last.start):
                return self.file.newline + indent.decode()
        return " "

    def _removal(
        self, argument: Argument, source: tuple[Argument, ...], number: int, kept: set[int]
    ) -> Callable[[], None]:
        later = any(id(each.node) in kept for each in source[number + 1 :])

        def edit() -> None:
            start, end = argument.start, argument.end
            if later:
                following = source[number + 1].start
                comment = self.file.text.find(b"#", end, following)  # it stays where the argument was
                end = comment if comment >= 0 else following
            elif number > 0 or self.layout.arguments[0] is not argument:
                index = self.layout.arguments.index(argument)
                start = self.layout.arguments[index - 1].end
            self.edits.drop(argument.start, argument.end, self.mark)  # those of its neighbours may end where it begins
            self.edits.replace(start, end, "")

        return edit

    # As a whole

    def _replace(self, template: Template) -> None:
        """Write the whole call anew; its arguments keep their text."""
        layout = self.layout
        if template.whole:
            body = self._joined(template.whole)
        else:
            assert template.arguments is not None or self.receiver is None
            new = self._arguments(template.arguments or ())
            callee = self.write(template.callee)
            if template.method:
                if self.receiver is not None:
                    callee = self._joined((Slot("self", atom=True), template.callee))
                else:
                    callee = self._joined((Slot("input", atom=True), template.callee))
            inside = ", ".join(self._text(each) for each in new)
            body = f"{self.write(template.prefix)}{callee}({inside}){self.write(template.suffix)}"
        self.edits.drop(layout.start, layout.end, self.mark)
        self.edits.replace(layout.start, layout.end, body)

    def _text(self, new: _New) -> str:
        keyword = f"{new.keyword}=" if new.keyword else ""
        if new.node is not None:
            return keyword + self.text_of(new.node)
        return keyword + self._joined(new.pieces)

    def _joined(self, pieces: Pieces) -> str:
        texts: list[str] = []
        for number, each in enumerate(pieces):
            before = pieces[number - 1] if number else ""
            if isinstance(each, str):
                several = isinstance(before, Slot) and before.star and len(self.bound.rest) > 1
                texts.append(self.write(each[1:] if several and each.startswith(",)") else each))
            else:
                texts.append(self._slot(each))
        return "".join(texts)

    def _slot(self, slot: Slot) -> str:
        if slot.star:
            return ", ".join(self.text_of(node) for node in self.bound.rest)
        node = self._node(slot)
        if node is None:
            default = self.bound.signature.parameters[slot.name].default
            return "None" if default is None else default
        text = self.text_of(node)
        negative = isinstance(node, ast.UnaryOp)
        literal = len(text) > 1 and text[0] in "\"'" and text[1:-1].isalnum() and text[0] == text[-1]
        if (
            slot.atom
            and not literal
            and (negative or not isinstance(node, (*_ATOMS, ast.Constant)))
            and not wrapped(text)
        ):
            return f"({text})"
        return text

    def text_of(self, node: ast.expr) -> str:
        """The text of an argument or of the receiver, with the edits inside it."""
        if node is self.receiver:
            return self.edits.text(self.layout.start, self._receiver_end(), self.mark)
        argument = self._by_node.get(id(node))
        if argument is None:
            return self.edits.text(self.file.start(node), self.file.end(node), self.mark)
        return self.edits.text(argument.value, argument.end, self.mark)

    def _receiver_end(self) -> int:
        """Where the receiver ends, with parentheses around it."""
        assert self.receiver is not None
        end = self.file.end(self.receiver)
        while self.file.text[(after := skip(self.file.text, end)) :].startswith(b")"):
            end = after + 1
        return end

    def _node(self, slot: Slot) -> ast.expr | None:
        return self.receiver if slot.name == "self" else self.bound.given.get(slot.name)

    def _is_given(self, slot: Slot) -> bool:
        if slot.star:
            return bool(self.bound.rest)
        return slot.name == "self" or slot.name in self.bound.given


@dataclass
class _New:
    """An argument of the result."""

    keyword: str | None
    pieces: Pieces
    node: ast.expr | None = None
    only: Slot | None = None


def _in_source_order(new: list[_New], order: list[int]) -> list[_New]:
    """Keyword arguments in the order of the source; what the template adds stays behind its predecessor."""
    positional = [each for each in new if each.keyword is None]
    groups: list[list[_New]] = [[]]
    for each in new[len(positional) :]:
        if each.node is not None and id(each.node) in order:
            groups.append([each])
        else:
            groups[-1].append(each)
    first, *rest = groups
    rest.sort(key=lambda group: order.index(id(group[0].node)))
    return [*positional, *first, *(each for group in rest for each in group)]
