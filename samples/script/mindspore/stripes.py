"""Train a small network to tell horizontal from vertical stripes: `python stripes.py --epochs 4`."""

import argparse

import numpy as np
import mindspore as ms
from mindspore import nn, ops
import _torch_compat as compat


class Stripes(compat.Dataset):
    """Images of 12 x 12 with stripes and noise; the label says which way the stripes run."""

    def __init__(self, size, seed):
        random = np.random.default_rng(seed)
        self.labels = random.integers(0, 2, size)
        waves = np.sin(np.arange(12) * 1.5 + random.uniform(0, 6, (size, 1)))
        images = np.repeat(waves[:, None, :], 12, axis=1)
        images[self.labels == 1] = images[self.labels == 1].transpose(0, 2, 1)
        self.images = (images + random.normal(0, 0.8, images.shape))[:, None].astype(np.float32)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return ms.from_numpy(self.images[index]), int(self.labels[index])


class Net(nn.Cell):
    def __init__(self, channels=8):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, pad_mode='pad', padding=1, has_bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, stride=2, pad_mode='pad', has_bias=True)
        self.head = nn.Dense(2 * channels, 2)

    def construct(self, x):
        x = ops.relu(self.bn1(self.conv1(x)))
        x = ops.relu(self.conv2(x))
        return self.head(x.mean(dim=(2, 3)))


def train(model, loader, optimizer, device):
    model.set_train()
    total = 0.0
    for images, labels in loader:
        images, labels = images, labels
        optimizer.zero_grad()
        def forward():
            loss = ops.cross_entropy(model(images), labels)
            return loss
        loss = compat.backward(forward, model)
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def test(model, loader, device):
    model.set_train(False)
    right = 0
    for images, labels in loader:
        found = model(images).argmax(1)
        right += (found == labels).sum().item()
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--save", default="stripes.pth")
    args = parser.parse_args()
    ms.set_seed(0)
    device = "cpu"
    model = Net().set_train()
    optimizer = compat.SGD(compat.parameters(model), lr=0.05, momentum=0.9, weight_decay=1e-4)
    scheduler = compat.StepLR(optimizer, step_size=2, gamma=0.5)
    loader = compat.DataLoader(Stripes(256, seed=0), batch_size=32, shuffle=True)
    for epoch in range(args.epochs):
        loss = train(model, loader, optimizer, device)
        scheduler.step()
        print(f"epoch {epoch}: loss {loss:.4f}")
    print(f"right: {test(model, compat.DataLoader(Stripes(64, seed=1), batch_size=32), device):.3f}")
    compat.save(compat.state_dict(model), args.save)


if __name__ == "__main__":
    main()
