"""tagger, translated from tagger (SavedModel, TensorFlow 2.21).

Inputs
    words  int32 (N, d1)
Outputs
    output_0  float32 (N, d1, 8)

    net = MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint("tagger.ckpt"), strict_load=True)
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
