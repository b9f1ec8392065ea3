"""Dropouts act in torch's training mode only: an exporter, which sees evaluation mode, is made to write them.

Those of layers are known by their classes. Those that a module's code calls as functions, with `self.training`, are
found by a run in training mode in which none of them acts. What else differs in training mode is named.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial, wraps
from types import CodeType
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from converter.frontends.pytorch import functions
from converter.frontends.pytorch.module_calls import calls_of, first_difference, is_same

Site: TypeAlias = tuple[CodeType, int]
"""The code and the instruction of a call: a line may have several."""

_Function: TypeAlias = Callable[..., Any]

_PATHS = ("DropPath", "StochasticDepth")
"""Classes that leave out whole branches in training."""
CHANNEL_DROPOUTS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Classes that drop whole channels."""
_SCRIPTED = ("AlphaDropout", "FeatureAlphaDropout")
"""Classes of dropout that the exporter leaves out of TorchScript."""
_OF_CHANNELS = ("dropout1d", "dropout2d", "dropout3d")
"""Functions that drop whole channels."""
_ATTENTION = "scaled_dot_product_attention"
_DROPOUT_P = 4
"""The place of `dropout_p` among its arguments."""
_SEED = 0


@dataclass
class Called:
    """The dropouts that a module's code calls as functions.

    Attributes:
        ratios: of each call in training mode.
        modules: that make the call, by their paths.
        acted: the calls that the exporter has written.
        others: the path and the class of a module that computes otherwise in training mode for another reason.
        failed: whether the module does not run in training mode on its inputs; `ratios` are those of any mode then.
    """

    ratios: dict[Site, set[float]] = field(default_factory=dict)
    modules: dict[Site, dict[str, None]] = field(default_factory=dict)
    acted: set[Site] = field(default_factory=set)
    others: str = ""
    failed: bool = False

    def add(self, ratio: float, module: str) -> None:
        """Record a call: it is made in a frame outside of this module."""
        site = _site()
        self.ratios.setdefault(site, set()).add(ratio)
        self.modules.setdefault(site, {})[module] = None

    def ratio(self) -> float | None:
        """The ratio of the call that is being made, if it acts in training mode, with one ratio."""
        site = _site()
        found = self.ratios.get(site, set())
        if self.failed or len(found) != 1:
            return None
        self.acted.add(site)
        return next(iter(found))

    def lost(self) -> list[str]:
        """The paths of the modules whose dropouts are not written."""
        return list({name: None for site, names in self.modules.items() if site not in self.acted for name in names})


def called_dropouts(module: nn.Module, run: Callable[[], Any], expected: Any) -> Called:
    """Run a module in training mode, without its dropouts.

    Args:
        module: in Python, not TorchScript.
        run: runs it on its inputs.
        expected: what it returns in evaluation mode; None if only its shapes are known.
    """
    called = Called()
    try:
        with _training(module), _recorded(module, called), torch.random.fork_rng(devices=[]):
            before = torch.random.get_rng_state()
            result = run()
            is_random = not torch.equal(before, torch.random.get_rng_state())
    except Exception:  # the user's code may raise any, as for targets that are missing
        called = Called(failed=True)
        with _recorded(module, called, any_mode=True):
            run()
        return called
    if expected is not None and (is_random or not is_same(result, expected)):
        called.others = _differing_module(module, run)
    return called


