"""Small modules with what exporters find hard. Tests and the processes that they start import them from this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn


class Classifier(nn.Module):
    """Norms, dropout, a name for each layer, an optional second input."""

    def __init__(self, width: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.drop = nn.Dropout(0.25, inplace=True)
        self.head = nn.Linear(width, classes)

    def forward(self, image: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        x = self.features(image).mean((2, 3))
        x = self.head(self.drop(x))
        return x if scale is None else x * scale


class Stateful(nn.Module):
    """A step of a recurrent network that keeps its state in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.register_buffer("hidden", torch.zeros(1, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.hidden = torch.tanh(self.step(x) + self.hidden)
        return self.hidden * 2


class Caching(nn.Module):
    """A bias that is looked up once and kept, as some attention layers do outside of training."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.ones(5))
        self.places = [0, 2, 4]
        self.cache: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if "bias" not in self.cache:
            self.cache["bias"] = self.table[self.places]
        return x + self.cache["bias"]


class Tagger(nn.Module):
    """Indices and a mask go in, a dictionary with None and nested values comes out; recurrent layers with dropout."""

    def __init__(self, vocabulary: int = 20, width: int = 6, labels: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.rnn = nn.LSTM(width, width, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.head = nn.Linear(2 * width, labels)

    def forward(self, words: torch.Tensor, keep: torch.Tensor) -> dict[str, object]:
        x, _ = self.rnn(self.embedding(words))
        x = x.masked_fill(~keep[..., None], 0.0)
        return {"scores": self.head(x), "loss": None, "inside": {"states": x}}


@dataclass
class Pair:
    """Two results."""

    mean: torch.Tensor
    spread: torch.Tensor | None = None


class Statistics(nn.Module):
    """A dataclass comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> Pair:
        x = x * self.scale
        return Pair(x.mean(1), x.std(1))


class Branching(nn.Module):
    """Branches on a value: the current exporter refuses it, the older one writes one branch."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((4,), 2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            x = x + 100.0
        return x * self.scale


class Harmless(nn.Module):
    """Asks for a value, but computes the same whatever it is: the older exporter takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 1e6:
            raise ValueError("too large")
        return self.head(x)


class Flag(nn.Module):
    """A parameter that is no tensor."""

    def forward(self, x: torch.Tensor, deep: bool) -> torch.Tensor:
        return x if deep else -x


def classifier() -> nn.Module:
    """Makes a wider one."""
    return Classifier(width=6)


class Decoder(nn.Module):
    """A table that is also the head, frequencies that no state holds, a buffer that the state holds."""

    def __init__(self, vocabulary: int = 24, width: int = 8) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.register_buffer("frequencies", 1.0 / 100 ** (torch.arange(width).float() / width), persistent=False)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.table.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        turned = (torch.arange(words.shape[1])[:, None] * self.frequencies).cos().to(self.mix.weight.dtype)
        x = self.mix(self.table(words) * turned)
        return self.head(self.norm(x.transpose(1, 2)).transpose(1, 2))


class Normed(nn.Module):
    """A constant that is computed from a weight when the module is made."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.size = float(self.layer.weight.detach().abs().sum())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) / self.size


def on_meta() -> nn.Module:
    """Makes one without values."""
    with torch.device("meta"):
        return Classifier()


def partly_on_meta() -> nn.Module:
    """Has a buffer without values that no checkpoint holds."""
    net = Classifier()
    net.register_buffer("grid", torch.empty(3, device="meta"), persistent=False)
    return net


def broken() -> nn.Module:
    """Raises an error."""
    return nn.Linear("three", 4)  # type: ignore[arg-type]


class Positions(nn.Module):
    """Fixes the length of a text by a table of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table


class OneByOne(nn.Module):
    """A classifier that takes the images of a batch one by one, and has the size of an image as timm's models do."""

    default_cfg: ClassVar = {"input_size": (3, 8, 8)}

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return torch.stack([self.conv(x[i]).mean() for i in range(x.shape[0])])


class Bessel(nn.Module):
    """ONNX has no function for one of its operators."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(self.fc(x)) + 1


class Whitening(nn.Module):
    """Operators that ONNX does not have and MindSpore has, one of them checked for errors."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        centred = x - x.median(1, keepdim=True)[0]
        return torch.linalg.inv(x.mT @ x + torch.eye(4)), torch.cumprod(torch.sigmoid(centred), 1)


class Projected(nn.Module):
    """An LSTM whose hidden state is projected."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 4, proj_size=2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0]


class Features(nn.Module):
    """Gathers features in a dictionary, and returns another: the form of torchvision's segmentation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        features = {"low": torch.relu(self.body(image))}
        features["high"] = features["low"].mean((2, 3))
        return {"out": self.head(features["high"]), "aux": features["low"]}


class Padding(nn.Module):
    """Sums over groups of eight steps: the rest of a length is padded, or a step is left out."""

    def __init__(self, pads: bool) -> None:
        super().__init__()
        self.pads = pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = x.shape[1]
        if length % 8:
            x = nn.functional.pad(x, (0, 0, 0, -length % 8)) if self.pads else x[:, 1:]
        return x.reshape(x.shape[0], -1, 8, 4).sum(2) if self.pads else x * 2


class Recording(nn.Module):
    """Adds what its layers return, which hooks record that the first run registers, as in libraries of transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(3)])
        self.hooked = False
        self.recorded: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.hooked:
            for layer in self.layers:
                layer.register_forward_hook(lambda module, args, output: self.recorded.append(output))
            self.hooked = True
        self.recorded.clear()
        for layer in self.layers:
            x = layer(x)
        return sum(self.recorded)


class Heads(nn.Module):
    """The states of an LSTM as heads: torch's current exporter takes the example's length for that of all."""

    def __init__(self) -> None:
        super().__init__()
        self.states = nn.LSTM(4, 6, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.states(x)
        return states.unflatten(-1, (2, 3)).relu()


class Drops(nn.Module):
    """Every kind of dropout; with a branch, only the older exporter takes it."""

    def __init__(self, branches: bool = False) -> None:
        super().__init__()
        self.branches = branches
        self.body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout2d(0.3), nn.ReLU())
        self.rows = nn.Sequential(nn.Dropout1d(0.2), nn.Dropout2d(0.4), nn.Dropout(0.1, inplace=True))
        self.alpha = nn.AlphaDropout(0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rows(self.body(x).flatten(2))
        if self.branches and x.sum() > 1e6:
            x = x * 1
        return self.alpha(x)


class Grid(nn.Module):
    """What torch computes with an extent that it takes as a number, each time another way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, height, width = x.shape
        places = torch.arange(height * width) % width + torch.arange(height * width).float() % width
        rows = torch.linspace(-1, 1, height)[:, None] * torch.linspace(0, width - 1, steps=width)
        x = torch.roll(x, width // 2, 2) + x.roll(-(height // 2), 1) + rows + places.view(height, width)
        order = torch.take_along_dim(x, x.argsort(2), 2)
        classes = nn.functional.one_hot(x.argmax(2), width).sum(1, keepdim=True)
        grid = nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 1, height, width), align_corners=False)
        pooled = nn.functional.max_pool2d(x, (height, 1)) - nn.functional.avg_pool1d(x, x.size(2))
        powers = x.abs().pow(1 / width) + torch.arange(height)[:, None].pow(width % 2)
        return order + classes + grid.sum(-1) + pooled + powers


class Windows(nn.Module):
    """Attention within windows, an axis more than its ONNX function takes; a mask of numbers, then one of truths."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 24) for _ in range(2)])
        self.register_buffer("mask", torch.ones(4, 4).tril().bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, mask in zip(self.layers, (self.mask.float(), self.mask), strict=True):
            heads = layer(x.view(x.shape[0], -1, 4, 8)).view(x.shape[0], -1, 4, 3, 2, 4).permute(3, 0, 1, 4, 2, 5)
            attended = nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask)
            x = x + attended.transpose(2, 3).reshape(x.shape)
        return x


class Turned(nn.Module):
    """Rotary position embeddings by complex numbers, to which an axis for the heads is added from either end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angles = torch.outer(torch.arange(x.shape[1]), 10.0 ** -torch.arange(4))
        turns = torch.polar(torch.ones_like(angles), angles)
        pairs = torch.view_as_complex(x.view(*x.shape[:3], 4, 2))
        turned = pairs * turns[None, :, None] + pairs * turns.unsqueeze(-2)
        return torch.view_as_real(turned).flatten(3)


class Masked(nn.Module):
    """Attention whose caller hides keys: by a mask of truths, then by one that is added."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 24) for _ in range(2)])

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        shown = mask[:, None, None] > 0
        added = torch.where(shown, 0.0, float("-inf")).expand(-1, -1, x.shape[1], -1)
        for layer, hidden in zip(self.layers, (shown, added), strict=True):
            heads = layer(x).view(x.shape[0], -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
            attended = nn.functional.scaled_dot_product_attention(*heads, attn_mask=hidden)
            x = x + attended.transpose(1, 2).reshape(x.shape)
        return x


class Step(nn.Module):
    """Two layers and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.first(x).relu())


