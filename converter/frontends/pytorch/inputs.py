"""Inputs: which parameters of `forward` are the network's inputs, their shapes and element types.

What the user says counts first. Else the module tells: `forward`'s signature, an example that came with it, the
configuration of transformers or timm. Element types that nothing tells are found by running the module.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from converter.errors import BadParamError, ModelLoadingError, ParamMissingError
from converter.frontends.endpoints import Declared, merge_shapes, parse_shape
from converter.frontends.pytorch.caches import names_of, shapes_of
from converter.frontends.pytorch.given_parts import signature_of
from converter.frontends.pytorch.lines import culprit
from converter.frontends.pytorch.loading import SEED, Loaded
from converter.frontends.pytorch.spec import PAST, Spec
from converter.frontends.source import Dim

_MOST_TRIALS = 32
_BATCH = 2
"""The extent of a free first axis in the export: an exporter may take 1 to be fixed."""

_INDICES = re.compile(r"(^|_)(ids?|idx|tokens?|index|indices|indexes|labels?|len(gth)?s?|positions?|attention_mask)$")
_ANNOTATED = {
    "LongTensor": torch.int64,
    "IntTensor": torch.int32,
    "BoolTensor": torch.bool,
    "HalfTensor": torch.float16,
    "DoubleTensor": torch.float64,
}
_LISTED = re.compile(r"(typing\.|collections\.abc\.|Optional\[)*([Ll]ist|[Ss]equence|[Tt]uple|[Dd]ict)\[.*Tensor\b")
"""The annotation of a parameter that takes several tensors: `list[Tensor]`, as the detectors of torchvision have."""
_NO_TENSOR = ("int", "float", "bool", "str", int, float, bool, str)


@dataclass(frozen=True)
class Input:
    """An input of the network.

    Attributes:
        name: the parameter of `forward`.
        shape: its extents, a letter where one is free.
        value: an example.
        chosen: whether the shape is none of the user's, so that an extent may be fixed after all.
    """

    name: str
    shape: tuple[Dim, ...]
    value: torch.Tensor
    chosen: bool = False


@dataclass(frozen=True)
class _Parameter:
    """A parameter of `forward`."""

    name: str
    required: bool = True
    annotation: Any = None

    @property
    def dtype(self) -> torch.dtype | None:
        """The element type that its annotation tells."""
        text = str(self.annotation)
        return next((dtype for word, dtype in _ANNOTATED.items() if word in text), None)


_OF_TEXTS: Mapping[str, tuple[Dim, ...]] = {
    "input_ids": ("N", "T"),
    "attention_mask": ("N", "T"),
    "decoder_input_ids": ("N", "U"),
}
"""The inputs of language models, whose batch and lengths are free."""


def inputs_of(loaded: Loaded, spec: Spec) -> list[Input]:
    """The inputs of the network, with examples that the module accepts.

    Raises:
        ParamMissingError: a shape is needed that nothing tells.
        BadParamError: the number of shapes, or a shape, does not fit.
        ModelLoadingError: the module accepts no input of these shapes.
    """
    parameters = _parameters(loaded)
    names = [name.removesuffix(":0") for name in spec.inputs]
    picked = bool(names) and all(name in parameters for name in names)
    texts = spec.shapes if picked or not names else ()  # else they belong to tensors inside the network
    if not picked:
        names = _defaults(loaded, parameters, len(texts))
    _check(parameters, names, spec)
    if loaded.cache:
        parameters, names, texts = _with_cache(loaded, parameters, names, texts)
    shapes = _shapes(loaded, names, texts, spec)
    if all(name in loaded.given for name in names) and not texts:
        return [Input(name, shape, loaded.given[name]) for name, shape in zip(names, shapes, strict=True)]
    return _accepted(loaded, [parameters[name] for name in names], shapes, spec)


def _with_cache(
    loaded: Loaded, parameters: Mapping[str, _Parameter], names: Sequence[str], texts: Sequence[str]
) -> tuple[Mapping[str, _Parameter], list[str], tuple[str, ...]]:
    """Parameters, names and shapes with those of every layer in the place of the cache."""
    own = names_of(loaded.cache)
    taken = [own if name == PAST else [name] for name in names]
    repeated = zip(texts, taken, strict=True) if len(texts) == len(names) else [(text, [""]) for text in texts]
    return (
        {**parameters, **{name: _Parameter(name) for name in own}},
        [name for each in taken for name in each],
        tuple(text for text, each in repeated for _ in each),
    )


def _parameters(loaded: Loaded) -> Mapping[str, _Parameter]:
    """The parameters of `forward` by name, in order."""
    if loaded.program is not None:
        return {name: _Parameter(name) for name in loaded.given}
    positional = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    signature = signature_of(loaded.module)
    own = [each for each in signature.parameters.values() if each.kind in positional]
    empty = inspect.Parameter.empty
    return {each.name: _Parameter(each.name, each.default is empty, each.annotation) for each in own}


def _defaults(loaded: Loaded, parameters: Mapping[str, _Parameter], count: int) -> list[str]:
    """The parameters that are inputs when the user names none; with `count` shapes, as many."""
    if loaded.given:
        return list(loaded.given)
    chosen = _of_transformers(loaded.module, parameters) or [p.name for p in parameters.values() if p.required]
    chosen = chosen or list(parameters)[:1]
    if not count or count == len(chosen):
        return chosen
    if count < len(chosen):
        return chosen[:count] if not parameters[chosen[count]].required else chosen
    more = [name for name in parameters if name not in chosen][: count - len(chosen)]
    return [*chosen, *more] if _is_transformers(loaded.module) else [n for n in parameters if n in (*chosen, *more)]


def _is_transformers(module: torch.nn.Module) -> bool:
    return hasattr(module, "config") and isinstance(getattr(module, "main_input_name", None), str)


def _of_transformers(module: Any, parameters: Mapping[str, _Parameter]) -> list[str]:
    """`input_ids` and `attention_mask`, `pixel_values`, …; nothing for other modules."""
    if not _is_transformers(module):
        return []
    names = [module.main_input_name]
    if "input_ids" in names:
        names.append("attention_mask")
    if getattr(module.config, "is_encoder_decoder", False):
        names.append("decoder_input_ids")
    if hasattr(module.config, "vision_config"):
        names += ["input_ids", "pixel_values"]
    return [name for name in dict.fromkeys(names) if name in parameters]


def _check(parameters: Mapping[str, _Parameter], names: Sequence[str], spec: Spec) -> None:
    """Check that the network can run on these inputs."""
    if not names:
        raise BadParamError(
            f"'{spec.label}' names no inputs: its forward has no parameters but *args or **kwargs. "
            "Derive a module whose forward names its tensors."
        )
    left = [p.name for p in parameters.values() if p.required and p.name not in names]
    if left:
        raise ParamMissingError(
            f"'{spec.label}' cannot run without {_listed(left)}. Name every input that it needs: "
            f"--input_nodes {' '.join([*names, *left])}."
        )
    for name in names:
        annotation = parameters[name].annotation
        if _LISTED.match(str(annotation)):
            raise BadParamError(
                f"the parameter '{name}' of '{spec.label}' holds several tensors. Give examples of all inputs from "
                "Python: converter.convert(module, {…}); of a detector that takes a list of images, derive a module "
                "whose forward takes one tensor and calls the parts that compute with it, such as self.net.backbone "
                "and self.net.head."
            )
        if annotation in _NO_TENSOR:
            raise BadParamError(
                f"the parameter '{name}' of '{spec.label}' is no tensor. Derive a module whose forward takes tensors."
            )


def _shapes(loaded: Loaded, names: Sequence[str], texts: Sequence[str], spec: Spec) -> list[tuple[Dim, ...]]:
    if texts and len(texts) != len(names):
        raise BadParamError(
            f"--shape has {len(texts)} shape(s) for {len(names)} input(s). Give one for each, separated by spaces, "
            f"in the order {_listed(names)}."
        )
    given = [parse_shape(text) for text in texts] or [None] * len(names)
    own = [_own_shape(loaded, name, name == names[0]) for name in names]
    if loaded.program is not None:
        given = [None] * len(names)  # the program has its extents; a letter renames a free one afterwards
    shapes = [shape if shape is not None else known for shape, known in zip(given, own, strict=True)]
    unknown = [name for name, shape in zip(names, shapes, strict=True) if shape is None]
    if unknown:
        inner = " --input_nodes names tensors inside the network, to which --shape belongs then." if spec.inputs else ""
        if any("," in name for name in spec.inputs):
            inner = " Separate the names of --input_nodes by spaces."
        raise ParamMissingError(
            f"--shape is needed: '{spec.label}' takes {_listed(names)}, and nothing tells the shape of "
            f"{_listed(unknown)}. Give one for each, in this order; a letter is a free extent (N,3,224,224).{inner}"
        )
    return [tuple(shape) for shape in shapes if shape is not None]


def _own_shape(loaded: Loaded, name: str, is_first: bool) -> tuple[Dim, ...] | None:
    """The shape that the module itself tells."""
    if name in loaded.given:
        return tuple(int(extent) for extent in loaded.given[name].shape)
    module: Any = loaded.module
    timm = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    size = timm.get("input_size") if isinstance(timm, Mapping) else getattr(timm, "input_size", None)
    if is_first and size is not None:
        return ("N", *size)
    if _is_transformers(module) and name == "pixel_values":
        config = getattr(module.config, "vision_config", getattr(module.config, "encoder", module.config))
        image, channels = getattr(config, "image_size", None), getattr(config, "num_channels", 3)
        if isinstance(image, int):
            return ("N", channels, image, image)
        if isinstance(image, Sequence) and len(image) == 2:
            return ("N", channels, *image)
    if _is_transformers(module) and name == "input_features":
        return _of_features(module.config)
    if _is_transformers(module):
        if loaded.cache and name == "attention_mask":
            return ("N", "S")  # past and new tokens
        return dict(zip(names_of(loaded.cache), shapes_of(loaded.cache), strict=True)).get(name, _OF_TEXTS.get(name))
    return None


def _of_features(config: Any) -> tuple[Dim, ...] | None:
    """The shape of the spectrogram of a speech model."""
    if hasattr(config, "num_mel_bins") and hasattr(config, "max_source_positions"):
        return ("N", config.num_mel_bins, 2 * config.max_source_positions)  # Whisper
    for name in ("input_feat_per_channel", "feature_projection_input_dim"):  # Speech2Text, Wav2Vec2-BERT
        if hasattr(config, name):
            return ("N", "T", getattr(config, name))
    return None


# Element types


def _accepted(
    loaded: Loaded, parameters: Sequence[_Parameter], shapes: Sequence[tuple[Dim, ...]], spec: Spec
) -> list[Input]:
    """Inputs whose element types the module accepts: those that something tells, else the first that run."""
    examples = _examples(parameters, shapes)
    if loaded.cache:
        examples = [_with_past(parameters, extents) for extents in examples]
    kinds = [_possible(loaded, parameter) for parameter in parameters]
    refusals: list[Exception] = []
    for extents in examples:
        for dtypes in _trials(kinds):
            pairs = zip(extents, dtypes, strict=True)
            values = [example(shape, dtype, SEED) for shape, dtype in pairs]
            chosen = not spec.shapes
            inputs = [Input(p.name, shape, v, chosen) for p, shape, v in zip(parameters, shapes, values, strict=True)]
            try:
                loaded.run({each.name: each.value for each in inputs})
            except Exception as error:  # the user's code may raise any
                refusals.append(error)
            else:
                return inputs
    listed = ", ".join(f"'{p.name}' ({_text(shape)})" for p, shape in zip(parameters, examples[0], strict=True))
    raise ModelLoadingError(f"'{spec.label}' does not run on {listed}: {culprit(refusals[0])} Correct --shape.")


def _examples(parameters: Sequence[_Parameter], shapes: Sequence[tuple[Dim, ...]]) -> list[list[tuple[int, ...]]]:
    """Numbers for the free extents: twice the batch that verification uses, or that batch."""
    declared = [Declared(parameter.name, shape) for parameter, shape in zip(parameters, shapes, strict=True)]
    plain = [each.example or () for each in merge_shapes((), declared)]
    batches = {shape[0] for shape in shapes if shape and isinstance(shape[0], str)}
    doubled = [
        tuple(_BATCH if dim in batches else extent for dim, extent in zip(shape, extents, strict=True))
        for shape, extents in zip(shapes, plain, strict=True)
    ]
    return [doubled, plain] if doubled != plain else [plain]


def _with_past(parameters: Sequence[_Parameter], extents: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Extents in which a mask is as long as past and new tokens."""
    known = {parameter.name: shape for parameter, shape in zip(parameters, extents, strict=True)}
    past = next(shape[-2] for name, shape in known.items() if name.startswith(f"{PAST}."))
    new = next((shape[1] for name, shape in known.items() if name in ("input_ids", "inputs_embeds")), 0)
    return [(shape[0], past + new) if name == "attention_mask" else shape for name, shape in known.items()]


