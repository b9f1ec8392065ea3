"""A residual network of bottlenecks and of convolutions with norm and activation, trained with warm-up and clipping."""

import torch
from torch import nn, optim


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, kernel_size=3, stride=1, groups=1):
        padding = (kernel_size - 1) // 2
        super().__init__(
            nn.Conv2d(in_planes, out_planes, kernel_size, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(out_planes),
            nn.ReLU6(inplace=True),
        )


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Net(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.stem = ConvBNReLU(3, 8, stride=2)
        self.block = Bottleneck(8, 4, downsample=ConvBNReLU(8, 16, kernel_size=1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.pool(self.block(self.stem(x)))
        return self.head(torch.flatten(x, 1))


class Trainer:
    def __init__(self, model, steps):
        self.model = model
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
        decay = [p for n, p in model.named_parameters() if p.ndim > 1]
        rest = [p for n, p in model.named_parameters() if p.ndim <= 1]
        self.optimizer = optim.SGD(
            [{"params": decay, "weight_decay": 1e-4}, {"params": rest}], lr=0.2, momentum=0.9, nesterov=True
        )
        self.scheduler = optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: min(1.0, (step + 1) / 3))
        self.scaler = torch.cuda.amp.GradScaler(enabled=False)

    def step(self, images, labels):
        self.model.train()
        with torch.cuda.amp.autocast(enabled=False):
            outputs = self.model(images)
            loss = self.criterion(outputs, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=5.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        accuracy = (outputs.argmax(1) == labels).float().mean()
        return loss.item(), accuracy.item(), float(norm)


if __name__ == "__main__":
    torch.manual_seed(0)
    labels = torch.arange(24) % 3
    images = torch.randn(24, 3, 12, 12) * 0.3 + labels.view(-1, 1, 1, 1) * 0.5
    trainer = Trainer(Net(), 8)
    losses = []
    for step in range(8):
        loss, accuracy, norm = trainer.step(images, labels)
        losses.append(loss)
        print(f"step {step}: loss {loss:.4f} accuracy {accuracy:.2f} norm {norm:.3f}")
    print("first", losses[0], "last", losses[-1])
