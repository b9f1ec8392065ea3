"""Layers that begin again with new weights."""

import math

from mindspore import nn


def reset_parameters(module):
    """reset_parameters of a layer, or of the `super()` of one: the distributions with which PyTorch's layers begin."""
    if not isinstance(module, super) and hasattr(module, "reset_parameters"):
        module.reset_parameters()
        return
    module = module.__self__ if isinstance(module, super) else module
    own = dict(module.parameters_and_names(expand=False))
    matrix = next((each for each in own.values() if each.ndim > 1), None)
    for name, parameter in own.items():
        if hasattr(module, "hidden_size"):
            uniform_(parameter, -1 / math.sqrt(module.hidden_size), 1 / math.sqrt(module.hidden_size))
        elif isinstance(module, nn.Embedding):
            normal_(parameter)
        elif parameter.ndim > 1:
            kaiming_uniform_(parameter, math.sqrt(5))
        elif matrix is not None:
            bound = 1 / math.sqrt(_calculate_fan_in_and_fan_out(matrix)[0])
            uniform_(parameter, -bound, bound)
        else:
            constant_(parameter, float(name.endswith(("gamma", "weight", "moving_variance"))))
