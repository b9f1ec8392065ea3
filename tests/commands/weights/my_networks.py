"""Networks of one's own, written by hand in MindSpore."""

from __future__ import annotations

from mindspore import nn, ops


class LeNet5(nn.Cell):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, pad_mode="valid", has_bias=True)
        self.conv2 = nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True)
        self.fc1 = nn.Dense(256, 120)
        self.fc2 = nn.Dense(120, 84)
        self.fc3 = nn.Dense(84, classes)
        self.pool = nn.MaxPool2d(2, 2)

    def construct(self, x):
        x = self.pool(ops.relu(self.conv1(x)))
        x = self.pool(ops.relu(self.conv2(x)))
        x = x.reshape(x.shape[0], -1)
        return self.fc3(ops.relu(self.fc2(ops.relu(self.fc1(x)))))


class Block(nn.Cell):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        stride = 1 if inputs == width else 2
        self.conv_a = nn.Conv2d(inputs, width, 3, stride, pad_mode="pad", padding=1)
        self.norm_a = nn.BatchNorm2d(width)
        self.conv_b = nn.Conv2d(width, width, 3, pad_mode="pad", padding=1)
        self.norm_b = nn.BatchNorm2d(width)
        self.shortcut = None
        if stride > 1:
            conv = nn.Conv2d(inputs, width, 1, stride, pad_mode="valid")
            self.shortcut = nn.SequentialCell(conv, nn.BatchNorm2d(width))

    def construct(self, x):
        y = self.norm_b(self.conv_b(ops.relu(self.norm_a(self.conv_a(x)))))
        return ops.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Cell):
    """ResNet18 with channels of one's own."""

    def __init__(self, width: int = 4, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7, 2, pad_mode="pad", padding=3)
        self.stem_norm = nn.BatchNorm2d(width)
        widths = [width * 2**i for i in range(4)]
        blocks = [(a, b) for i, b in enumerate(widths) for a in (widths[max(i - 1, 0)], b)]
        self.blocks = nn.SequentialCell([Block(inputs, outputs) for inputs, outputs in blocks])
        self.head = nn.Dense(widths[-1], classes)

    def construct(self, x):
        x = ops.relu(self.stem_norm(self.stem(x)))
        return self.head(self.blocks(x).mean((2, 3)))


class Tagger(nn.Cell):
    """A tag for each word, by an LSTM in both directions."""

    def __init__(self, words: int = 50, tags: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 8)
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.tags = nn.Dense(12, tags)

    def construct(self, x):
        return self.tags(self.lstm(self.embedding(x))[0])


class Twins(nn.Cell):
    """Two layers of one shape, whose names say nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Dense(4, 4)
        self.b = nn.Dense(4, 4)

    def construct(self, x):
        return self.b(ops.relu(self.a(x)))


def broken() -> None:
    raise ValueError("no weights today")


NOT_A_NETWORK = 3
