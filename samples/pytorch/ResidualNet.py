"""ResidualNet, translated from residual:ResidualNet (torch 2.13.0, opset 20).

Input image  float32 (N, 3, H, W)
Output output  float32 (N, 10)

    import mindspore as ms
    from ResidualNet import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("ResidualNet.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 3, 224, 224), dtype=ms.float32))
"""

from mindspore import nn, ops


class Residual(nn.Cell):
    """Residual block of two convolutions. Source: stage1.0 … stage3.1."""

    def __init__(self, in_channels, channels, stride=1, shortcut=False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, pad_mode="pad", padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, pad_mode="pad", padding=1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(in_channels, channels, 1, stride=2, has_bias=True) if shortcut else None

    def construct(self, x):
        y = ops.relu(self.norm1(self.conv1(x)))
        x = self.norm2(self.conv2(y)) + (self.shortcut(x) if self.shortcut is not None else x)
        return ops.relu(x)


class MindSporeModel(nn.Cell):
    """The whole network. Source: residual.ResidualNet."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.stage1 = nn.SequentialCell(*[Residual(8, 8) for _ in range(2)])
        self.stage2 = nn.SequentialCell(Residual(8, 16, stride=2, shortcut=True), Residual(16, 16))
        self.stage3 = nn.SequentialCell(Residual(16, 32, stride=2, shortcut=True), Residual(32, 32))
        self.dropout = nn.Dropout(p=0.2)
        self.head = nn.Linear(32, 10)

    def construct(self, image):
        x = self.stage1(self.stem(image))
        x = self.stage2(x)
        x = self.dropout(ops.mean(self.stage3(x), (2, 3)))
        return self.head(x)
