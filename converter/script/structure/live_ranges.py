"""Live ranges: which variables have a name, and whether one of them is needed at the same time as another variable."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping

from converter.base.names import identifier
from converter.script.statements import Variable


class LiveRanges:
    """The variables of one Cell by name, for questions about one variable after the other, as they are made.

    A variable is live from the statement that makes it to the last one that reads it. Of variables made earlier, only
    the one that is live longest is looked at, so that a question takes logarithmic time.
    """

    def __init__(self, made: Mapping[Variable, float], last: Mapping[Variable, float]) -> None:
        """`made` and `last` are the positions of the statements that make variables, and that read them last."""
        self._made, self._last = made, last
        self._name_of = {value: identifier(value.hint) for value in made}
        self._ahead: dict[str, deque[Variable]] = defaultdict(deque)
        for value in sorted(made, key=made.__getitem__):
            self._ahead[self._name_of[value]].append(value)
        self._now: dict[str, list[Variable]] = defaultdict(list)
        self._past: dict[str, list[tuple[float, int, Variable]]] = defaultdict(list)

    def take(self, value: Variable) -> None:
        """Take the name of a variable away."""
        self._name_of[value] = ""

    def give(self, value: Variable, name: str) -> None:
        """Give a variable a name."""
        self._name_of[value] = identifier(name)
        self._now[identifier(name)].append(value)

    def is_free(self, name: str, value: Variable) -> bool:
        """Whether no variable of this name is live at the same time as `value`."""
        name = identifier(name)
        self._move(name, self._made[value])
        past = self._past[name]
        while past and self._name_of[past[0][2]] != name:
            heapq.heappop(past)
        if past and -past[0][0] > self._made[value]:
            return False
        if any(self._meet(other, value) for other in self._now[name] if self._name_of[other] == name):
            return False
        end = max(self._end(value), self._made[value])
        for other in self._ahead[name]:
            if self._made[other] > end:
                break
            if self._name_of[other] == name and self._meet(other, value):
                return False
        return True

    def _move(self, name: str, position: float) -> None:
        """Put the variables of a name that are made before a position among those of the past."""
        ahead, now = self._ahead[name], self._now[name]
        earlier = [other for other in now if self._made[other] < position]
        if earlier:
            now[:] = [other for other in now if self._made[other] >= position]
        while ahead and self._made[ahead[0]] < position:
            earlier.append(ahead.popleft())
        for other in earlier:
            heapq.heappush(self._past[name], (-self._end(other), id(other), other))

    def _end(self, value: Variable) -> float:
        return self._last.get(value, self._made[value])

    def _meet(self, one: Variable, other: Variable) -> bool:
        first, second = sorted((one, other), key=self._made.__getitem__)
        return self._made[first] == self._made[second] or self._end(first) > self._made[second]
