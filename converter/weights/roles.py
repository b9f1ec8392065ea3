"""Roles: what a parameter is in its layer, and what the name of a tensor says that it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from converter.artifacts import TensorSpec
from converter.weights.recurrent import kind_of


@dataclass(frozen=True)
class Parameter:
    """One parameter of a MindSpore network.

    Attributes:
        array: its name in the checkpoint, its shape and its element type.
        layer: the class of the Cell that owns it (`Conv2d`); empty where that is not known.
    """

    array: TensorSpec
    layer: str = ""

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.array.name.rpartition(".")[2]


_LEAVES = {
    "gamma": "scale",
    "beta": "shift",
    "moving_mean": "mean",
    "running_mean": "mean",
    "moving_variance": "variance",
    "running_var": "variance",
    "embedding_table": "embedding",
    "bias": "bias",
}
_RECURRENT = {
    "weight_ih": "input weight",
    "weight_hh": "hidden weight",
    "bias_ih": "input bias",
    "bias_hh": "hidden bias",
}


def role_of_parameter(parameter: Parameter) -> str:
    """What a parameter is in its layer; empty where neither its class nor its name says it.

    One of: convolution, transposed convolution, dense, embedding, bias, scale, shift, mean, variance, slope, input
    weight, hidden weight, input bias, hidden bias.
    """
    leaf, layer = parameter.leaf, parameter.layer
    if kind_of(layer):
        return next((role for start, role in _RECURRENT.items() if leaf.startswith(start)), "")
    if "Norm" in layer and leaf in ("weight", "bias"):
        return "scale" if leaf == "weight" else "shift"
    if leaf in _LEAVES:
        return _LEAVES[leaf]
    if layer.startswith("PReLU"):
        return "slope"
    if leaf != "weight":
        return ""
    if re.fullmatch(r"(Conv|Deconv)[123]d(Ext)?(Transpose|_transpose)?", layer):
        return "transposed convolution" if "ranspose" in layer else "convolution"
    if re.fullmatch(r"ConvTranspose[123]d", layer):
        return "transposed convolution"
    if layer in ("Dense", "Linear"):
        return "dense"
    return "embedding" if layer.startswith("Embedding") else ""


_FAMILIES = {
    "kernel": "kernel weight weights w filter filters pointwise_kernel pointwise_weights",
    "depthwise": "depthwise_kernel depthwise_weights",
    "bias": "bias biases b",
    "scale": "gamma scale g",
    "shift": "beta offset",
    "mean": "moving_mean running_mean mean moving_avg",
    "variance": "moving_variance running_var variance var moving_var",
    "embedding": "embeddings embedding embedding_table table wte wpe",
    "slope": "alpha slope",
    "hidden weight": "recurrent_kernel",
    "input weight": "",
}
_BY_LEAF = {leaf: family for family, leaves in _FAMILIES.items() for leaf in leaves.split()}

_ACCEPTED = {
    "convolution": ("kernel", "depthwise"),
    "transposed convolution": ("kernel",),
    "dense": ("kernel",),
    "embedding": ("embedding", "kernel"),
    "bias": ("bias", "shift"),
    "scale": ("scale", "kernel"),
    "shift": ("shift", "bias"),
    "mean": ("mean",),
    "variance": ("variance",),
    "slope": ("slope", "kernel"),
    "input weight": ("input weight", "kernel"),
    "hidden weight": ("hidden weight", "kernel"),
    "input bias": ("input bias", "bias"),
    "hidden bias": ("hidden bias", "bias"),
}


def family_of_tensor(leaf: str, rank: int) -> str:
    """What the last part of a tensor's name says that it is; empty where it says nothing.

    One of: kernel, depthwise, bias, scale, shift, mean, variance, embedding, slope, input weight, hidden weight, input
    bias, hidden bias. PyTorch calls kernels and scales alike `weight`, so a kernel of rank 1 may be a scale.

    Args:
        leaf: the last part of the name, in lower case.
        rank: of the tensor.
    """
    for start, role in _RECURRENT.items():
        if leaf.startswith(start):
            return role
    family = _BY_LEAF.get(leaf)
    if family is None:
        family = next((found for word in leaf.split("_") if (found := _BY_WORD.get(word))), "")
    return family


_BY_WORD = {"kernel": "kernel", "weight": "kernel", "weights": "kernel", "w": "kernel"} | dict.fromkeys(
    ("bias", "biases", "b"), "bias"
)
"""For names like `W_conv1` and `conv1_b`."""


def accepts(role: str, family: str, rank: int) -> bool:
    """Whether a tensor whose name says `family` can be a parameter with this role."""
    if not family or not role:
        return True
    if family == "kernel" and role in ("scale", "slope"):
        return rank <= 1
    return family in _ACCEPTED[role]
