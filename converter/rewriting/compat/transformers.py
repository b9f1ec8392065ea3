"""What networks of transformers need of their library."""

import copy
import dataclasses
import functools
import logging
import typing

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

Unpack = typing.Optional

DUMMY_INPUTS = [[7, 6, 0, 0, 1], [1, 2, 3, 0, 0], [0, 0, 0, 4, 5]]

DUMMY_MASK = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]]

ALL_LAYERNORM_LAYERS = [nn.LayerNorm]


class TransformersKwargs(typing.TypedDict, total=False):
    """Keyword arguments that a network hands on."""


class FlashAttentionKwargs(typing.TypedDict, total=False):
    """Keyword arguments of another attention."""


@functools.cache
def get_logger(name=None):
    """A logger that has warning_once."""
    logger = logging.getLogger(name)
    logger.warning_once = functools.cache(logger.warning)
    logger.info_once = functools.cache(logger.info)
    return logger


def interval(**bounds):
    """A field of a configuration with bounds, which are not checked."""
    return lambda default=None: default


def nothing(*args, **kwargs):
    """A context that does nothing."""
    return no_grad()


class ModelOutput(dict):
    """What a network returns: a dict whose keys are attributes, too. In graph mode it is a dict."""

    def __init__(self, *values, **fields):
        names = [name for base in reversed(type(self).__mro__) for name in base.__dict__.get("__annotations__", {})]
        given = dict(zip(names, values)) | fields
        super().__init__({name: given.get(name) for name in dict.fromkeys([*names, *given])})

    def __getattribute__(self, name):
        return dict.__getitem__(self, name) if dict.__contains__(self, name) else super().__getattribute__(name)

    def __getitem__(self, key):
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self):
        return tuple(each for each in self.values() if each is not None)


def made_in_graph(kind, **fields):
    """An output in graph mode."""
    return fields


@functools.wraps(made_in_graph)  # whose text graph mode reads
def made(kind, **fields):
    return kind(**fields)


def to_tuple(output):
    """What an output has, in its order."""
    found = []
    for each in output.values():
        if each is not None:
            found.append(each)
    return tuple(found)


class OutputRecorder:
    """Which outputs of inner modules the library collects; nothing collects them here."""

    def __init__(self, *args, **kwargs):
        pass


