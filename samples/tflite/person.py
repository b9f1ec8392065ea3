"""person, translated from person.tflite (TensorFlow Lite, TensorFlow 2.21).

Input image  float32 (1, 32, 32, 1)
Output output_0  float32 (1, 2)

    import mindspore as ms
    from person import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("person.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 32, 32, 1), dtype=ms.float32))
"""

from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.conv2d = nn.Conv2d(1, 8, 3, stride=2, pad_mode="pad", padding=(0, 1, 0, 1), has_bias=True)
        self.depthwise_conv2d = nn.Conv2d(
            8, 8, 3, stride=2, pad_mode="pad", padding=(0, 1, 0, 1), group=8, has_bias=True
        )
        self.conv2d_1_2 = nn.Conv2d(8, 16, 1, has_bias=True)
        self.depthwise_conv2d_1_2 = nn.Conv2d(
            16, 16, 3, stride=2, pad_mode="pad", padding=(0, 1, 0, 1), group=16, has_bias=True
        )
        self.conv2d_2 = nn.Conv2d(16, 32, 1, has_bias=True)
        self.dense = nn.Linear(32, 2)

    def construct(self, image):
        x = ops.relu6(self.conv2d(image.transpose((0, 3, 1, 2))))
        x = ops.relu6(self.conv2d_1_2(ops.relu6(self.depthwise_conv2d(x))))
        x = ops.mean(ops.relu6(self.conv2d_2(ops.relu6(self.depthwise_conv2d_1_2(x)))), (2, 3))
        return ops.softmax(self.dense(x), -1)
