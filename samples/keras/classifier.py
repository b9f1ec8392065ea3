"""classifier, translated from classifier.keras (Keras 3.15.1, TensorFlow 2.21).

Input image  float32 (N, 32, 32, 3)
Output scores  float32 (N, 5)

    import mindspore as ms
    from classifier import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("classifier.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 32, 32, 3), dtype=ms.float32))
"""

from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1)
        self.stem_norm = nn.BatchNorm2d(8, eps=0.001, momentum=0.99)
        self.block1 = nn.SequentialCell(
            nn.SequentialCell(nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1, group=8), nn.Conv2d(8, 8, 1)),
            nn.BatchNorm2d(8, eps=0.001, momentum=0.99),
        )
        self.block2 = nn.SequentialCell(
            nn.SequentialCell(nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1, group=8), nn.Conv2d(8, 8, 1)),
            nn.BatchNorm2d(8, eps=0.001, momentum=0.99),
        )
        self.dropout = nn.Dropout(p=0.3)
        self.scores = nn.Linear(8, 5)

    def construct(self, image):
        x = ops.relu(self.stem_norm(self.stem(image.transpose((0, 3, 1, 2)))))
        x = ops.relu(x + self.block1(x))
        x = self.dropout(ops.mean(ops.relu(x + self.block2(x)), (2, 3)))
        return self.scores(x)
