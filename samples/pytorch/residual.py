"""A small residual network for images, as one writes it in PyTorch."""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """Two convolutions and what went into them."""

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outer)
        self.shortcut = nn.Conv2d(inner, outer, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x))


class ResidualNet(nn.Module):
    """Three stages of blocks, and scores of ten classes."""

    def __init__(self, width: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 1, 1)
        self.stage1 = nn.Sequential(Residual(width, width), Residual(width, width))
        self.stage2 = nn.Sequential(Residual(width, 2 * width, 2), Residual(2 * width, 2 * width))
        self.stage3 = nn.Sequential(Residual(2 * width, 4 * width, 2), Residual(4 * width, 4 * width))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(4 * width, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stage3(self.stage2(self.stage1(self.stem(image))))
        return self.head(self.dropout(x.mean((2, 3))))
