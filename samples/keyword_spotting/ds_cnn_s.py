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
    """Batch norm, ReLU and convolution. Source: conv_ds_1 … conv_ds_4."""

    def __init__(self):
        super().__init__()
        self.dw_batch_norm = nn.BatchNorm2d(64, eps=0.001)
        self.pointwise_conv = nn.Conv2d(64, 64, 1, has_bias=True)
        self.pw_batch_norm = nn.BatchNorm2d(64, eps=0.001)

    def construct(self, x):
        return ops.relu(self.pw_batch_norm(self.pointwise_conv(ops.relu(self.dw_batch_norm(x)))))


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.conv_1 = nn.Conv2d(1, 64, (10, 4), stride=2, pad_mode="pad", padding=(4, 5, 1, 1), has_bias=True)
        self.conv_1_batch_norm = nn.BatchNorm2d(64, eps=0.001)
        self.conv_ds_1_depthwise_conv = nn.Conv2d(64, 64, 3, pad_mode="pad", padding=1, group=64, has_bias=True)
        self.conv_ds_1 = ConvDs()
        self.conv_ds_2_depthwise_conv = nn.Conv2d(64, 64, 3, pad_mode="pad", padding=1, group=64, has_bias=True)
        self.conv_ds_2 = ConvDs()
        self.conv_ds_3_depthwise_conv = nn.Conv2d(64, 64, 3, pad_mode="pad", padding=1, group=64, has_bias=True)
        self.conv_ds_3 = ConvDs()
        self.conv_ds_4_depthwise_conv = nn.Conv2d(64, 64, 3, pad_mode="pad", padding=1, group=64, has_bias=True)
        self.conv_ds_4 = ConvDs()
        self.avg_pool = nn.AvgPool2d((25, 5), 2)
        self.fc1 = nn.Linear(64, 12)

    def construct(self, mfcc):
        x = ops.relu(self.conv_1_batch_norm(self.conv_1(mfcc.reshape((-1, 1, 49, 10)))))
        x = self.conv_ds_2_depthwise_conv(self.conv_ds_1(self.conv_ds_1_depthwise_conv(x)))
        x = self.conv_ds_4_depthwise_conv(self.conv_ds_3(self.conv_ds_3_depthwise_conv(self.conv_ds_2(x))))
        x = self.avg_pool(self.conv_ds_4(x)).squeeze((2, 3))
        return ops.softmax(self.fc1(x), -1)
