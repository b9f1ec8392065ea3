"""Parameters and buffers of a network by the names that PyTorch gives them."""

from mindspore import Tensor, nn

TORCH_NAMES = {own: name for name, every in OWN_NAMES.items() for own in every}


def is_of_library(cell):
    """Whether a layer is MindSpore's, or stands for one of PyTorch's: its parameters are not named by the user."""
    classes = [kind for kind in type(cell).__mro__ if issubclass(kind, nn.Cell) and kind is not nn.Cell]
    return any(kind.__module__ == __name__ or kind.__module__.startswith("mindspore.") for kind in classes)


CLASS_NAMES = {
    "Dense": "Linear",
    "SequentialCell": "Sequential",
    "CellList": "ModuleList",
    **{f"Conv{rank}dTranspose": f"ConvTranspose{rank}d" for rank in (1, 2, 3)},
}


def class_of(layer):
    """The class of a layer, which a script compares: one of MindSpore's is that which has PyTorch's signature."""
    own = type(layer)
    if not own.__module__.startswith("mindspore."):
        return own
    return next((each for each in own.__subclasses__() if each.__module__ == __name__), own)


def class_name(value):
    """`value.__class__.__name__`, of a layer the name of PyTorch's."""
    name = type(value).__name__
    return CLASS_NAMES.get(name, name) if isinstance(value, nn.Cell) and is_of_library(value) else name


RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)

RECURRENT_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def recurrent_place(item):
    """Where PyTorch has a parameter of a recurrent layer: layer by layer, and direction by direction."""
    kind, _, rest = item[0].partition("_l")
    layer, _, direction = rest.partition("_")
    return int(layer), direction, RECURRENT_NAMES.index(kind)


def named_values(network, prefix="", recurse=True):
    """Each parameter and each buffer once: its name in PyTorch, itself, and whether it is a buffer."""
    seen = set()
    for path, cell in network.cells_and_names(name_prefix=prefix) if recurse else [(prefix, network)]:
        known = is_of_library(cell)
        place = path[: -len("bn2d")].rstrip(".") if known and path.endswith("bn2d") else path  # of nn.BatchNorm3d
        buffers = getattr(cell, "buffer_names", ())
        values = {**dict(cell.parameters_and_names(expand=False)), **{name: getattr(cell, name) for name in buffers}}
        named = sorted(values.items(), key=recurrent_place) if isinstance(cell, RECURRENT) else values.items()
        for name, value in named:
            if not isinstance(value, Tensor) or id(value) in seen:
                continue
            seen.add(id(value))
            if known and name in ("gamma", "beta") and not getattr(cell, "affine", True):
                continue  # PyTorch has none of these
            written = TORCH_NAMES.get(name, name) if known else name
            is_buffer = name in buffers or (known and name.startswith("moving_"))
            yield f"{place}.{written}" if place else written, value, is_buffer


def parameters(network, recurse=True):
    """Module.parameters: without running statistics and other buffers."""
    yield from [value for _, value, is_buffer in named_values(network, "", recurse) if not is_buffer]


def named_parameters(network, prefix="", recurse=True):
    """Module.named_parameters."""
    yield from [(name, value) for name, value, is_buffer in named_values(network, prefix, recurse) if not is_buffer]


def get_submodule(network, target):
    """Module.get_submodule."""
    for part in filter(None, target.split(".")):
        network = getattr(network, part)
    return network


def get_parameter(network, target):
    """Module.get_parameter."""
    return dict(named_parameters(network))[target]


def buffers(network, recurse=True):
    """Module.buffers."""
    yield from [value for _, value, is_buffer in named_values(network, "", recurse) if is_buffer]


def named_buffers(network, prefix="", recurse=True):
    """Module.named_buffers: running statistics, and what `register_buffer` made."""
    yield from [(name, value) for name, value, is_buffer in named_values(network, prefix, recurse) if is_buffer]