@ms.jit_class
class PreTrainedConfig:
    """The configuration of a network: its annotated attributes, and whatever else is given."""

    model_type = ""
    attribute_map = {}
    sub_configs_defaults = {}
    default_theta = 10000.0
    _attn_implementation = "eager"
    output_hidden_states: bool = False
    output_attentions: bool = False
    return_dict: bool = True
    chunk_size_feed_forward: int = 0
    is_encoder_decoder: bool = False
    num_labels: int = 2
    problem_type: str = None

    def __init__(self, **kwargs):
        for cls in reversed(type(self).__mro__):
            for name, annotation in cls.__dict__.get("__annotations__", {}).items():
                if "ClassVar" in str(annotation):
                    continue
                default = cls.__dict__.get(name)
                if isinstance(default, dataclasses.Field):
                    made = default.default_factory
                    default = default.default if made is dataclasses.MISSING else made()
                if name not in kwargs:
                    setattr(self, name, copy.deepcopy(default))
        given = {self.attribute_map.get(name, name): value for name, value in kwargs.items()}
        for name in [name for name in given if hasattr(self, name)]:
            setattr(self, name, given.pop(name))
        self.__post_init__(**given)

    def __getattribute__(self, name):
        mapped = object.__getattribute__(self, "attribute_map").get(name, name)
        return object.__getattribute__(self, mapped)

    def __setattr__(self, name, value):
        object.__setattr__(self, self.attribute_map.get(name, name), value)

    def __post_init__(self, **kwargs):
        if hasattr(self, "rope_parameters"):
            kwargs = self.convert_rope_params_to_dict(**kwargs)
        for name, value in kwargs.items():
            setattr(self, name, value)

    def nested_rope_parameter_keys(self, rope_parameters):
        """The kinds of layers that have settings of their own."""
        labels = getattr(self, "_rope_type_labels", None) or getattr(self, "layer_types", None) or ()
        return [name for name in rope_parameters if name in labels]

    def convert_rope_params_to_dict(self, **kwargs):
        """Settings of rotary positions under older names become `rope_parameters`; the others are returned."""
        scaling = kwargs.pop("rope_scaling", None)
        self.rope_parameters = dict(scaling or self.rope_parameters or {})
        theta = kwargs.pop("rope_theta", getattr(self, "rope_theta", self.default_theta))
        partial = kwargs.pop("partial_rotary_factor", getattr(self, "partial_rotary_factor", None))
        for each in self.each_rope_parameters():
            each.setdefault("rope_theta", theta)
            if partial is not None:
                each.setdefault("partial_rotary_factor", partial)
        self.standardize_rope_params()
        return kwargs

    def each_rope_parameters(self):
        """The settings of each kind of layer that has some, or the one for all."""
        names = self.nested_rope_parameter_keys(self.rope_parameters)
        return [each for each in [self.rope_parameters[name] for name in names] if each is not None] or (
            [] if names else [self.rope_parameters]
        )

    def standardize_rope_params(self):
        """Every kind of rotary positions has its type, and what this needs of the configuration."""
        before = getattr(self, "original_max_position_embeddings", None)
        for each in self.each_rope_parameters():
            each.setdefault("rope_type", each.get("type", "default"))
            each.setdefault("rope_theta", getattr(self, "rope_theta", None))
            if getattr(self, "partial_rotary_factor", None) is not None:
                each.setdefault("partial_rotary_factor", self.partial_rotary_factor)
            if each["rope_type"] in ("llama3", "yarn", "longrope"):
                if before is not None and each is self.rope_parameters:
                    each["original_max_position_embeddings"] = before
                each.setdefault("original_max_position_embeddings", self.max_position_embeddings)

    def get_text_config(self, *args, **kwargs):
        return self


class GenerationMixin:
    """Generation of texts, which is not converted."""


class BackboneConfigMixin:
    """What a configuration says of the stages whose outputs are asked for: by name, or by number."""

    def set_output_features_output_indices(self, out_features, out_indices):
        if out_features is None:
            out_indices = [len(self.stage_names) - 1] if out_indices is None else list(out_indices)
            out_features = [self.stage_names[each] for each in out_indices]
        elif out_indices is None:
            out_indices = [self.stage_names.index(each) for each in out_features]
        self._out_features, self._out_indices = list(out_features), list(out_indices)

    @property
    def out_features(self):
        return self._out_features

    @out_features.setter
    def out_features(self, out_features):
        self.set_output_features_output_indices(out_features, None)

    @property
    def out_indices(self):
        return self._out_indices

    @out_indices.setter
    def out_indices(self, out_indices):
        self.set_output_features_output_indices(None, out_indices)


class BackboneMixin:
    """What makes a network the backbone of another, which is not converted."""


class GradientCheckpointingLayer(nn.Cell):
    """A layer; nothing is computed again for its gradients."""


