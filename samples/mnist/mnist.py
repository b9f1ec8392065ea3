"""mnist, translated from mnist.onnx (CNTK 2.5.1, opset 7).

Input Input3  float32 (1, 1, 28, 28)
Output Plus214_Output_0  float32 (1, 10)

    import mindspore as ms
    from mnist import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("mnist.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 1, 28, 28), dtype=ms.float32))
"""

from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.convolution28 = nn.Conv2d(1, 8, 5, pad_mode="same", has_bias=True)
        self.pooling66 = nn.MaxPool2d(2, 2)
        self.convolution110 = nn.Conv2d(8, 16, 5, pad_mode="same", has_bias=True)
        self.pooling160 = nn.MaxPool2d(3, 3)
        self.plus214 = nn.Linear(256, 10)

    def construct(self, input3):
        x = self.pooling66(ops.relu(self.convolution28(input3)))
        x = self.pooling160(ops.relu(self.convolution110(x))).reshape((1, 256))
        return self.plus214(x)