class Blocks(nn.Module):
    """Blocks of a class; the current exporter refuses the branch."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Step() for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x * 1 if x.sum() > 1e6 else x


class Pools(nn.Module):
    """Pools over whole axes whose extents are free."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        words = x.flatten(2)
        found = nn.functional.max_pool1d(words, words.size(2)).squeeze(2)
        found = found + nn.functional.avg_pool2d(x, x.size()[2:]).flatten(1)
        found = found + nn.functional.avg_pool1d(words, 1).mean(2)
        return found + nn.functional.max_pool2d(x, kernel_size=(x.size(2), x.size(3)), stride=1).flatten(1)


class CountedWindows(nn.Module):
    """The number of samples is computed from that of the windows, as in Swin."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width, channels = x.shape[1], int(x.shape[2]), x.shape[3]
        windows = x.view(-1, height // 2, 2, width, 1, channels).transpose(2, 3).reshape(-1, 2, 1, channels)
        samples = int(windows.shape[0] / (height * width / 2))
        assert isinstance(samples, int)
        y = windows.view(samples, height // 2, width, 2, 1, -1).transpose(2, 3)
        return y.reshape(samples, height, width, int("4")) + x


class OfSamples(nn.Module):
    """Convolutions with weights for each sample, as groups of one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, 6, 4, 3, 3))
        self.bias = nn.Parameter(torch.randn(3))

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        n, channels, height, width = x.shape
        weight = (self.weight * style[:, None, :, None, None]).view(n * 6, channels, 3, 3)
        x = nn.functional.conv2d(x.view(1, n * channels, height, width), weight, stride=(1, 2), padding=1, groups=n)
        weight = weight.view(n * 6, 4, 3, 3)[:, :3]
        bias = self.bias.repeat(n)
        x = nn.functional.conv_transpose2d(x, weight, bias, stride=2, padding=(1,), output_padding=1, groups=n)
        return x.view(n, 3, x.shape[2], x.shape[3])