def _possible(loaded: Loaded, parameter: _Parameter) -> tuple[torch.dtype, ...]:
    """The element types that a parameter may have, the most likely first; an annotation may be wrong."""
    if parameter.name in loaded.given:
        return (loaded.given[parameter.name].dtype,)
    likely = _likely(loaded, parameter)
    return likely if parameter.dtype is None else tuple(dict.fromkeys((parameter.dtype, *likely)))


def _likely(loaded: Loaded, parameter: _Parameter) -> tuple[torch.dtype, ...]:
    """The element types that the name of a parameter suggests, the most likely first."""
    floats = (tensor.dtype for tensor in loaded.module.parameters() if tensor.is_floating_point())
    single = next(floats, torch.float32)
    if _INDICES.search(parameter.name):
        return torch.int64, single, torch.bool
    return (single, torch.bool, torch.int64) if "mask" in parameter.name else (single, torch.int64, torch.bool)


def _trials(kinds: Sequence[Sequence[torch.dtype]]) -> Iterator[tuple[torch.dtype, ...]]:
    """Choices of one type for each input: some with the most of the first types, then those of one type for all."""
    yield from itertools.islice(_by_preference(kinds), _MOST_TRIALS)
    for dtype in dict.fromkeys(itertools.chain.from_iterable(kinds)):
        if all(dtype in kind for kind in kinds):
            yield (dtype,) * len(kinds)


def _by_preference(kinds: Sequence[Sequence[torch.dtype]]) -> Iterator[tuple[torch.dtype, ...]]:
    """Every choice of one type for each input, those with the most of the first types first."""
    ranked = sorted(itertools.product(*(range(len(kind)) for kind in kinds)), key=lambda ranks: (sum(ranks), ranks))
    for ranks in ranked:
        yield tuple(kind[rank] for kind, rank in zip(kinds, ranks, strict=True))


def example(shape: Sequence[int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """A seeded tensor: standard normal floats, ones for integers (an index that every table has), True."""
    if dtype.is_floating_point:
        return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)).to(dtype)
    return torch.ones(tuple(shape), dtype=dtype)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _text(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))