class PreTrainedModel(nn.Cell):
    """The base of a network: its configuration, initial values, and weights that are shared."""

    config_class = None
    base_model_prefix = ""
    main_input_name = "input_ids"
    _tied_weights_keys = None

    def __init__(self, config, *inputs, **kwargs):
        super().__init__()
        self.config = config
        self.shifts_labels = type(self).__name__.endswith(("ForCausalLM", "LMHeadModel"))

    @classmethod
    def _from_config(cls, config, **kwargs):
        return cls(config)

    @property
    def base_model(self):
        return getattr(self, self.base_model_prefix, self)

    def post_init(self):
        """Set the initial values, and share weights."""
        for _, cell in self.cells_and_names():
            if not hasattr(cell, "is_initialized_"):
                self._init_weights(cell)
                cell.is_initialized_ = True
        self.tie_weights()

    def init_weights(self):
        self.post_init()

    def _init_weights(self, module):
        std = getattr(self.config, "initializer_range", None) or 0.02
        name = type(module).__name__
        if isinstance(module, (nn.Dense, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            normal_(module.weight, std=std)
            if module.bias is not None:
                zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            normal_(module.embedding_table, std=std)
        elif "LayerNorm" in name or "RMSNorm" in name or isinstance(module, (nn.GroupNorm, nn.BatchNorm2d)):
            for parameter in module.get_parameters(expand=False):
                if parameter.name.rpartition(".")[2] in ("weight", "gamma"):
                    ones_(parameter)
                elif parameter.name.rpartition(".")[2] in ("bias", "beta"):
                    zeros_(parameter)

    def tie_weights(self, **kwargs):
        """Let weights that the class lists be the same parameter, where the configuration wants it."""
        keys = self._tied_weights_keys
        if not isinstance(keys, dict) or not getattr(self.config, "tie_word_embeddings", True):
            return
        for name, source in keys.items():
            cell, attribute = parameter_at(self, name)
            other, shared = parameter_at(self, source)
            if cell is not None and other is not None:
                setattr(cell, attribute, getattr(other, shared))

    def get_input_embeddings(self):
        for name in ("embed_tokens", "wte", "word_embeddings"):
            if hasattr(self, name):
                return getattr(self, name)
        return self.base_model.get_input_embeddings()

    def get_output_embeddings(self):
        return getattr(self, "lm_head", None)

    def warn_if_padding_and_no_attention_mask(self, input_ids, attention_mask):
        pass

    def get_extended_attention_mask(self, attention_mask, input_shape=None, device=None, dtype=None):
        dtype = ms.float32 if dtype is None else dtype
        wide = attention_mask[:, None, None, :] if attention_mask.ndim == 2 else attention_mask[:, None, :, :]
        return (1.0 - wide.astype(dtype)) * lowest(dtype)

    def loss_function(self, logits, labels, vocab_size=None, ignore_index=-100, **kwargs):
        """Cross entropy; that of a causal model compares each place with the next label."""
        logits = logits.astype(ms.float32)
        if self.shifts_labels:
            logits = logits[:, :-1]
            labels = labels[:, 1:]
        logits = logits.reshape((-1, logits.shape[-1]))
        return ops.cross_entropy(logits, labels.reshape((-1,)).astype(ms.int32), ignore_index=ignore_index)


def parameter_at(cell, path):
    """The cell that has a parameter of PyTorch's name, and the attribute that holds it; None where there is none."""
    *parts, last = path.split(".")
    for part in parts:
        cell = cell[int(part)] if part.isdigit() else getattr(cell, part, None)
        if cell is None:
            return None, last
    if isinstance(cell, nn.Embedding) and last == "weight":
        last = "embedding_table"
    return (cell, last) if getattr(cell, last, None) is not None else (None, last)


class Conv1D(nn.Cell):
    """A linear layer whose weight is (in, out)."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.nx = nx
        self.weight = Parameter(Tensor(np.random.normal(0, 0.02, (nx, nf)), ms.float32), name="weight")
        self.bias = Parameter(ops.zeros((nf,), ms.float32), name="bias")

    def construct(self, x):
        return ops.matmul(x, self.weight) + self.bias


def slice_logits_to_keep(hidden_states, logits_to_keep):
    """The last positions, or those of a tensor."""
    if isinstance(logits_to_keep, int):
        return hidden_states[:, hidden_states.shape[1] - logits_to_keep :] if logits_to_keep else hidden_states
    return hidden_states[:, logits_to_keep]


def apply_chunking_to_forward(forward_fn, chunk_size, chunk_dim, *input_tensors):
    """A function of tensors, applied to pieces of them."""
    if chunk_size == 0:
        return forward_fn(*input_tensors)
    pieces = zip(*(ops.split(each, chunk_size, axis=chunk_dim) for each in input_tensors))
    return ops.cat([forward_fn(*each) for each in pieces], axis=chunk_dim)


def center_to_corners_format(bboxes_center):
    """Boxes by centre and size as boxes by corners."""
    x, y, w, h = ops.unbind(bboxes_center, -1)
    return ops.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], axis=-1)


def corners_to_center_format(bboxes_corners):
    """Boxes by corners as boxes by centre and size."""
    left, top, right, bottom = ops.unbind(bboxes_corners, -1)
    return ops.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=-1)
