"""tagger, translated from tagger (SavedModel, TensorFlow 2.21).

Input words  int32 (N, d1)
Output output_0  float32 (N, d1, 8)

    import mindspore as ms
    from tagger import MindSporeModel

    ms.set_device("CPU")  # or "Ascend", "GPU"
    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("tagger.ckpt"), strict_load=True)
    outputs = net(ms.ops.zeros((1, 16), dtype=ms.int32))
"""

from mindspore import nn, ops


class MindSporeModel(nn.Cell):
    """The whole network."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(200, 16)
        self.context = nn.GRU(16, 24, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(48, 32)
        self.tags = nn.Linear(32, 8)

    def construct(self, words):
        x, _ = self.context(self.embedding(words))
        return ops.softmax(self.tags(ops.relu(self.hidden(x))), -1)
