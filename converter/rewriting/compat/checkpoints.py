"""What is saved and loaded."""

import os
import pickle

import mindspore as ms
from mindspore import Parameter


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


def state_dict(network):
    """Module.state_dict: parameters by their place in this network, whatever network it is a part of."""
    return dict(network.parameters_and_names())


def load_state_dict(network, state, strict=True, assign=False):
    """Module.load_state_dict, of names by place, or of MindSpore's own."""
    names = {place: parameter.name for place, parameter in network.parameters_and_names()}
    given = {names.get(name, name): Parameter(value, name=names.get(name, name)) for name, value in state.items()}
    missing, extra = ms.load_param_into_net(network, given, strict_load=False)
    if strict and (missing or extra):
        raise RuntimeError(f"the state does not fit: missing {missing}, not used {extra}")
    return missing, extra
