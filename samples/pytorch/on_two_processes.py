"""The converted network on two processes of MindSpore's launcher, on a CPU: data-parallel, or with a weight in two.

    msrun --worker_num=2 --local_worker_num=2 on_two_processes.py
    msrun --worker_num=2 --local_worker_num=2 on_two_processes.py --split

Each process trains on its half of the images, and gradients are averaged; or each holds half of the last layer's matrix
and computes its share of the product, and the shares are added. The checkpoint is one file, or a folder of shards
(`--weights FOLDER`), of which each process reads what it holds.
"""

import argparse
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import communication, nn, ops

from ResidualNet import MindSporeModel

HERE = Path(__file__).parent
CLASSES = 10


class SplitLinear(nn.Cell):
    """A dense layer of which this process has the columns of its share of the inputs; the products are added."""

    def __init__(self, layer, rank, size):
        super().__init__()
        share = layer.weight.shape[1] // size
        self.begin, self.end = rank * share, (rank + 1) * share
        self.weight = ms.Parameter(layer.weight[:, self.begin : self.end].copy(), name="weight")
        self.bias = layer.bias
        self.add_up = ops.AllReduce()

    def construct(self, x):
        product = ops.matmul(x[:, self.begin : self.end], self.weight.T)
        return self.add_up(product) + self.bias


def load_network(weights):
    """The network with its checkpoint: a file, or a folder of shards with param_name_map.json."""
    net = MindSporeModel()
    if weights.is_dir():
        ms.load_distributed_checkpoint(net, format="safetensors", unified_safetensors_dir=str(weights))
    else:
        ms.load_param_into_net(net, ms.load_checkpoint(str(weights)), strict_load=True)
    return net


def train(net, images, labels, rank, size):
    """Three steps on this process's share of the images; returns the losses."""
    net.set_train()
    ms.set_auto_parallel_context(parallel_mode="data_parallel", gradients_mean=True, device_num=size)
    optimizer = nn.SGD(net.trainable_params(), 0.05)
    average = nn.DistributedGradReducer(optimizer.parameters)
    step = ms.value_and_grad(lambda x, y: ops.cross_entropy(net(x), y), None, optimizer.parameters)
    losses = []
    for _ in range(3):
        loss, gradients = step(ms.Tensor(images[rank::size]), ms.Tensor(labels[rank::size]))
        optimizer(average(gradients))
        losses.append(float(loss.asnumpy()))
    return losses


def main():
    """Run one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", action="store_true", help="split the last layer instead of the images")
    parser.add_argument("--weights", type=Path, default=HERE / "ResidualNet.ckpt")
    options = parser.parse_args()
    communication.init()
    rank, size = communication.get_rank(), communication.get_group_size()
    random = np.random.default_rng(0)
    images = random.standard_normal((4, 3, 16, 16), np.float32)
    labels = random.integers(0, CLASSES, 4).astype(np.int32)
    net = load_network(options.weights)
    if options.split:
        whole = net(ms.Tensor(images)).asnumpy()
        net.head = SplitLinear(net.head, rank, size)
        apart = np.abs(net(ms.Tensor(images)).asnumpy() - whole).max()
        print(f"rank {rank} holds {net.head.weight.shape} of the head; largest difference {apart:.1e}", flush=True)
    else:
        losses = train(net, images, labels, rank, size)
        total = sum(float(p.asnumpy().astype(np.float64).sum()) for p in net.trainable_params())
        print(f"rank {rank}: loss {losses[0]:.5f} to {losses[-1]:.5f}, sum of the weights {total:.6f}", flush=True)


if __name__ == "__main__":
    main()
