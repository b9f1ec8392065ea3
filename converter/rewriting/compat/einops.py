"""What einops does, by reshaping, transposing and reducing: https://einops.rocks/api/."""

import mindspore as ms
from mindspore import nn, ops


def axes_of(side):
    """The groups of a side of a pattern: `b (h w) 1` is [["b"], ["h", "w"], []]."""
    groups, inside = [], None
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token == "(":
            inside = []
        elif token == ")":
            groups, inside = [*groups, inside], None
        elif inside is not None:
            inside = inside + ([] if token == "1" else ["…" if token == "..." else token])
        else:
            groups = [*groups, [] if token == "1" else [token]]
    return groups


def spread(groups, count):
    """Groups in which `...` stands for some axes, each by itself or all in one."""
    found, rest = [], [f"...{number}" for number in range(count)]
    for group in groups:
        if group == ["..."]:
            found += [[each] for each in rest]
        else:
            found.append([name for each in group for name in (rest if each == "…" else [each])])
    return found


@ms.constexpr
def einops_plan(pattern, shape, names, sizes):
    """How a pattern is carried out: the shape of all axes apart, their order, those that go, those that come, the end."""
    left, _, right = pattern.partition("->")
    known = dict(zip(names, sizes))
    before, after = axes_of(left), axes_of(right)
    rest = len(shape) - len([group for group in before if group != ["..."]])
    before, after = spread(before, rest), spread(after, rest)
    if len(before) != len(shape):
        raise ValueError(f"einops: '{pattern}' does not fit the shape {tuple(shape)}")
    for group, extent in zip(before, shape):
        unknown = [each for each in group if each not in known]
        size = 1
        for each in group:
            size *= known.get(each, 1)
        if len(unknown) > 1 or (unknown and extent % size) or (not unknown and size != extent):
            raise ValueError(f"einops: '{pattern}' does not fit the shape {tuple(shape)} with {known}")
        if unknown:
            known[unknown[0]] = extent // size
    apart = [each for group in before for each in group]
    wanted = [each for group in after for each in group]
    kept = [each for each in wanted if each in apart]
    gone = [each for each in apart if each not in wanted]
    end = []
    for group in after:
        size = 1
        for each in group:
            size *= known[each]
        end.append(size)
    order = [apart.index(each) for each in kept + gone]
    full = [known[each] if each in apart else 1 for each in wanted]
    repeats = [1 if each in apart else known[each] for each in wanted]
    return tuple([known[each] for each in apart]), tuple(order), len(gone), tuple(full), tuple(repeats), tuple(end)


def rearrange(tensor, pattern, **axes_lengths):
    """einops.rearrange; of a list of tensors, which are stacked, too."""
    tensor = ops.stack(tensor) if isinstance(tensor, (list, tuple)) else tensor
    names, sizes = tuple(axes_lengths.keys()), tuple(axes_lengths.values())
    apart, order, _, _, _, end = einops_plan(pattern, tuple(tensor.shape), names, sizes)
    return tensor.reshape(apart).permute(order).reshape(end) if len(order) > 0 else tensor.reshape(end)


def repeat(tensor, pattern, **axes_lengths):
    """einops.repeat."""
    names, sizes = tuple(axes_lengths.keys()), tuple(axes_lengths.values())
    apart, order, _, full, repeats, end = einops_plan(pattern, tuple(tensor.shape), names, sizes)
    tensor = tensor.reshape(apart).permute(order) if len(order) > 0 else tensor
    return tensor.reshape(full).tile(repeats).reshape(end)


def reduce(tensor, pattern, reduction, **axes_lengths):
    """einops.reduce."""
    tensor = ops.stack(tensor) if isinstance(tensor, (list, tuple)) else tensor
    names, sizes = tuple(axes_lengths.keys()), tuple(axes_lengths.values())
    apart, order, gone, _, _, end = einops_plan(pattern, tuple(tensor.shape), names, sizes)
    tensor = tensor.reshape(apart).permute(order)
    if gone == 0:
        return tensor.reshape(end)
    axes = tuple(range(len(order) - gone, len(order)))
    if reduction == "mean":
        tensor = tensor.mean(axes)
    elif reduction == "sum":
        tensor = tensor.sum(axes)
    elif reduction == "max":
        tensor = tensor.amax(axes)
    elif reduction == "min":
        tensor = tensor.amin(axes)
    else:
        tensor = tensor.prod(axes)
    return tensor.reshape(end)


def einops_einsum(*tensors_and_pattern):
    """einops.einsum: names of several letters become letters."""
    pattern = tensors_and_pattern[-1]
    return einsum(letters_of(pattern), *tensors_and_pattern[:-1])


@ms.constexpr
def letters_of(pattern):
    """The equation of einsum for a pattern of einops."""
    left, _, right = pattern.partition("->")
    names = {}
    for name in left.replace(",", " ").split():
        names.setdefault(name, chr(ord("a") + len(names)))
    sides = ["".join([names[each] for each in part.split()]) for part in left.split(",")]
    return f"{','.join(sides)}->{''.join([names[each] for each in right.split()])}"


class Rearrange(nn.Cell):
    """einops.layers.torch.Rearrange."""

    def __init__(self, pattern, **axes_lengths):
        super().__init__()
        self.pattern = pattern
        self.axes_lengths = axes_lengths

    def construct(self, x):
        return rearrange(x, self.pattern, **self.axes_lengths)


class Reduce(nn.Cell):
    """einops.layers.torch.Reduce."""

    def __init__(self, pattern, reduction, **axes_lengths):
        super().__init__()
        self.pattern = pattern
        self.reduction = reduction
        self.axes_lengths = axes_lengths

    def construct(self, x):
        return reduce(x, self.pattern, self.reduction, **self.axes_lengths)