class Overlapping(nn.Module):
    """Windows that overlap, of a tensor whose axes stand in another order in memory, as Longformer takes them."""

    def __init__(self, branches: bool) -> None:
        super().__init__()
        self.branches = branches

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self.branches and x.sum() > 1e6:
            x = x * 1
        batch = x.shape[0]
        heads = x.transpose(0, 1).contiguous().view(16, batch, 2, 4).transpose(0, 1).transpose(1, 2)
        heads = heads.reshape(batch * 2, 16, 4)
        parts = heads.view(heads.size(0), 2, 8, 4)
        (rows, _, length, size), (row, part, *last) = parts.size(), parts.stride()
        chunks = parts.as_strided(size=(rows, 3, length, size), stride=(row, part // 2, *last))
        first, second, third = heads.stride()
        return chunks, torch.as_strided(heads, (rows, 5, 4, size), (first, 3 * second, second, third))


class Assigned(nn.Module):
    """Assignments to slices of several axes."""

    def __init__(self, branches: bool) -> None:
        super().__init__()
        self.branches = branches
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.branches and x.sum() > 1e6:
            x = x * 1
        x = self.layer(x)
        y = x.new_zeros((x.shape[0], 5, 4, 9))
        y[:, :-1, :, 4:] = x[:, :, :, :5]
        y[:, -1, :, 4:] = x[:, -1, :, :5]
        y[:, 1:, :, :4] = x[:, :, :, 4:]
        y[:, 0, 1:4, 1:4] = x[:, 0, :3, -3:]
        return y


class InMemory(nn.Module):
    """Elements by their places in memory, of a tensor that is turned around."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(0, 1).as_strided((3, 4), (16, 5))


class Searched(nn.Module):
    """Numbers among bounds: those of a buffer, and those of their own row."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bounds", torch.linspace(-1, 1, 8))

    def forward(self, x: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rows = rows.sort(-1).values
        found = torch.bucketize(x, self.bounds) * 100 + torch.bucketize(x, self.bounds, right=True)
        return found, torch.searchsorted(rows, x, side="right"), torch.searchsorted(rows, x, out_int32=True)


class Named(nn.Module):
    """Buffers that are called like operators."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.arange(20.0))
        self.register_buffer("sub", torch.ones(20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x - self.mean
        return x.mean(1, keepdim=True) * self.sub + x.mean(0)


class Bags(nn.Module):
    """Bags of embeddings, each with a mode of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.EmbeddingBag(20, 4, padding_idx=0)
        self.plain = nn.EmbeddingBag(20, 4)
        self.sum = nn.EmbeddingBag(20, 4, mode="sum", padding_idx=-19)
        self.max = nn.EmbeddingBag(20, 4, mode="max", padding_idx=2)

    def forward(self, x: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        bags = (self.mean(x), self.plain(x), self.sum(x), self.max(x), self.max(x * 0 + 2))
        return torch.cat(
            (*bags, nn.functional.embedding_bag(x, self.sum.weight, mode="sum", per_sample_weights=share)), 1
        )
