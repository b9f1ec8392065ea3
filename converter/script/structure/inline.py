"""Inlining: if only the next statement reads a value, its expression replaces the variable there."""

from __future__ import annotations

from collections import Counter
from typing import Any

from converter.base.names import identifier
from converter.script.expressions import (
    Arg,
    Attribute,
    Binary,
    Call,
    Comprehension,
    Conditional,
    Constant,
    Expression,
    Index,
    Lambda,
    Name,
    Option,
    Raw,
    Slice,
    Starred,
    Unary,
    dimension_read,
    is_literal,
    map_parts,
    parts_of,
    walk,
)
from converter.script.program import Argument, Cell, Member
from converter.script.statements import (
    Assign,
    Block,
    Statement,
    Variable,
    blocks_of,
    map_block,
    map_statement,
    visit_block,
)
from converter.script.structure.operator_names import is_operator_name
from converter.script.structure.regions import replace_in, substituted
from converter.script.structure.roles import viewed

NAMED = 14
"""The width of the names that operators' results get, of several that are written side by side."""
WIDEST = 108
"""The largest width of an expression after inlining, in characters."""
DEEPEST = 5
"""The largest number of calls and operators in an expression after inlining."""
LONGEST = 3
"""A value without a layer is inlined into the call of a layer if it has fewer calls and operators than this."""


def inline_single_uses(block: Block) -> dict[Any, Any]:
    """Inline within a block and its inner ones.

    Returns:
        A map from each inlined statement to the statement that now contains it.
    """
    _read_in_place(block)
    uses = Counter(part for part in visit_block(block) if isinstance(part, Variable))
    moved = _view_at_once(block, uses)
    moved |= _cut_where_read(block, uses)
    moved |= _repeat_new_axes(block, uses)
    kept: list[Statement] = []
    for statement in block.statements:
        for inner in blocks_of(statement):
            moved |= inline_single_uses(inner)
        while (place := _taken(statement, kept, uses)) is not None:
            before = kept.pop(place)
            moved[before] = statement
            if _keeps_name(statement, before):
                statement.targets[0].hint = before.targets[0].hint  # type: ignore[union-attr]
            replace_in(statement, {before.targets[0]: before.value})  # type: ignore[union-attr, dict-item]
        kept.append(statement)
    while kept and len(block.results) == 1 and _ends_in(block.results[0], kept[-1], uses):
        before = kept.pop()
        block.results = substituted(block.results, {before.targets[0]: before.value})  # type: ignore[union-attr, dict-item]
        moved[before] = block
    block.statements = kept
    return moved


def _read_in_place(block: Block) -> None:
    """Replace variables that hold a parameter by the parameter itself."""
    read = {
        target: statement.value
        for statement in block.statements
        if (target := _single_target(statement)) is not None
        and isinstance(statement, Assign)
        and isinstance(statement.value, Member)
    }
    if read:
        block.statements = [s for s in block.statements if _single_target(s) not in read]
        map_block(block, lambda item: substituted(item, read))


def _view_at_once(block: Block, uses: Counter[Variable]) -> dict[Any, Any]:
    """Move a view of a value that nothing else reads behind the statement that makes the value; join transposes.

    Exporters write what a network does to several tensors side by side: all layers first, then all reshapes.
    """
    makers = {target: s for s in block.statements if (target := _single_target(s)) is not None and uses[target] == 1}
    behind: dict[Statement, Statement] = {}
    moved: dict[Any, Any] = {}
    for statement in block.statements:
        source = _viewed_alone(statement)
        maker = makers.get(source) if source is not None else None
        if maker is None:
            continue
        if _join_transposes(maker, statement):
            moved[maker] = statement
            before = makers.get(_viewed_alone(statement))  # type: ignore[arg-type]
            if before is not None:
                behind[before] = statement
        else:
            behind[maker] = statement
    later = set(behind.values())
    ordered: list[Statement] = []
    for statement in block.statements:
        following = statement if statement not in later and statement not in moved else None
        while following is not None:
            ordered.append(following)
            following = behind.get(following)
    block.statements = ordered
    return moved


def _viewed_alone(statement: Statement) -> Variable | None:
    """The variable of which a statement makes a view, if it reads no other one."""
    if not isinstance(statement, Assign) or _single_target(statement) is None:
        return None
    read = [part for part in walk(statement.value) if isinstance(part, Variable)]
    return read[0] if len(read) == 1 and viewed(statement.value) is read[0] else None


def _join_transposes(before: Statement, statement: Statement) -> bool:
    """Write `x.transpose(inner).transpose(outer)` of two statements as one transpose in the second one."""
    first, second = _transpose(before), _transpose(statement)
    made, old = _single_target(statement), _single_target(before)
    if first is None or second is None or made is None or old is None:
        return False
    if not made.assigned:
        made.hint, made.assigned = old.hint, old.assigned
    (_, outer), (method, inner) = second, first
    assert isinstance(statement, Assign)
    statement.value = Call(method, (tuple(inner[axis] for axis in outer),))
    return True


