"""What a Cell has in place of a module's methods, and parts of lists of Cells."""

import functools

import mindspore as ms
from mindspore import Parameter, nn


def register_buffer(cell, name, tensor=None, persistent=True):
    """Module.register_buffer: what is kept in the checkpoint is a parameter that is not trained."""
    if tensor is not None and persistent:
        tensor = Parameter(tensor, name=name, requires_grad=False)
    setattr(cell, name, tensor)
    cell.buffer_names = (*getattr(cell, "buffer_names", ()), name)


@ms.constexpr
def in_pynative():
    """Whether each call runs by itself."""
    return ms.get_context("mode") == ms.PYNATIVE_MODE


def keep(cell, name, value):
    """Set an attribute for the next run, which computes it again where it does not fit. In graph mode every run does."""
    if in_pynative():
        setattr(cell, name, value)
    return value


def register_parameter(cell, name, param):
    """Module.register_parameter."""
    setattr(cell, name, param)


def Buffer(data=None, persistent=True):
    """torch.nn.Buffer: what is kept in the checkpoint is a parameter that is not trained."""
    return Parameter(data, requires_grad=False) if persistent and data is not None else data


class Partial(nn.Cell):
    """functools.partial of a function, as the attribute of a cell."""

    def __init__(self, function, *given, **options):
        super().__init__()
        self.function, self.given, self.options = function, given, options

    def construct(self, *inputs, **options):
        return self.function(*self.given, *inputs, **self.options, **options)


def without(keywords, name):
    """A dict without one of its keys."""
    kept = {}
    for key, value in keywords.items():
        if key != name:
            kept[key] = value
    return kept


def part_in_graph(cells, start, stop):
    """Some cells of a list, in graph mode."""
    return cells[start:stop]


@functools.wraps(part_in_graph)  # whose text graph mode reads
def part(cells, start, stop):
    return list(cells)[start:stop]


def train(cell, mode=True):
    """Module.train; a class may have its own, which keeps some layers as they are."""
    return cell.train(mode) if hasattr(type(cell), "train") else train_parts(cell, mode)


def train_parts(cell, mode=True):
    """What Module.train does with a module and what is in it."""
    cell.set_train(mode)
    for each in cell.cells():
        train(each, mode)
    return cell


def set_attribute(target, name, value):
    """Give an attribute by its name; a layer that takes the place of another is run, and names its parameters."""
    if not isinstance(target, nn.Cell) or not isinstance(value, nn.Cell):
        setattr(target, name, value)
        return
    prefix = f"{prefix_of(target)}{name}."
    setattr(target, name, value)
    for path, parameter in value.parameters_and_names():
        parameter.name = f"{prefix}{path}"
    if isinstance(target, nn.SequentialCell):
        target.cell_list = type(target.cell_list)(target._cells.values())


def asked_once(getter):
    """A `__getattr__` of the user's that asks its own cell: for a name that it is asking for already it finds nothing."""

    def found(self, name):
        asked = self.__dict__.setdefault("_asked", set())
        if name in asked:
            raise AttributeError(name)
        asked.add(name)
        try:
            return getter(self, name)
        finally:
            asked.discard(name)

    return found


def run_forward(target, *args, **kwargs):
    """`x.forward(...)` of a Cell, or of an object with a method of this name."""
    return target.construct(*args, **kwargs) if isinstance(target, nn.Cell) else target.forward(*args, **kwargs)


def set_mode(target, method, *args, **kwargs):
    """`x.eval()` and `x.train(mode)` of a Cell, or a method of this name of another object."""
    if isinstance(target, nn.Cell):
        return target.set_train(method == "train" and [*args, *kwargs.values(), True][0])
    return getattr(target, method)(*args, **kwargs)
