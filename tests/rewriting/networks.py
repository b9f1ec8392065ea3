"""Networks whose form is a trap; `test_networks.py` converts this file, and compares each in both modes."""

from __future__ import annotations

import torch
from torch import nn


class ChildrenInForward(nn.Module):
    """Its own children, those of a part of it, and their names."""

    shapes = ((2, 4),)

    def __init__(self):
        super().__init__()
        for number in range(2):
            self.add_module(f"first{number}", nn.Linear(4, 4))
        self.last = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))

    def forward(self, x):
        for layer in self.children():
            x = torch.relu(layer(x))
        for name, layer in self.last.named_children():
            x = layer(x) * float(len(name))
        for layer in list(self.last.children())[1:]:
            x = x + layer(x)
        return x