def _transpose(statement: Statement) -> tuple[Arg, tuple[int, ...]] | None:
    """The method and the axes of `y = x.transpose(axes)`."""
    match statement:
        case Assign(value=Call(function=Attribute(Variable(), "transpose") as method, args=(tuple() as axes,))):
            return method, axes
    return None


def _cut_where_read(block: Block, uses: Counter[Variable]) -> dict[Any, Any]:
    """Write a part of a tensor that has no name in the source, `x[:, :4]`, where it is read, also behind others."""
    moved: dict[Any, Any] = {}
    parts: dict[Variable, Statement] = {}
    for statement in block.statements:
        if not isinstance(statement, Assign):
            continue
        read = dict.fromkeys(part for part in walk(statement.value) if isinstance(part, Variable) and part in parts)
        for target in read:
            before = parts[target]
            if _count(statement.value, target) == 1 and _fits(statement.value, target, before):
                replace_in(statement, {target: before.value})  # type: ignore[union-attr]
                map_statement(statement, _indexed_once)
                moved[before] = statement
        made = _single_target(statement)
        if made is not None and uses[made] == 1 and _is_part(statement.value) and is_operator_name(made.hint):
            parts[made] = statement
    block.statements = [statement for statement in block.statements if statement not in moved]
    return moved


def _repeat_new_axes(block: Block, uses: Counter[Variable]) -> dict[Any, Any]:
    """Write `ops.unsqueeze(x, 1)` of a value again where it is read twice, rather than give it a name."""
    moved: dict[Any, Any] = {}
    for statement in block.statements:
        made = _single_target(statement)
        if made is None or uses[made] != 2 or not is_operator_name(made.hint) or not _adds_axis(statement):
            continue
        readers = [each for each in block.statements if isinstance(each, Assign) and _count(each.value, made)]
        if len(readers) == 2 and all(_fits(reader.value, made, statement) for reader in readers):
            assert isinstance(statement, Assign)
            for reader in readers:
                replace_in(reader, {made: statement.value})
            uses.update(part for part in walk(statement.value) if isinstance(part, Variable))
            moved[statement] = readers[0]
    block.statements = [statement for statement in block.statements if statement not in moved]
    return moved


def _adds_axis(statement: Statement) -> bool:
    """Whether a statement only adds an axis to a variable."""
    match statement:
        case Assign(value=Call(function=Name("ops.unsqueeze"), args=(Variable(), *_))):
            return True
    return False


def _is_part(item: Arg) -> bool:
    """Whether an expression reads fixed positions of a variable."""
    if not isinstance(item, Index) or not isinstance(item.value, Variable):
        return False
    return all(isinstance(part, (Constant, Slice, tuple)) or is_literal(part) for part in walk(item.index))


def _indexed_once(item: Arg) -> Arg:
    """`x[0, :4]` for `x[:, :4][0]`."""
    item = map_parts(item, _indexed_once)
    match item:
        case Index(value=Index(value=x, index=(first, *others)), index=int() | Constant(value=int()) as place):
            return Index(x, (place, *others)) if first == Slice() else item
    return item


def _single_target(statement: Statement) -> Variable | None:
    if isinstance(statement, Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], Variable):
        return statement.targets[0]
    return None


def _taken(statement: Statement, kept: list[Statement], uses: Counter[Variable]) -> int | None:
    """The place of a statement that this one takes in: the last one, or a layer's before what stands between them.

    `words = self.words(ids)`, `places = ops.arange(n)`, `words + self.places(places)`: the first is taken in.
    """
    if not kept:
        return None
    if _takes(statement, kept[-1], uses):
        return -1
    between = _single_target(kept[-1])
    if len(kept) == 1 or between is None or not isinstance(statement, Assign) or not _count(statement.value, between):
        return None
    before, last = kept[-2].value if isinstance(kept[-2], Assign) else None, kept[-1]
    if not isinstance(last, Assign) or any(_layer(part) is not None for part in walk(last.value)):
        return None
    if _layer(before) is None or not all(isinstance(part, Variable) for part in before.args):  # type: ignore[union-attr]
        return None
    return -2 if _takes(statement, kept[-2], uses) else None


def _takes(statement: Statement, before: Statement, uses: Counter[Variable]) -> bool:
    """Whether a statement is the only reader of the one before it, and remains small after inlining it."""
    target = _single_target(before)
    if target is None or uses[target] != 1 or not isinstance(statement, Assign):
        return False
    return _count(statement.value, target) == 1 and _fits(statement.value, target, before)


def _ends_in(result: Arg, before: Statement, uses: Counter[Variable]) -> bool:
    target = _single_target(before)
    if target is None or uses[target] != 1 or _count(result, target) != 1:
        return False
    return result is target or _fits(result, target, before)


