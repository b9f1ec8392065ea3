"""Small networks of many families with random weights, for `training.py`: a module and its inputs, without dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Made = tuple[nn.Module, tuple[torch.Tensor, ...]]
TEXT = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
QUIET = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}


class Outputs(nn.Module):
    """A network of transformers, its inputs by name, and the outputs of these names."""

    def __init__(self, network: nn.Module, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.inputs, self.outputs = network, inputs, outputs

    def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the network."""
        made = self.network(**dict(zip(self.inputs, values, strict=True)))
        return tuple(made[name] for name in self.outputs)


def ids(batch: int = 2, length: int = 7, vocabulary: int = 60) -> torch.Tensor:
    """Words by their numbers."""
    return torch.randint(2, vocabulary, (batch, length))


def image(size: int = 32, batch: int = 2) -> torch.Tensor:
    """Random images."""
    return torch.randn(batch, 3, size, size)


def convnext() -> Made:
    """ConvNeXt: three stages."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(hidden_sizes=[8, 16, 24], depths=[1, 2, 1], num_stages=3, num_labels=5)
    return Outputs(ConvNextForImageClassification(config), ("pixel_values",), ("logits",)), (image(),)


def swin() -> Made:
    """Swin: windows that are moved, two stages."""
    from transformers import SwinConfig, SwinForImageClassification

    config = SwinConfig(
        image_size=32, patch_size=2, embed_dim=12, depths=[2, 2], num_heads=[2, 3], window_size=4, drop_path_rate=0.0
    )
    return Outputs(SwinForImageClassification(config), ("pixel_values",), ("logits",)), (image(),)


def t5() -> Made:
    """T5: encoder, decoder and head."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=60, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, dropout_rate=0.0)
    config.use_cache = False
    network = T5ForConditionalGeneration(config)
    return Outputs(network, ("input_ids", "decoder_input_ids"), ("logits",)), (ids(), ids(length=5))


def llama() -> Made:
    """Llama: rotary positions, grouped queries."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**TEXT, num_key_value_heads=1, use_cache=False)
    return Outputs(LlamaForCausalLM(config), ("input_ids",), ("logits",)), (ids(),)


def clip() -> Made:
    """CLIP: text and image."""
    from transformers import CLIPConfig, CLIPModel

    vision = {**TEXT, "image_size": 16, "patch_size": 8}
    text = {**TEXT, "max_position_embeddings": 16, "eos_token_id": 1}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    words = ids()
    words[:, -1] = 1
    network = Outputs(CLIPModel(config), ("input_ids", "pixel_values"), ("logits_per_image", "text_embeds"))
    return network, (words, image(16))


def detr() -> Made:
    """DETR: a residual network, encoder and decoder."""
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], out_features=["stage2"])
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        num_queries=5, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32, decoder_ffn_dim=32,
        encoder_attention_heads=2, decoder_attention_heads=2, dropout=0.0, num_labels=4,
    )  # fmt: skip
    return Outputs(DetrForObjectDetection(config), ("pixel_values",), ("logits", "pred_boxes")), (image(),)


def wavlm() -> Made:
    """WavLM: convolutions over sound, gated relative positions."""
    from transformers import WavLMConfig, WavLMModel

    config = WavLMConfig(
        **{**TEXT, **QUIET}, conv_dim=[8, 8], conv_kernel=[10, 3], conv_stride=[5, 2], layerdrop=0.0,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, feat_proj_dropout=0.0, apply_spec_augment=False,
        num_buckets=16,
    )  # fmt: skip
    return Outputs(WavLMModel(config), ("input_values",), ("last_hidden_state",)), (torch.randn(2, 200),)


class Residual(nn.Module):
    """The block of a diffusion network: two convolutions, moved by the embedding of the time between them."""

    def __init__(self, inner: int, outer: int, time: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(4, inner), nn.Conv2d(inner, outer, 3, padding=1)
        self.time = nn.Linear(time, outer)
        self.norm2, self.conv2 = nn.GroupNorm(4, outer), nn.Conv2d(outer, outer, 3, padding=1)
        self.shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Run the network."""
        y = self.conv1(functional.silu(self.norm1(x))) + self.time(functional.silu(time))[:, :, None, None]
        return self.shortcut(x) + self.conv2(functional.silu(self.norm2(y)))


class PixelAttention(nn.Module):
    """Attention of the pixels to each other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.GroupNorm(4, width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network."""
        rows = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(rows).chunk(3, -1)
        rows = self.proj(torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1) @ v)
        return x + rows.transpose(1, 2).reshape(x.shape)


class DiffusionUNet(nn.Module):
    """A network that removes noise from an image at a time (Ho et al. 2020)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, 32))
        self.entry = nn.Conv2d(3, width, 3, padding=1)
        self.down1, self.down = Residual(width, width, 32), nn.Conv2d(width, width, 3, 2, 1)
        self.down2 = Residual(width, 2 * width, 32)
        self.attention = PixelAttention(2 * width)
        self.middle = Residual(2 * width, 2 * width, 32)
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.up1 = Residual(2 * width, width, 32)
        self.norm, self.leave = nn.GroupNorm(4, width), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Run the network."""
        steps = torch.exp(-torch.arange(self.width // 2) * (9.2 / (self.width // 2)))
        angles = time.float()[:, None] * steps[None]
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        first = self.down1(self.entry(x), embedded)
        inner = self.attention(self.down2(self.down(first), embedded))
        inner = self.middle(inner, embedded)
        outer = self.up(functional.interpolate(inner, scale_factor=2.0, mode="nearest"))
        outer = self.up1(torch.cat([outer, first], 1), embedded)
        return self.leave(functional.silu(self.norm(outer)))


def diffusion() -> Made:
    """A diffusion network on images and times."""
    return DiffusionUNet(), (image(16), torch.tensor([3, 40]))


def efficientnet() -> Made:
    """EfficientNet: blocks that excite channels."""
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    stages = [
        MBConvConfig(1, 3, 1, 8, 8, 1, 1.0, 1.0),
        MBConvConfig(4, 3, 2, 8, 16, 2, 1.0, 1.0),
        MBConvConfig(4, 5, 2, 16, 24, 1, 1.0, 1.0),
    ]
    return EfficientNet(stages, dropout=0.0, stochastic_depth_prob=0.0, num_classes=5), (image(64, 4),)


class Tagger(nn.Module):
    """Words to tags by a bidirectional GRU of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 12)
        self.gru = nn.GRU(12, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.tags = nn.Linear(20, 5)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Run the network."""
        return self.tags(self.gru(self.embed(words))[0])


def gru_tagger() -> Made:
    """The tagger."""
    return Tagger(), (ids(),)


NETWORKS: dict[str, Callable[[], Made]] = {
    each.__name__: each for each in (convnext, swin, t5, llama, clip, detr, wavlm, diffusion, efficientnet, gru_tagger)
}


def made(name: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """A network without dropout, each parameter moved away from the zeros and ones that it begins with."""
    torch.manual_seed(0)
    module, inputs = NETWORKS[name]()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    if isinstance(module, Outputs):
        module.network.set_attn_implementation("eager")
    return module, inputs
