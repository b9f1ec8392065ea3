"""Libraries of which the networks are converted; for their machinery the tables have counterparts.

A network of transformers needs a base class, caches, masks and decorators that lead to everything else the library has:
generation, quantization, distributed training. So its modules are followed as far as `_FOLLOWED` says, and any other
name of the library is treated as PyTorch's names are: a row says what it becomes, or it stays and is reported.
"""

from __future__ import annotations

from collections.abc import Collection

OUTPUT = "transformers.ModelOutput"
_FOLLOWED = {"transformers": ("models", "activations", "modeling_outputs", "modeling_rope_utils")}
LIBRARIES = frozenset(_FOLLOWED)
ON_TORCH = frozenset(
    {"accelerate", "diffusers", "lightning", "peft", "pytorch_lightning", "timm", "torchaudio", "torchmetrics"}
) | {"torchtext", "torchvision", "transformers"}
"""Libraries that need PyTorch: what a script imports of them stays, unless a row says what it becomes."""
WHOLE = frozenset({"einops", "torchvision"})
"""Libraries of which every name is treated as PyTorch's are, unless they are the project itself."""
QUESTIONS = frozenset({"torchvision._is_tracing"})
"""Functions of a library whose answer is the same in every run of a result: they need not be converted themselves."""
_NOT_FOLLOWED = ("transformers.models.auto",)
_SECOND_NAMES = {
    "huggingface_hub.dataclasses.strict": "transformers.strict",
    "transformers.modeling_rope_utils.dynamic_rope_update": "transformers.dynamic_rope_update",
}


def usual(name: str, project: str, known: Collection[str] = ()) -> str:
    """The short name of a library's machinery: `transformers.utils.generic.ModelOutput` is `transformers.ModelOutput`.

    Args:
        name: a full name.
        project: the package that is converted.
        known: names of libraries that have a row; other names of a library that is not the project are left alone.
    """
    if project not in _FOLLOWED:
        first, _, rest = name.partition(".")
        short = f"{first}.{_without_modules(rest)}"
        return short if first in _FOLLOWED and short in known else name
    if name in _SECOND_NAMES:
        return _SECOND_NAMES[name]
    if not is_machinery(name, project):
        return name
    inside = name.removeprefix(f"{project}.")
    if inside.partition(".")[0] == "initialization":
        return f"torch.nn.init{inside.removeprefix('initialization')}"
    return f"{project}.{_without_modules(inside)}"


def _without_modules(name: str) -> str:
    parts = name.split(".")
    while len(parts) > 1 and parts[0].islower():
        parts.pop(0)
    return ".".join(parts)


def is_machinery(name: str, project: str) -> bool:
    """Whether a full name is that of a library's machinery, not of its networks."""
    if project not in _FOLLOWED or not name.startswith(f"{project}."):
        return False
    inside = name.removeprefix(f"{project}.").partition(".")[0]
    return inside not in _FOLLOWED[project] or any(f"{name}.".startswith(f"{each}.") for each in _NOT_FOLLOWED)