def _count(item: Arg, target: Variable) -> int:
    """How often an expression reads a variable; what it does for each element of an iterable counts twice."""
    repeated = sum(_count(part.element, target) for part in walk(item) if isinstance(part, Comprehension))
    return sum(part is target for part in walk(item)) + repeated


def _fits(item: Arg, target: Variable, before: Statement) -> bool:
    """Whether an expression remains easy to read after `target` is replaced by the value of the statement `before`."""
    assert isinstance(before, Assign)
    views = not any(isinstance(part, Member) for part in walk(before.value))
    if (
        width(item) + width(before.value) + (_unnamed(item) if views else 0) > WIDEST
        or _depth(item) + _depth(before.value) > DEEPEST
    ):
        return False
    reader = next((p for p in walk(item) if isinstance(p, Expression) and any(q is target for q in parts_of(p))), None)
    layer, inner = _layer(reader), _layer(before.value)
    if layer is None:
        return True
    if inner is None:
        return _depth(before.value) < LONGEST
    return not (_is_block(layer) and _is_block(inner))


def _unnamed(item: Arg) -> int:
    """How much longer an expression becomes when operators' results that stand side by side get names."""
    tuples = [part for part in walk(item) if isinstance(part, (tuple, list)) and len(part) > 2]
    parts = [part for each in tuples for part in each if isinstance(part, Variable) and is_operator_name(part.hint)]
    return sum(max(NAMED - width(part), 0) for part in parts)


def _layer(item: Arg) -> Member | None:
    """The member with parameters that an expression calls."""
    called = item.function if isinstance(item, Call) else None
    return called if isinstance(called, Member) and called.weights else None


def _is_block(member: Member) -> bool:
    """Whether a member contains layers: a sequence, or an instance of a class that has more than parameters."""
    made = member.constructor
    if isinstance(made, Call) and isinstance(made.function, Cell):
        return any(not _is_tensor(part) for part in made.function.members)
    return isinstance(made, Call) and made.function == Name("nn.SequentialCell")


def _is_tensor(member: Member) -> bool:
    made = member.constructor
    return isinstance(made, Call) and made.function in (Name("ms.Parameter"), Name("ms.Tensor"))


def width(item: Arg) -> int:
    """The approximate number of characters of an expression."""
    inner = sum(map(width, parts_of(item)))
    match item:
        case Option():
            return inner + 10
        case Call():
            return inner + 2 * len(item.args) + sum(len(name) + 1 for name in item.names)
        case Name():
            return len(item.path)
        case Constant():
            return 3 if item.value is ... else len(repr(item.value))
        case Attribute():
            return inner + 1 + len(item.name)
        case Unary():
            return inner + len(item.operator)
        case Binary():
            return inner + 2 + len(item.operator)
        case Conditional():
            return inner + len(" if  else ")
        case Comprehension():
            return inner + len("[ for  in ]") + len(item.variable)
        case Lambda():
            return inner + len("lambda : ") + len(", ".join(item.parameters))
        case Index():
            return inner + (0 if isinstance(item.index, tuple) else 2)
        case Slice():
            return inner + (1 if item.step is None else 2)
        case Starred():
            return inner + 1
        case Raw():
            return inner + len(item.text)
        case tuple() | list():
            return inner + 2 * len(item)
        case Variable():
            return len(identifier(item.hint))
        case Member() | Argument():
            return len("self.") + len(item.name)
    return len(getattr(item, "__name__", "") or repr(item))


def _depth(item: Arg) -> int:
    """The number of calls, operators and names in an expression; reading an extent and a None test do not count."""
    if (read := dimension_read(item)) is not None:
        return _depth(read[0])
    parts = parts_of(item)
    if isinstance(item, Call) and isinstance(item.function, (Attribute, Name)):
        parts = (*parts_of(item.function), *item.args)
    free = isinstance(item, (Constant, Option, Slice)) or (isinstance(item, Binary) and item.operator == "is not")
    return (isinstance(item, Expression) and not free) + sum(map(_depth, parts))


def _keeps_name(statement: Statement, before: Statement) -> bool:
    """Whether a statement only calls a method of the result of a member's call: `self.query(x).reshape(…)`."""
    assert isinstance(statement, Assign)
    assert isinstance(before, Assign)
    if not statement.targets or (isinstance(statement.targets[0], Variable) and statement.targets[0].assigned):
        return False
    made = before.value
    while (receiver := _receiver(made)) is not None:
        made = receiver
    first = (
        made.positional[:1] if isinstance(made, Call) and not isinstance(made.function, Member) else parts_of(made)[:1]
    )
    return _receiver(statement.value) is before.targets[0] and bool(first) and isinstance(first[0], Member)


def _receiver(item: Arg) -> Arg | None:
    """The object whose method is called or whose attribute is read: `x` of `x.reshape(shape)`."""
    if isinstance(item, Call):
        item = item.function
    return item.value if isinstance(item, Attribute) else None
