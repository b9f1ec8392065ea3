"""super_resolution, translated from super_resolution.onnx (pytorch 1.11.0, opset 15).

Input input  float32 (N, 1, H, W)
Output output  float32 (N, 1, ?, ?)

    import mindspore as ms
    from super_resolution import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("super_resolution.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 1, 224, 224), dtype=ms.float32))
"""

from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 5, pad_mode="pad", padding=2, has_bias=True)
        self.conv2 = nn.Conv2d(64, 64, 3, pad_mode="pad", padding=1, has_bias=True)
        self.conv3 = nn.Conv2d(64, 32, 3, pad_mode="pad", padding=1, has_bias=True)
        self.conv4 = nn.Conv2d(32, 9, 3, pad_mode="pad", padding=1, has_bias=True)

    def construct(self, x):
        x = ops.relu(self.conv2(ops.relu(self.conv1(x))))
        return ops.pixel_shuffle(self.conv4(ops.relu(self.conv3(x))), 3)