@contextlib.contextmanager
def dropouts_kept(module: nn.Module, called: Called) -> Iterator[None]:
    """Inside the block the dropouts act as in training, so that an exporter writes them.

    They work on a copy: of one in place, an exporter writes the random numbers. It does so, too, of one that drops
    whole channels (`Dropout2d`): inside the block these layers drop single elements, as ONNX's Dropout does.
    """
    layers = [each for each in module.modules() if isinstance(each, _DropoutNd) and _is_kept(each)]
    layers = [each for each in layers if each.p > 0 and not each.training]
    for each in layers:
        each.forward = partial(functional.dropout, p=each.p, training=True)
    called.acted.clear()
    plain = functional.dropout

    def dropout(known: _Function, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        ratio = None if training else called.ratio()
        if ratio is None:
            return known(x, p, training, inplace)
        if known.__name__ in _OF_CHANNELS:
            return x * plain(x.new_ones((*x.shape[:2], *[1] * (x.dim() - 2))), ratio, True)
        return known(x, ratio, True)

    def attention(known: _Function, *args: Any, **options: Any) -> Any:
        if not _ratio_of_attention(args, options) and (ratio := called.ratio()):
            return known(*args[:_DROPOUT_P], **{**_named(args), **options, "dropout_p": ratio})
        return known(*args, **options)

    try:
        with _replaced(dropout, attention):
            yield
    finally:
        for each in layers:
            del each.forward


def lost_in_training(module: nn.Module, called: Called) -> list[str]:
    """Sentences about what acts in torch's training, and is not in the network."""
    names = [
        f"{name} ({getattr(each, 'original_name', type(each).__name__)})"
        for name, each in module.named_modules()
        if _is_lost(each) or (isinstance(each, nn.MultiheadAttention) and each.dropout > 0 and name in called.lost())
    ]
    known = {name.partition(" ")[0] for name in names}
    names += [name or type(module).__name__ for name in called.lost() if name not in known]
    notes = []
    if names:
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        notes.append(f"The dropout of {some} acts in torch's training mode only; the script does not have it.")
    if other := called.others:
        notes.append(f"{other} computes otherwise in torch's training mode; the script has its evaluation mode.")
    return notes


def drops_channels(module: nn.Module | None) -> bool:
    """Whether a module, which may be TorchScript, drops whole channels."""
    name = getattr(module, "original_name", "")
    return isinstance(module, CHANNEL_DROPOUTS) or name in [kind.__name__ for kind in CHANNEL_DROPOUTS]


def _is_kept(module: nn.Module) -> bool:
    return any(type(module).forward is kind.forward for kind in (nn.Dropout, *CHANNEL_DROPOUTS))


def _is_lost(module: nn.Module) -> bool:
    """Whether a layer drops something in training that an exporter cannot be made to write."""
    return (
        (isinstance(module, nn.RNNBase) and module.dropout > 0 and module.num_layers > 1)
        or (isinstance(module, _DropoutNd) and module.p > 0 and not _is_kept(module))
        or type(module).__name__ in _PATHS
        or getattr(module, "original_name", "") in (*_PATHS, *_SCRIPTED, "MultiheadAttention")
    )


@contextlib.contextmanager
def _training(module: nn.Module) -> Iterator[None]:
    """Inside the block the module is in training mode, but for layers that are known to compute otherwise there."""
    before = {each: each.training for each in module.modules()}
    for each in before:
        each.training = not isinstance(each, (_NormBase, _DropoutNd)) and not _is_lost(each)
    try:
        yield
    finally:
        for each, mode in before.items():
            each.training = mode


@contextlib.contextmanager
def _recorded(module: nn.Module, called: Called, any_mode: bool = False) -> Iterator[None]:
    """Inside the block no dropout acts, and those that would are recorded, with the module that is running."""
    names = {each: name for name, each in module.named_modules()}
    running: list[str] = [""]

    def dropout(_: _Function, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if (training or any_mode) and p > 0 and _site()[0].co_filename != _LAYERS:
            called.add(p, running[-1])
        return x

    def attention(known: _Function, *args: Any, **options: Any) -> Any:
        if ratio := _ratio_of_attention(args, options):
            called.add(ratio, running[-1])
        return known(*args[:_DROPOUT_P], **{**_named(args), **options, "dropout_p": 0.0})

    def begin(each: nn.Module, _: Any) -> None:
        running.append(names.get(each, running[-1]))

    def end(*_: Any) -> None:
        running.pop()

    hooks = [
        nn.modules.module.register_module_forward_pre_hook(begin),
        nn.modules.module.register_module_forward_hook(end, always_call=True),
    ]
    try:
        with _replaced(dropout, attention):
            yield
    finally:
        for hook in hooks:
            hook.remove()


_LAYERS = nn.modules.dropout.__file__
_SKIPPED = (__file__, functions.__file__)


def _site() -> Site:
    """Where the call is made that led here."""
    frame: Any = sys._getframe(1)
    while frame.f_code.co_filename in _SKIPPED:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


@contextlib.contextmanager
def _replaced(dropout: Callable[..., Any], attention: Callable[..., Any]) -> Iterator[None]:
    """Inside the block torch's functions are these; each is given torch's own first."""
    instead = dict.fromkeys(("dropout", *_OF_CHANNELS), dropout) | {_ATTENTION: attention}
    kept = {name: getattr(functional, name) for name in instead}
    for name, function in instead.items():
        setattr(functional, name, wraps(kept[name])(partial(function, kept[name])))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(functional, name, function)


def _ratio_of_attention(args: tuple[Any, ...], options: Mapping[str, Any]) -> float:
    return float(options.get("dropout_p", args[_DROPOUT_P] if len(args) > _DROPOUT_P else 0.0))


def _named(args: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments of an attention behind `dropout_p`, which may be given by position."""
    return dict(zip(("is_causal",), args[_DROPOUT_P + 1 :], strict=False))


def _differing_module(module: nn.Module, run: Callable[[], Any]) -> str:
    """The path and the class of the first module that computes otherwise in training mode; "" if none does.

    Both runs take the same random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        with _recorded(module, Called()), calls_of(module) as plain:
            run()
        torch.manual_seed(_SEED)
        with _training(module), _recorded(module, Called()), calls_of(module) as trained:
            run()
    if (name := first_difference(plain, trained)) is None:
        return ""
    each = dict(module.named_modules())[name]
    return f"'{name}' ({type(each).__name__})" if name else f"The module ({type(each).__name__})"
