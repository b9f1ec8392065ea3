"""Train lenet: the training that was in lenet.meta.

Momentum, learning rate 0.01, decaying by 0.95 every 100 steps; L2 penalties as weight decay, so that the printed loss
    is without them.
"""

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import dataset, nn
from mindspore.train import LossMonitor, Model

from lenet import MindSporeModel

HERE = Path(__file__).parent
EPOCHS = 1
BATCH = 32
DECAYED = ("fc1.weight", "fc2.weight")


def load_network():
    """The network with its checkpoint."""
    net = MindSporeModel()
    parameters = ms.load_checkpoint(str(HERE / "lenet.ckpt"))
    ms.load_param_into_net(net, parameters, strict_load=True)
    return net


def make_optimizer(net):
    """Momentum as in the source."""
    decayed = [p for p in net.trainable_params() if p.name in DECAYED]
    others = [p for p in net.trainable_params() if p.name not in DECAYED]
    groups = [{"params": decayed, "weight_decay": 0.0005}, {"params": others}]
    return nn.Momentum(groups, learning_rate=nn.ExponentialDecayLR(0.01, 0.95, 100, is_stair=True), momentum=0.9)


def load_state(optimizer):
    """The optimizer as it was behind step 50 of the source."""
    state = ms.load_checkpoint(str(HERE / "train_lenet.ckpt"))
    for parameter in optimizer.get_parameters():
        if parameter.name in state:
            parameter.set_data(state[parameter.name])


class TrainStep(nn.Cell):
    """One step: the loss, its gradients, and the optimizer."""

    def __init__(self, net, loss, optimizer):
        super().__init__(auto_prefix=False)
        self.net = net
        self.loss = loss
        self.optimizer = optimizer
        self.loss_and_gradients = ms.value_and_grad(self.forward, None, optimizer.parameters)

    def forward(self, images, labels):
        return self.loss(self.net(images), labels)

    def construct(self, images, labels):
        loss, gradients = self.loss_and_gradients(images, labels)
        self.optimizer(gradients)
        return loss


def make_dataset():
    """Random numbers of the right shapes and types: put your data in their place."""
    random = np.random.default_rng(0)

    def samples():
        for _ in range(4 * BATCH):
            yield random.standard_normal((28, 28, 1)).astype(np.float32), np.int32(random.integers(0, 10))

    data = dataset.GeneratorDataset(samples, ["images", "labels"], shuffle=False)
    return data.batch(BATCH, drop_remainder=True)


def main():
    """Train, and save the network."""
    net = load_network()
    loss = nn.CrossEntropyLoss()
    optimizer = make_optimizer(net)
    load_state(optimizer)  # leave this out to begin anew
    model = Model(TrainStep(net, loss, optimizer))
    model.train(EPOCHS, make_dataset(), callbacks=[LossMonitor()], dataset_sink_mode=False)
    ms.save_checkpoint(net, str(HERE / "lenet_trained.ckpt"))


if __name__ == "__main__":
    main()
