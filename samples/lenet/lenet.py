"""lenet, translated from lenet.meta (TensorFlow 1 checkpoint, TensorFlow 2.21).

Input images:0  float32 (N, 28, 28, 1)
Output fc2/BiasAdd:0  float32 (N, 10)
Notes
    Found inputs, from which weights are reached: 'images:0'. Found outputs, which the loss 'loss:0' reads:
        'fc2/BiasAdd:0'. Found labels, from which no weight is reached: 'labels:0'. Other ends: --input_nodes,
        --output_nodes.
    Set for inference: keep_prob:0 = 1.0.
    The graph does not say the rate of the dropouts 'dropout/SelectV2': 0.5 is a guess.

    import mindspore as ms
    from lenet import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("lenet.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 28, 28, 1), dtype=ms.float32))
"""

from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, pad_mode="valid", has_bias=True)
        self.conv1_1 = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True)
        self.conv2_1 = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(256, 84)
        self.dropout = nn.Dropout(p=0.5)
        self.fc2 = nn.Linear(84, 10)

    def construct(self, images):
        x = self.conv1_1(ops.relu(self.conv1(images.transpose((0, 3, 1, 2)))))
        x = self.conv2_1(ops.relu(self.conv2(x))).transpose((0, 2, 3, 1)).reshape((-1, 256))
        x = self.dropout(ops.relu(self.fc1(x)))
        return self.fc2(x)
