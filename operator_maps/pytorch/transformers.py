"""The machinery of transformers that its networks need: base classes, caches, masks, decorators.

Names without their modules: `transformers.utils.generic.ModelOutput` is `transformers.ModelOutput`. What generation,
quantization and distributed training add to a network has no row, and stays.
"""

from __future__ import annotations

from converter.rewriting import Row, call, layer, missing, value

_T = "transformers"
_DEFAULTS = "What the configuration gives (use_cache, return_dict) is not taken by itself: hand it over."
_OUTPUTS = "hidden_states and attentions are not collected; the output has what the network itself returns."
_AUTO = "Name the class itself: the converted file has it, such as BertModel for a BertConfig."

_REMOVED = {
    "auto_docstring": "",
    "can_return_tuple": "",
    "capture_outputs": _OUTPUTS,
    "merge_with_config_defaults": _DEFAULTS,
    "deprecate_kwarg": "",
    "strict": "",
    "use_kernel_forward_from_hub": "",
    "use_kernelized_func": "",
    "use_kernel_func_from_hub_with_fallback": "",
    "use_experts_implementation": "",
    "force_accelerate_hooks": "",
    "accepts_precomputed_kwargs": "Arguments that were computed before are not taken.",
    "compile_compatible_method_lru_cache": "Nothing is cached between calls.",
    "dynamic_rope_update": "The frequencies are those of the configuration, at every length.",
    "filter_output_hidden_states": _OUTPUTS,
    "requires": "",
    "dataclass_transform": "",
}
_VALUES = """
    ALL_LAYERNORM_LAYERS BackboneConfigMixin BackboneMixin Cache DUMMY_INPUTS DUMMY_MASK DynamicCache
    EncoderDecoderCache FlashAttentionKwargs GenerationMixin ModelOutput OutputRecorder PreTrainedConfig
    StaticCache TransformersKwargs Unpack interval
"""
_MASK = "(config, inputs_embeds, attention_mask=None, *args, **kwargs)"

ROWS: dict[str, Row] = {
    **{f"{_T}.{name}": value("", note=note) for name, note in _REMOVED.items()},
    **{f"{_T}.{name}": value(f"compat.{name}") for name in _VALUES.split()},
    f"{_T}.PretrainedConfig": value("compat.PreTrainedConfig"),
    f"{_T}.PreTrainedModel": layer("(config, *inputs, **kwargs)", "compat.PreTrainedModel(...)"),
    f"{_T}.GradientCheckpointingLayer": layer("()", "compat.GradientCheckpointingLayer(...)"),
    f"{_T}.Conv1D": layer("(nf, nx)", "compat.Conv1D(...)"),
    f"{_T}.get_logger": call("(name=None)", "compat.get_logger(...)", returns="other"),
    f"{_T}.ALL_ATTENTION_FUNCTIONS.get_interface": call(
        "(attn_implementation, default)", "{default}", returns="unknown", ignored="attn_implementation"
    ),
    f"{_T}.slice_logits_to_keep": call("(hidden_states, logits_to_keep)", "compat.slice_logits_to_keep(...)"),
    f"{_T}.apply_chunking_to_forward": call(
        "(forward_fn, chunk_size, chunk_dim, *input_tensors)", "compat.apply_chunking_to_forward(...)"
    ),
    f"{_T}.torch_int": call("(x)", "int({x})", returns="number"),
    f"{_T}.torch_float": call("(x)", "float({x})", returns="number"),
    f"{_T}.torch_compilable_check": call(
        "(cond, msg='', error_type=None)", "compat.check({cond}, {msg})", ignored="error_type", returns="other"
    ),
    f"{_T}.create_causal_mask": call(_MASK, "compat.create_causal_mask(...)"),
    f"{_T}.create_bidirectional_mask": call(_MASK, "compat.create_bidirectional_mask(...)"),
    f"{_T}.create_sliding_window_causal_mask": call(_MASK, "compat.create_sliding_window_causal_mask(...)"),
    f"{_T}.create_bidirectional_sliding_window_mask": call(
        _MASK, "compat.create_bidirectional_sliding_window_mask(...)"
    ),
    f"{_T}.center_to_corners_format": call("(bboxes_center)", "compat.center_to_corners_format(...)"),
    f"{_T}.corners_to_center_format": call("(bboxes_corners)", "compat.corners_to_center_format(...)"),
    "torch.nn.init.copy_": call("(tensor, other)", "compat.set_values({tensor}, {other})"),
    f"{_T}.maybe_autocast": value("compat.nothing"),
    f"{_T}.get_torch_context_manager_or_global_device": value("compat.nothing"),
    f"{_T}.requires_backends": call("(obj, backends)", "compat.identity(...)", returns="other"),
    f"{_T}.AutoModel": missing(_AUTO),
    f"{_T}.AutoModelForCausalLM": missing(_AUTO),
    f"{_T}.AutoConfig": missing(_AUTO),
}
