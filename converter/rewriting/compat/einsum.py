"""torch.einsum: ops.einsum has no kernel on the CPU."""

import math

from mindspore import ops


def einsum(equation, *operands):
    """torch.einsum: the operands are joined one after the other, by matrix products."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    diagonals, joins, last = einsum_plan(equation, tuple([each.shape for each in operands]))
    x = einsum_alone(operands[0], diagonals[0])
    for number in range(1, len(operands)):
        y = einsum_alone(operands[number], diagonals[number])
        x = einsum_joined(x, y, joins[number - 1])
    x = einsum_summed(x, last[0])
    return x.permute(last[1]) if len(last[1]) > 1 else x


def einsum_alone(x, diagonals):
    """An operand without repeated letters: of `ii` its diagonal."""
    for first, second in diagonals:
        x = ops.diagonal(x, 0, first, second)
    return x


def einsum_summed(x, axes):
    """The sum over some axes."""
    return x.sum(axes) if len(axes) > 0 else x


def einsum_joined(x, y, join):
    """The product of two operands, summed over the letters that nothing later has."""
    left, right, shape = join
    return ops.matmul(einsum_matrix(x, left), einsum_matrix(y, right)).reshape(shape)


def einsum_matrix(x, side):
    """An operand as matrices."""
    axes, spread, order, shape = side
    x = einsum_summed(x, axes)
    x = ops.broadcast_to(x, spread) if len(spread) > 0 else x
    x = x.permute(order) if len(order) > 1 else x
    return x.reshape(shape)


@ops.constexpr
def einsum_plan(equation, shapes):
    """What is to be done: the diagonals of each operand, what joins them, and the axes of the result."""
    terms, output = einsum_terms(equation, [len(each) for each in shapes])
    diagonals, joins = [], []
    for number, term in enumerate(terms):
        pairs, sizes = [], dict(zip(term, shapes[number]))
        while len(set(term)) < len(term):
            letter = next(each for each in term if term.count(each) > 1)
            first = term.index(letter)
            second = term.index(letter, first + 1)
            pairs.append((first, second))
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
        diagonals.append(tuple(pairs))
        if number == 0:
            done, extents = term, sizes
            continue
        join, done, extents = einsum_join(done, extents, term, sizes, output + "".join(terms[number + 1 :]))
        joins.append(join)
    summed = tuple(axis for axis, letter in enumerate(done) if letter not in output)
    kept = [letter for letter in done if letter in output]
    return tuple(diagonals), tuple(joins), (summed, tuple(kept.index(letter) for letter in output))


def einsum_terms(equation, ranks):
    """The letters of each operand, and those of the result; `...` becomes letters that are free."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    counts = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks) if "..." in term]
    dots = "".join([letter for letter in letters if letter not in equation][: max(counts, default=0)])
    found = []
    for term, rank in zip(terms, ranks):
        missing = rank - len(term.replace("...", ""))
        found.append(term.replace("...", dots[len(dots) - missing :]))
    if not arrow:
        every = "".join(found)
        once = [letter for letter in letters if every.count(letter) == 1 and letter not in dots]
        return found, dots + "".join(once)
    return found, output.replace("...", dots)


def einsum_join(left, left_sizes, right, right_sizes, later):
    """How two operands are multiplied; and the letters of the product, with their extents."""
    sizes = dict(left_sizes)
    for letter, size in right_sizes.items():
        sizes[letter] = max(size, sizes.get(letter, 1))  # an axis of one element is spread
    dropped = [
        tuple(axis for axis, letter in enumerate(term) if letter not in other and letter not in later)
        for term, other in ((left, right), (right, left))
    ]
    left, right = ["".join(c for n, c in enumerate(term) if n not in out) for term, out in zip((left, right), dropped)]
    batch = [letter for letter in left if letter in right and letter in later]
    inner = [letter for letter in left if letter in right and letter not in later]
    rows = [letter for letter in left if letter not in right]
    columns = [letter for letter in right if letter not in left]
    lead = tuple(sizes[letter] for letter in batch)
    height, width, depth = [math.prod([sizes[letter] for letter in each]) for each in (rows, columns, inner)]
    sides = [
        (out, tuple(sizes[letter] for letter in term), tuple(term.index(letter) for letter in order), (*lead, *matrix))
        for out, term, order, matrix in (
            (dropped[0], left, batch + rows + inner, (height, depth)),
            (dropped[1], right, batch + inner + columns, (depth, width)),
        )
    ]
    made = batch + rows + columns
    return (*sides, tuple(sizes[letter] for letter in made)), "".join(made), {each: sizes[each] for each in made}
