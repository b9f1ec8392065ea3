"""Models in plain torch, of the kinds that people convert, every parameter and buffer random; and their exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two convolutions: ResNet18's and ResNet34's block."""

    expansion = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.downsample = shortcut(inplanes, planes * self.expansion, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + identity)


class Bottleneck(nn.Module):
    """Three convolutions, the outer two 1x1: the block of ResNet50 and deeper."""

    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.relu = nn.ReLU()
        self.downsample = shortcut(inplanes, planes * self.expansion, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + identity)


def shortcut(inplanes: int, outplanes: int, stride: int) -> nn.Module | None:
    """A projection where a block changes the shape, else nothing."""
    if stride == 1 and inplanes == outplanes:
        return None
    return nn.Sequential(nn.Conv2d(inplanes, outplanes, 1, stride, bias=False), nn.BatchNorm2d(outplanes))


class ResNet(nn.Module):
    def __init__(
        self,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        width: int = 16,
        classes: int = 10,
        block: type[BasicBlock] | type[Bottleneck] = Bottleneck,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = width
        for stage, count in enumerate(blocks):
            planes = width * 2**stage
            layers = []
            for i in range(count):
                layers.append(block(channels, planes, 2 if stage and not i else 1))
                channels = planes * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Attention(nn.Module):
    def __init__(self, hidden: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.proj = nn.Linear(hidden, hidden)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        n, s, c = x.shape
        q, k, v = self.qkv(x).reshape(n, s, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.proj(out.transpose(1, 2).reshape(n, s, c))


class Mlp(nn.Module):
    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden, inner)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(inner, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, hidden: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden)
        self.attn = Attention(hidden, heads, causal)
        self.norm2 = nn.LayerNorm(hidden)
        self.mlp = Mlp(hidden, hidden * 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, hidden: int = 48, depth: int = 3, heads: int = 4, image: int = 32, patch: int = 8) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, hidden, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.pos_embed = nn.Parameter(torch.zeros(1, (image // patch) ** 2 + 1, hidden))
        self.blocks = nn.Sequential(*[Block(hidden, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class EncoderLayer(nn.Module):
    """A post-norm transformer layer, as BERT's."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(hidden, heads)
        self.attention_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.mlp = Mlp(hidden, hidden * 4)
        self.output_norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.output_norm(x + self.mlp(x))


class Encoder(nn.Module):
    def __init__(self, vocabulary: int = 100, hidden: int = 48, depth: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, hidden)
        self.position_embeddings = nn.Embedding(64, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList([EncoderLayer(hidden, heads) for _ in range(depth)])
        self.pooler = nn.Linear(hidden, hidden)

    def forward(self, ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        positions = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        x = self.norm(self.word_embeddings(ids) + self.position_embeddings(positions))
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, mask)
        return x, torch.tanh(self.pooler(x[:, 0]))


class Decoder(nn.Module):
    def __init__(
        self, vocabulary: int = 100, hidden: int = 48, depth: int = 3, heads: int = 4, tied: bool = False
    ) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, hidden)
        self.wpe = nn.Embedding(64, hidden)
        self.h = nn.ModuleList([Block(hidden, heads, causal=True) for _ in range(depth)])
        self.ln_f = nn.LayerNorm(hidden)
        self.lm_head = nn.Linear(hidden, vocabulary, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class DoubleConv(nn.Sequential):
    def __init__(self, inner: int, outer: int) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(),
            nn.Conv2d(outer, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, width: int = 8, classes: int = 2) -> None:
        super().__init__()
        self.inc = DoubleConv(3, width)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(width, width * 2))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(width * 2, width * 4))
        self.up1 = nn.ConvTranspose2d(width * 4, width * 2, 2, 2)
        self.conv1 = DoubleConv(width * 4, width * 2)
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv2 = DoubleConv(width * 3, width)
        self.outc = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.inc(x)
        two = self.down1(one)
        three = self.down2(two)
        x = self.conv1(torch.cat([two, self.up1(three)], 1))
        x = self.conv2(torch.cat([one, self.up2(x)], 1))
        return self.outc(x)


class ConvNormAct(nn.Sequential):
    def __init__(self, inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU6(),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inner * expansion
        layers = [ConvNormAct(inner, hidden, 1)] if expansion > 1 else []
        layers += [ConvNormAct(hidden, hidden, 3, stride, hidden), nn.Conv2d(hidden, outer, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(outer))
        self.residual = stride == 1 and inner == outer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNormAct(3, 32, 3, 2)]
        inner = 32
        for expansion, outer, count, stride in self.STAGES:
            for i in range(count):
                layers.append(InvertedResidual(inner, outer, stride if i == 0 else 1, expansion))
                inner = outer
        self.features = nn.Sequential(*layers, ConvNormAct(inner, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


class WindowAttention(nn.Module):
    """Attention within windows of a picture, which is moved by `shift` before."""

    def __init__(self, width: int, heads: int, size: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.position = nn.Parameter(torch.zeros(1, heads, window**2, window**2))
        part = torch.zeros(size)
        part[-window:-shift], part[-shift:] = 1, 2
        parts = self.windows((3 * part[:, None] + part[None, :])[None, :, :, None]).squeeze(-1)
        mask = (parts[:, None, :] != parts[:, :, None]).float() * -100.0
        self.register_buffer("mask", mask[:, None] if shift else None)

    def windows(self, x: torch.Tensor) -> torch.Tensor:
        n, h, w, c = x.shape
        size = self.window
        return x.reshape(n, h // size, size, w // size, size, c).transpose(2, 3).reshape(-1, size * size, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, h, w, c = x.shape
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = self.windows(x)
        count, length, _ = x.shape
        q, k, v = self.qkv(x).reshape(count, length, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1) + self.position
        if self.mask is not None:
            each = len(self.mask)
            scores = scores.reshape(-1, each, self.heads, length, length) + self.mask
            scores = scores.reshape(-1, self.heads, length, length)
        x = self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(count, length, c))
        size = self.window
        x = x.reshape(n, h // size, w // size, size, size, c).transpose(2, 3).reshape(n, h, w, c)
        return x.roll((self.shift, self.shift), (1, 2)) if self.shift else x


class WindowBlock(nn.Module):
    def __init__(self, width: int, heads: int, size: int, window: int, shift: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, size, window, shift if size > window else 0)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class Swin(nn.Module):
    """A shifted-window transformer (Liu et al. 2021) with the depths of Swin-T."""

    def __init__(self, width: int = 24, depths: tuple[int, ...] = (2, 2, 6, 2), image: int = 224) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, 4, 4)
        self.norm_embed = nn.LayerNorm(width)
        stages: list[nn.Module] = []
        size, heads, window = image // 4, 3, 7
        for i, depth in enumerate(depths):
            if i:
                stages.append(PatchMerging(width))
                width, heads, size = 2 * width, 2 * heads, size // 2
            shifts = [0 if j % 2 == 0 else window // 2 for j in range(depth)]
            stages.append(nn.Sequential(*[WindowBlock(width, heads, size, window, shift) for shift in shifts]))
        self.features = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm_embed(self.patch_embed(x).permute(0, 2, 3, 1))
        return self.head(self.norm(self.features(x)).mean((1, 2)))


class Tagger(nn.Module):
    """A label for every token, by a recurrent layer in both directions."""

    def __init__(self, vocabulary: int = 50, hidden: int = 12, labels: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, labels)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embedding(ids))[0])


class Pyramid(nn.Module):
    """Pooling and resizing by factors and to another map's size, flattened to one vector of scores for each place."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.deep = nn.Conv2d(width, width, 3, 2, 1)
        self.score = nn.Conv2d(width, 4, 1)
        self.gate = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = functional.hardswish(self.stem(x))
        coarse = functional.silu(self.deep(fine))
        coarse = (
            coarse * torch.sigmoid(self.gate(functional.adaptive_avg_pool2d(coarse, 1).flatten(1)))[:, :, None, None]
        )
        fine = fine + functional.interpolate(coarse, size=fine.shape[2:], mode="nearest")
        fine = functional.interpolate(fine, scale_factor=2.0, mode="bilinear", align_corners=False)
        scores = self.score(functional.avg_pool2d(fine, 2))
        return scores.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 2)


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Any, ...]], list[str]]] = {
    "resnet": (ResNet, lambda: (torch.randn(2, 3, 64, 64),), ["image"]),
    "resnet18": (lambda: ResNet(width=8, block=BasicBlock), lambda: (torch.randn(4, 3, 64, 64),), ["image"]),
    "vit": (ViT, lambda: (torch.randn(2, 3, 32, 32),), ["image"]),
    "encoder": (
        Encoder,
        lambda: (torch.randint(0, 100, (2, 12)), torch.ones(2, 12, dtype=torch.int64)),
        ["ids", "attention_mask"],
    ),
    "decoder": (Decoder, lambda: (torch.randint(0, 100, (2, 12)),), ["ids"]),
    "tied_decoder": (lambda: Decoder(tied=True), lambda: (torch.randint(0, 100, (2, 12)),), ["ids"]),
    "tagger": (Tagger, lambda: (torch.randint(0, 50, (2, 12)),), ["ids"]),
    "pyramid": (Pyramid, lambda: (torch.randn(2, 3, 32, 32),), ["image"]),
    "unet": (UNet, lambda: (torch.randn(2, 3, 32, 32),), ["image"]),
    "resnet50": (lambda: ResNet((3, 4, 6, 3), 64), lambda: (torch.randn(2, 3, 64, 64),), ["image"]),
    "mobilenet_v2": (MobileNetV2, lambda: (torch.randn(2, 3, 64, 64),), ["image"]),
    "vit12": (lambda: ViT(depth=12), lambda: (torch.randn(2, 3, 32, 32),), ["image"]),
    "encoder12": (
        lambda: Encoder(depth=12),
        lambda: (torch.randint(0, 100, (2, 12)), torch.ones(2, 12, dtype=torch.int64)),
        ["ids", "attention_mask"],
    ),
    "decoder12": (lambda: Decoder(depth=12), lambda: (torch.randint(0, 100, (2, 12)),), ["ids"]),
    "swin": (Swin, lambda: (torch.randn(2, 3, 224, 224),), ["image"]),
}
"""Name → the module's class, its example inputs, the inputs' names. The first axis of every input is the batch."""


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Fill every parameter and running statistic with random values, and switch to inference."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() > 1:
                tensor.normal_(0, (1.0 / tensor[0].numel()) ** 0.5)
            else:
                tensor.normal_(1.0 if name.endswith("weight") else 0.0, 0.1)
    return module.eval()


def export(
    name: str, path: Path, dynamo: bool, free: Sequence[int] = (0,), *, batch: int | None = None, **options: Any
) -> nn.Module:
    """Export one of `MODELS` by torch's exporter (`dynamo`) or its older one, with free axes; return it.

    `free` are the axes of every input that have no fixed extent, `batch` is the number of samples of the example.
    """
    build, example, names = MODELS[name]
    module = randomised(build())
    inputs = tuple(value[:batch] for value in example())
    if dynamo:
        first = torch.export.Dim("batch")
        axes = {axis: torch.export.Dim.AUTO if axis else first for axis in free}
        options |= {"dynamic_shapes": tuple(axes for _ in inputs), "verbose": False}
    else:
        options["dynamic_axes"] = {key: {axis: f"axis{axis}" for axis in free} for key in names}
    torch.onnx.export(module, inputs, path, input_names=names, dynamo=dynamo, **options)
    return module
