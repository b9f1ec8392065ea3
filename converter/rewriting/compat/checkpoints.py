"""What is saved and loaded."""

import os
import pickle

from mindspore import Parameter, nn


def save(obj, f):
    """torch.save: tensors as arrays of NumPy, pickled."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "wb") as file:
            pickle.dump(plain(obj), file)
    else:
        pickle.dump(plain(obj), f)


def load(f, map_location=None, weights_only=True, mmap=None):
    """What `save` wrote."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return tensors(pickle.load(file))
    return tensors(pickle.load(f))


def has_own_state(value):
    """Whether a script made it what has a state: MindSpore's optimizers have one of the same name."""
    return not isinstance(value, nn.Cell) or hasattr(value, "param_groups")


def state_dict(network, destination=None, prefix="", keep_vars=False):
    """Module.state_dict: by PyTorch's names; or the state of an optimizer or a scheduler."""
    if has_own_state(network):
        return network.state_dict()
    found = {} if destination is None else destination
    found.update({prefix + name: each for name, each, _ in named_values(network) if isinstance(each, Parameter)})
    return found


def load_state_dict(network, state, strict=True, assign=False):
    """Module.load_state_dict, of PyTorch's names, or of MindSpore's own."""
    if has_own_state(network):
        return network.load_state_dict(state)
    own = state_dict(network)
    places = {parameter.name: parameter for parameter in network.get_parameters()}
    places |= dict(network.parameters_and_names()) | own
    found = {id(places[name]) for name in state if name in places}
    missing = [name for name, value in own.items() if id(value) not in found]
    extra = [name for name in state if name not in places and not name.endswith("num_batches_tracked")]
    if strict and (missing or extra):
        raise RuntimeError(f"the state does not fit: missing {missing}, not used {extra}")
    for name in state:
        if name in places:
            set_values(places[name], state[name].copy())
    return missing, extra
