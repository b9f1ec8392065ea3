"""Masks of attention, and caches, of transformers."""

import mindspore as ms
from mindspore import ops


def lowest(dtype):
    """The lowest finite number of a type."""
    if dtype == ms.float16:
        return -65504.0
    return -3.3895313892515355e38 if dtype == ms.bfloat16 else -3.4028234663852886e38


def additive(allowed, dtype):
    """A mask to be added to scores, of one that says what is allowed."""
    return (1.0 - allowed.astype(dtype)) * lowest(dtype)


def masked(config, inputs_embeds, attention_mask, cache, causal, window):
    """The mask of an attention, (batch, 1, queries, keys), to be added to its scores; None if nothing is masked."""
    if attention_mask is not None and attention_mask.ndim == 4:
        return attention_mask
    if attention_mask is None and not causal and window is None:
        return None
    past = cache.get_seq_length() if cache is not None else 0
    length = inputs_embeds.shape[1]
    queries = ops.arange(past, past + length).reshape((-1, 1))
    keys = ops.arange(0, past + length).reshape((1, -1))
    allowed = keys <= queries if causal else keys < past + length
    if window is not None:
        near = queries - keys < window
        allowed = ops.logical_and(allowed, near)
        if not causal:
            allowed = ops.logical_and(allowed, keys - queries < window)
    allowed = allowed[None, None]
    if attention_mask is not None:
        allowed = ops.logical_and(allowed, attention_mask[:, None, None, :].astype(ms.bool_))
    return additive(allowed, inputs_embeds.dtype)


def create_causal_mask(config, inputs_embeds, attention_mask=None, cache=None, position_ids=None, **kwargs):
    """No position sees a later one, or padding."""
    return masked(config, inputs_embeds, attention_mask, cache, True, None)


def create_sliding_window_causal_mask(
    config, inputs_embeds, attention_mask=None, cache=None, position_ids=None, **kwargs
):
    """No position sees a later one, padding, or what is too far away."""
    return masked(config, inputs_embeds, attention_mask, cache, True, config.sliding_window)


def create_bidirectional_mask(config, inputs_embeds, attention_mask=None, **kwargs):
    """No position sees padding."""
    return masked(config, inputs_embeds, attention_mask, None, False, None)


def create_bidirectional_sliding_window_mask(config, inputs_embeds, attention_mask=None, **kwargs):
    """No position sees padding, or what is too far away."""
    return masked(config, inputs_embeds, attention_mask, None, False, config.sliding_window)


class Cache:
    """What attention layers keep of earlier positions. PyNative mode only."""

    is_compileable = False

    def __init__(self, *args, **kwargs):
        self.layers = []

    def get_seq_length(self, layer_idx=0):
        return self.layers[layer_idx].keys.shape[2] if len(self.layers) > layer_idx else 0

    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        """Append to what a layer keeps, and return all of it."""
        if len(self.layers) <= layer_idx:
            self.layers.append(CacheLayer(key_states, value_states))
        else:
            layer = self.layers[layer_idx]
            layer.keys = ops.cat((layer.keys, key_states), axis=2)
            layer.values = ops.cat((layer.values, value_states), axis=2)
        return self.layers[layer_idx].keys, self.layers[layer_idx].values

    def __len__(self):
        return len(self.layers)


class CacheLayer:
    """Keys and values of one layer, each (batch, heads, positions, size)."""

    def __init__(self, keys, values):
        self.keys = keys
        self.values = values


class DynamicCache(Cache):
    """A cache that grows."""


class StaticCache(Cache):
    """A cache; it grows, too."""


class EncoderDecoderCache(Cache):
    """The caches of a decoder: of itself, and of what it sees of the encoder."""

    def __init__(self, self_attention_cache=None, cross_attention_cache=None):
        super().__init__()
        self.self_attention_cache = self_attention_cache or DynamicCache()
        self.cross_attention_cache = cross_attention_cache or DynamicCache()
        self.is_updated = {}

    def get_seq_length(self, layer_idx=0):
        return self.self_attention_cache.get_seq_length(layer_idx)
