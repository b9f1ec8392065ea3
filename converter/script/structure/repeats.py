"""Repeats: blocks in a sequence of statements for which the source recorded no scopes.

It finds two kinds of blocks, both in near-linear time:

- chains, in which only the next statement reads each statement's result (`conv, norm, relu`);
- segments between two positions at which only one or a few values are live: a residual block, an inception module.

Statements and segments become symbols, equal for equal signatures; tandem repeats (adjacent equal subsequences) of the
sequence of symbols, shortest period first, become regions.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from converter.base.names import identifier
from converter.base.scope import Scope
from converter.script.expressions import Call, Name
from converter.script.program import called_member
from converter.script.statements import Assign, Statement, Variable, defined_by
from converter.script.structure.groups import MOST_NEW, Instance, differences, grouped, instance_of, variants_of
from converter.script.structure.inline import width
from converter.script.structure.regions import Item, Region, inputs_of, last_reads, members_of, used_by
from converter.script.structure.signature import Signature

SHORTEST_RUN = 20
"""In fewer statements no blocks are searched for."""
LONGEST_PERIOD = 24
"""Chains of more statements, and blocks of more segments, are not searched for."""
SHORTEST_BLOCK = 3
"""The least number of statements in a block of segments."""
SHORTEST_LONG, LONGEST_LONG = 12, 64
"""The numbers of statements in a block that repeats whatever is live between its occurrences."""
MOST_PASSED = 10
"""The most values that such a block takes and gives."""
MOST_CROSSING = 3
"""The most values that are live between two segments; smaller numbers are tried first, until one finds repeats."""
MOST_MODELS = 8
"""The most instances of a block that are compared with other statements."""
LINE = 60
"""The width of a constructor from which on two layers are worth a class."""
FEWEST = 3
"""The least number of occurrences of a chain that becomes a block."""

Outputs = Callable[[Region], list[Variable]]


def find_chains(region: Region, outputs: Outputs) -> bool:
    """Make regions of all occurrences of chains that are tandem repeats somewhere; return whether there are any."""
    if len(region.items) < SHORTEST_RUN:
        return False
    statements = region.statements
    symbols = _statement_symbols(statements, outputs)
    chains = _chains(statements)
    motifs: Counter[tuple[int, ...]] = Counter()
    for chain in chains:
        sequence = [symbols[statement] for statement in chain]
        for start, period, count in tandem_repeats(sequence):
            times = 1
            if 1 < period < SHORTEST_BLOCK and any(map(_is_large, chain[start : start + period])):
                times = -(-SHORTEST_BLOCK // period)
            if count >= times:
                motifs[tuple(sequence[start : start + times * period])] += count // times
    wanted = {motif for motif in motifs if len(motif) > 1}
    runs = [run for chain in chains for run in _occurrences(chain, symbols, wanted)]
    enough = Counter(tuple(symbols[s] for s in run) for run in runs)
    runs = [run for run in runs if enough[tuple(symbols[s] for s in run)] >= FEWEST]
    return _wrap(region, runs)


def _is_large(statement: Statement) -> bool:
    """Whether a statement calls a member whose constructor fills a line: alone it is worth a class."""
    member = called_member(statement.value) if isinstance(statement, Assign) else None
    return member is not None and width(member.constructor) > LINE


def find_segments(region: Region, outputs: Outputs) -> bool:
    """Make regions of the tandem repeats in a sequence of segments; return whether there are any."""
    if len(region.items) < SHORTEST_RUN:
        return False
    symbols = _statement_symbols(region.statements, outputs)
    for crossing in range(1, MOST_CROSSING + 1):
        segments = _segments(region.statements, crossing)
        sequence = _symbols(segments, outputs)
        runs = []
        for start, period, count in tandem_repeats(sequence, [len(segment) for segment in segments], SHORTEST_BLOCK):
            cuts = range(start, start + count * period, period)
            runs += [[s for segment in segments[at : at + period] for s in segment] for at in cuts]
        if crossing == 1:
            runs = max(runs, _long_runs(symbols, outputs), key=lambda each: sum(map(len, each)))
        if runs:
            return _wrap(region, runs + _elsewhere(symbols, runs, outputs))
    return False


def _long_runs(symbols: dict[Statement, int], outputs: Outputs) -> list[list[Statement]]:
    """Tandem repeats of many statements, each of which leaves results for what follows all of them."""
    statements, sequence = list(symbols), list(symbols.values())
    ones = [1] * len(sequence)
    found: list[list[Statement]] = []
    for start, period, count in tandem_repeats(sequence, ones, SHORTEST_LONG, LONGEST_LONG):
        if count < FEWEST:
            continue
        end = start + count * period
        pairs = zip(sequence[start:], sequence[end:], strict=False)
        rest = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))  # of one more block
        cuts = [range(start + first, end + first, period) for first in range(rest + 1)]
        runs = [[statements[at : at + period] for at in each] for each in cuts]
        best = min(runs, key=lambda each: max(_width(run, outputs) for run in each[:MOST_MODELS]))
        blocks = [_described(run, outputs) for run in best]
        widest = max(len(block.inputs) + len(block.outputs) for block in blocks)
        if widest <= MOST_PASSED and len(grouped(blocks)) == 1:
            found += best
    return found


def _width(run: list[Statement], outputs: Outputs) -> int:
    """How many values a block takes and gives."""
    block = Region(Scope(""), items=list(run))
    return len(inputs_of(block)) + len(outputs(block))


def _elsewhere(symbols: dict[Statement, int], runs: list[list[Statement]], outputs: Outputs) -> list[list[Statement]]:
    """Other occurrences of the blocks in `runs`, possibly without an optional statement."""
    statements, sequence = list(symbols), list(symbols.values())
    wanted: dict[tuple[int, ...], dict[Any, list[Signature]]] = defaultdict(lambda: defaultdict(list))
    described: Counter[Any] = Counter()
    for run in runs:
        instance = _described(run, outputs)
        described[instance.signature.key] += 1
        if described[instance.signature.key] > MOST_MODELS:
            continue
        for left_out, signature in variants_of(instance):
            pattern = tuple(symbols[s] for i, s in enumerate(run) if i not in left_out)
            if len(pattern) >= SHORTEST_BLOCK:
                _note(wanted[pattern][signature.key], signature)
    lengths = sorted({len(pattern) for pattern in wanted}, reverse=True)
    taken = {statement for run in runs for statement in run}
    found: list[list[Statement]] = []
    end = len(statements)
    while end > 0:
        for length in lengths:
            run = statements[max(end - length, 0) : end]
            alike = wanted.get(tuple(sequence[max(end - length, 0) : end]))
            if alike is not None and taken.isdisjoint(run):
                signature = _described(run, outputs).signature
                known = alike.get(signature.key)
                if known and differences([*known, signature]) <= differences(known) + MOST_NEW:
                    _note(known, signature)
                    found.append(run)
                    end -= length
                    break
        else:
            end -= 1
    return found


def _described(run: list[Statement], outputs: Outputs) -> Instance:
    block = Region(Scope(""), items=list(run))
    return instance_of(block, outputs(block))


def _note(known: list[Signature], signature: Signature) -> None:
    """Add a signature to the known ones of a class, unless one of them has the same literals."""
    if all(_literals(other) != _literals(signature) for other in known):
        known.append(signature)


def _literals(signature: Signature) -> list[str]:
    return [repr(slot.value) for slot in signature.slots]


def tandem_repeats(
    sequence: Sequence[int], sizes: Sequence[int] | None = None, smallest: int = 0, longest: int = LONGEST_PERIOD
) -> list[tuple[int, int, int]]:
    """Tandem repeats in a sequence of symbols: `(start, period, count)`, not overlapping, short periods first.

    `sizes` are the numbers of statements of the symbols; a period has at least `smallest` statements.
    """
    found: list[tuple[int, int, int]] = []
    taken = [False] * len(sequence)
    for period in range(1, min(longest, len(sequence) // 2) + 1):
        start = 0
        while start + 2 * period <= len(sequence):
            end = start
            while end + period < len(sequence) and sequence[end] == sequence[end + period]:
                end += 1
            count = (end - start) // period + 1
            large = count > 1 and (sizes is None or sum(sizes[start : start + period]) >= smallest)
            if large and not any(taken[start : start + count * period]):
                found.append((start, period, count))
                taken[start : start + count * period] = [True] * (count * period)
                start += count * period
            else:
                start = max(end - period + 1, start) + 1 if end > start else start + 1
    return sorted(found)


def _statement_symbols(statements: list[Statement], outputs: Outputs) -> dict[Statement, int]:
    """The symbol of each statement, in the order of the statements."""
    return dict(zip(statements, _symbols([[statement] for statement in statements], outputs), strict=True))


def _symbols(runs: list[list[Statement]], outputs: Outputs) -> list[int]:
    """A number for each run of statements, equal for runs that could be calls of one class."""
    regions = [Region(Scope(""), items=list(run)) for run in runs]
    numbers: dict[Region, int] = {}
    for number, group in enumerate(grouped(instance_of(region, outputs(region)) for region in regions)):
        for instance in group.instances:
            numbers[instance.region] = number
    return [numbers[region] for region in regions]


def _chains(statements: list[Statement]) -> list[list[Statement]]:
    """Partition the statements into chains: only the next statement of a chain reads the result of each statement."""
    readers: dict[Variable, list[Statement]] = defaultdict(list)
    for statement in statements:
        for part in dict.fromkeys(used_by(statement)):
            if isinstance(part, Variable):
                readers[part].append(statement)
    following: dict[Statement, Statement] = {}
    led_to: set[Statement] = set()
    for statement in statements:
        made = defined_by(statement)
        if isinstance(statement, Assign) and len(made) == 1 and len(readers[made[0]]) == 1:
            reader = readers[made[0]][0]
            if isinstance(reader, Assign) and reader not in led_to:
                following[statement] = reader
                led_to.add(reader)
    chains = []
    for statement in statements:
        if statement not in led_to:
            chain = [statement]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append(chain)
    return chains


def _occurrences(
    chain: list[Statement], symbols: dict[Statement, int], motifs: set[tuple[int, ...]]
) -> list[list[Statement]]:
    """The occurrences of motifs in a chain; if several begin at one position, the longest."""
    lengths = sorted({len(motif) for motif in motifs}, reverse=True)
    sequence = tuple(symbols[statement] for statement in chain)
    runs, position = [], 0
    while position < len(sequence):
        here = (sequence[position : position + length] for length in lengths)
        motif = next((run for run in here if run in motifs), None)
        if motif is not None:
            runs.append(chain[position : position + len(motif)])
        position += len(motif) if motif is not None else 1
    return runs


def _segments(statements: list[Statement], most: int) -> list[list[Statement]]:
    """Cut a run of statements where at most `most` values are live, not counting values with very long live ranges."""
    last_read = last_reads(statements)
    made = {value: position for position, s in enumerate(statements) for value in defined_by(s)}
    spans = [last_read[v] - made[v] for v in made if v in last_read]
    longest = max(8 * sorted(spans)[len(spans) * 9 // 10], 64) if spans else 0
    crossing = 0
    opened: dict[int, int] = defaultdict(int)
    segments: list[list[Statement]] = [[]]
    for position, statement in enumerate(statements):
        segments[-1].append(statement)
        for value in defined_by(statement):
            end = last_read.get(value, len(statements))
            if end - position <= longest:
                crossing += 1
                opened[end] += 1
        crossing -= opened.pop(position, 0)
        if crossing <= most:
            segments.append([])
    return [segment for segment in segments if segment]


def _wrap(region: Region, runs: list[list[Statement]]) -> bool:
    """Make a region of every run, at the position of its last statement; return whether there are any."""
    inside = {statement: run for run in runs for statement in run}
    items: list[Item] = []
    for item in region.items:
        wrapped = None if isinstance(item, Region) else inside.get(item)
        if wrapped is None:
            items.append(item)
        elif item is wrapped[-1]:
            block = Region(Scope(_content_name(wrapped)), items=list(wrapped))
            block.path = next((member.hint.rpartition(".")[0] for member in members_of(block)), "")
            items.append(block)
    region.items = items
    return bool(runs)


def _content_name(run: list[Statement]) -> str:
    """A name from the contents of a short block: `ConvBatchNormRelu`; `Block` for others."""
    names = [_called_name(statement) for statement in run]
    half = len(names) // 2
    names = names[:half] if names[:half] == names[half:] else names
    return "".join(names) if len(names) <= 4 and all(names) else "Block"


def _called_name(statement: Statement) -> str:
    """The name of what a statement calls: `Conv` for an `nn.Conv2d(…)` member, `Relu` for `ops.relu(x)`."""
    value = statement.value if isinstance(statement, Assign) else None
    member = called_member(value)
    call = value if member is None else member.constructor
    path = call.function.path if isinstance(call, Call) and isinstance(call.function, Name) else ""
    if path == "nn.SequentialCell" and member is not None:
        words = re.match(r"[a-z]+(_[a-z]+)*", identifier(member.hint.rpartition(".")[2]))
        return "".join(word.capitalize() for word in words[0].split("_")) if words else ""
    called = re.fullmatch(r"\w+\.(\w+)", path)
    if called is None:
        return ""
    return "".join(word.capitalize() for word in identifier(re.sub(r"\d[dD]$", "", called[1])).split("_"))
