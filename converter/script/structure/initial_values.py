"""Initial values: a value that several loop-carried values start from is read through a variable for each of them.

The states of a recurrent network start from the same zeros. With a variable each, its first step has the form of the
others, in which the states are values of their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from converter.script.expressions import Arg, map_parts
from converter.script.program import Member
from converter.script.statements import Statement, Variable, defined_by, map_statement
from converter.script.structure.regions import used_by
from converter.script.structure.unrolled import FEWEST


def split_initial_values(statements: Sequence[Statement]) -> dict[Variable, Arg]:
    """Replace what first calls of layers read several times, and second calls do not read, by variables of their own.

    Args:
        statements: the statements of a region; changed in place.

    Returns:
        The new variables, which nothing defines, and the value that each of them stands for.
    """
    calls: dict[Member, list[Statement]] = defaultdict(list)
    for statement in statements:
        for layer in dict.fromkeys(part for part in used_by(statement) if isinstance(part, Member) and part.weights):
            calls[layer].append(statement)
    repeated = [made for made in calls.values() if len(made) >= FEWEST]
    first = dict.fromkeys(made[0] for made in repeated)
    reads = Counter(value for statement in first for value in _variables(statement))
    reads -= Counter({value: reads[value] for made in repeated for value in _variables(made[1])})
    begin = next((place for place, statement in enumerate(statements) if statement in first), len(statements))
    inside = {value for statement in statements[begin:] for value in defined_by(statement)}
    several = {value for value, count in reads.items() if count > 1} - inside
    split: dict[Variable, Arg] = {}

    def apart(item: Arg) -> Arg:
        if isinstance(item, Variable) and item in several:
            own = Variable(item.hint, item.dims)
            split[own] = item
            return own
        return map_parts(item, apart)

    for statement in first:
        if not several.isdisjoint(_variables(statement)):
            map_statement(statement, apart)
    return split


def _variables(statement: Statement) -> Iterable[Variable]:
    return (part for part in used_by(statement) if isinstance(part, Variable))
