"""ds_cnn_s, translated from ds_cnn_s.pb (frozen graph, TensorFlow 2.21).

Input Mfcc:0  float32 (1, 49, 10)
Output labels_softmax:0  float32 (1, 12)

    import mindspore as ms
    from ds_cnn_s import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("ds_cnn_s.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 49, 10), dtype=ms.float32))
"""

from mindspore import nn, ops


class ConvDs(nn.Cell):
    """Two convolutions. Source: conv_ds_1 … conv_ds_4."""

    def __init__(self):
        super().__init__()
        self.depthwise_conv = nn.Conv2d(64, 64, 3, pad_mode="pad", padding=1, group=64, has_bias=True)
        self.dw_batch_norm = nn.BatchNorm2d(64, eps=0.001)
        self.pointwise_conv = nn.Conv2d(64, 64, 1, has_bias=True)
        self.pw_batch_norm = nn.BatchNorm2d(64, eps=0.001)

    def construct(self, x):
        x = ops.relu(self.dw_batch_norm(self.depthwise_conv(x)))
        return ops.relu(self.pw_batch_norm(self.pointwise_conv(x)))


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.conv_1 = nn.Conv2d(1, 64, (10, 4), stride=2, pad_mode="pad", padding=(4, 5, 1, 1), has_bias=True)
        self.conv_1_batch_norm = nn.BatchNorm2d(64, eps=0.001)
        self.layers = nn.SequentialCell(*[ConvDs() for _ in range(4)])
        self.avg_pool = nn.AvgPool2d((25, 5), 2)
        self.fc1 = nn.Linear(64, 12)

    def construct(self, mfcc):
        x = ops.relu(self.conv_1_batch_norm(self.conv_1(mfcc.reshape((-1, 1, 49, 10)))))
        x = self.avg_pool(self.layers(x)).squeeze((2, 3))
        return ops.softmax(self.fc1(x), -1)
