"""Fine-tune the converted super-resolution network on small synthetic images, in less than a minute on a CPU.

Alone, or on two processes whose gradients are averaged:

    python fine_tune.py
    msrun --worker_num=2 --local_worker_num=2 fine_tune.py --data_parallel
"""

import argparse
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from super_resolution import MindSporeModel

SCALE = 3
PATCH = 24
BATCH = 4


def images(generator, count):
    """Smooth random images, (count, 1, 72, 72), and the same averaged down to a third of the size, (…, 24, 24)."""
    y, x = np.mgrid[0 : PATCH * SCALE, 0 : PATCH * SCALE] / (PATCH * SCALE)
    waves = generator.uniform(0, 6, (count, 3, 1, 1))
    large = 0.5 + 0.5 * np.sin(waves[:, 0] * 6 * x + waves[:, 1] * 6 * y + waves[:, 2])
    small = large.reshape(count, PATCH, SCALE, PATCH, SCALE).mean((2, 4))
    return large[:, None].astype(np.float32), small[:, None].astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--data_parallel", action="store_true", help="under msrun: one process of several")
    options = parser.parse_args()

    rank, size = 0, 1
    if options.data_parallel:
        from mindspore import communication

        communication.init()
        rank, size = communication.get_rank(), communication.get_group_size()
        ms.set_auto_parallel_context(parallel_mode="data_parallel", gradients_mean=True, device_num=size)

    net = MindSporeModel()
    checkpoint = Path(__file__).with_name("super_resolution.ckpt")
    ms.load_param_into_net(net, ms.load_checkpoint(str(checkpoint)), strict_load=True)
    net.set_train()

    def loss_of(small, large):
        return ops.square(net(small) - large).mean()

    optimizer = nn.Adam(net.trainable_params(), learning_rate=1e-4)
    gradients_of = ms.value_and_grad(loss_of, None, optimizer.parameters)
    reduce = nn.DistributedGradReducer(optimizer.parameters) if size > 1 else (lambda gradients: gradients)
    large, small = images(np.random.default_rng(rank), BATCH)
    for step in range(options.steps):
        loss, gradients = gradients_of(ms.Tensor(small), ms.Tensor(large))
        optimizer(reduce(gradients))
        if rank == 0 and step in (0, options.steps - 1):
            print(f"step {step + 1}: loss {float(loss.asnumpy()):.5f}", flush=True)


if __name__ == "__main__":
    main()
