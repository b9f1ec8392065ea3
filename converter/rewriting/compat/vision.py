"""Datasets and transforms of torchvision, of arrays and of Pillow's images; nothing is downloaded."""

import gzip
import os
import pickle

import numpy as np
from mindspore import Tensor
from PIL import Image


class Compose:
    """torchvision.transforms.Compose."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for each in self.transforms:
            image = each(image)
        return image


class Lambda:
    """torchvision.transforms.Lambda."""

    def __init__(self, lambd):
        self.lambd = lambd

    def __call__(self, image):
        return self.lambd(image)


class ToTensor:
    """torchvision.transforms.ToTensor: (channels, height, width), between 0 and 1."""

    def __call__(self, image):
        array = np.asarray(image)
        array = array[..., None] if array.ndim == 2 else array
        scale = 255.0 if array.dtype == np.uint8 else 1.0
        return Tensor(np.ascontiguousarray(array.transpose(2, 0, 1)).astype(np.float32) / scale)


class Normalize:
    """torchvision.transforms.Normalize."""

    def __init__(self, mean, std, inplace=False):
        self.mean = np.asarray(mean, np.float32).reshape(-1, 1, 1)
        self.std = np.asarray(std, np.float32).reshape(-1, 1, 1)

    def __call__(self, image):
        array = image.asnumpy() if isinstance(image, Tensor) else np.asarray(image)
        return Tensor((array - self.mean) / self.std)


class InterpolationMode:
    """torchvision.transforms.InterpolationMode, by the names of PIL."""

    NEAREST, BILINEAR, BICUBIC = Image.NEAREST, Image.BILINEAR, Image.BICUBIC
    BOX, HAMMING, LANCZOS = Image.BOX, Image.HAMMING, Image.LANCZOS


class Resize:
    """torchvision.transforms.Resize of an image; one number is the length of its shorter side."""

    def __init__(self, size, interpolation=Image.BILINEAR, max_size=None, antialias=True):
        self.size = size
        self.interpolation = interpolation

    def __call__(self, image):
        width, height = image.size
        if not isinstance(self.size, int):
            height, width = self.size
        elif width < height:
            width, height = self.size, int(self.size * height / width)
        else:
            width, height = int(self.size * width / height), self.size
        return image.resize((width, height), self.interpolation)


class CenterCrop:
    """torchvision.transforms.CenterCrop of an image."""

    def __init__(self, size):
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def __call__(self, image):
        width, height = image.size
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        return image.crop((left, top, left + self.size[1], top + self.size[0]))


class RandomCrop:
    """torchvision.transforms.RandomCrop of an image."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.padding = padding or 0

    def __call__(self, image):
        if self.padding:
            image = Pad(self.padding)(image)
        width, height = image.size
        top = np.random.randint(0, height - self.size[0] + 1)
        left = np.random.randint(0, width - self.size[1] + 1)
        return image.crop((left, top, left + self.size[1], top + self.size[0]))


class RandomResizedCrop:
    """torchvision.transforms.RandomResizedCrop of an image."""

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0), interpolation=Image.BILINEAR):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.scale, self.ratio, self.interpolation = scale, ratio, interpolation

    def __call__(self, image):
        width, height = image.size
        for _ in range(10):
            area = width * height * np.random.uniform(*self.scale)
            ratio = np.exp(np.random.uniform(*np.log(self.ratio)))
            w, h = round(float(np.sqrt(area * ratio))), round(float(np.sqrt(area / ratio)))
            if 0 < w <= width and 0 < h <= height:
                break
        else:
            w, h = min(width, height), min(width, height)
        left, top = np.random.randint(0, width - w + 1), np.random.randint(0, height - h + 1)
        box = (left, top, left + w, top + h)
        return image.crop(box).resize(self.size[::-1], self.interpolation)


class Pad:
    """torchvision.transforms.Pad of an image."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        self.padding = (padding,) * 2 if isinstance(padding, int) else tuple(padding)
        self.fill = fill

    def __call__(self, image):
        left, top = self.padding[:2]
        right, bottom = self.padding[-2:]
        made = Image.new(image.mode, (image.width + left + right, image.height + top + bottom), self.fill)
        made.paste(image, (left, top))
        return made


class RandomHorizontalFlip:
    """torchvision.transforms.RandomHorizontalFlip of an image."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        return image.transpose(Image.FLIP_LEFT_RIGHT) if np.random.random() < self.p else image


class RandomVerticalFlip:
    """torchvision.transforms.RandomVerticalFlip of an image."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        return image.transpose(Image.FLIP_TOP_BOTTOM) if np.random.random() < self.p else image


class Grayscale:
    """torchvision.transforms.Grayscale of an image."""

    def __init__(self, num_output_channels=1):
        self.mode = "L" if num_output_channels == 1 else "RGB"

    def __call__(self, image):
        return image.convert("L").convert(self.mode)


class VisionDataset:
    """torchvision.datasets.VisionDataset."""

    def __init__(self, root="", transform=None, target_transform=None):
        self.root, self.transform, self.target_transform = root, transform, target_transform
        self.targets = []

    def image_at(self, index):
        raise NotImplementedError

    def __getitem__(self, index):
        image, target = self.image_at(index), self.targets[index]
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self):
        return len(self.targets)


def opened(folder, names):
    """The first of some files that a folder has, packed or not."""
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return open(path, "rb")
        if os.path.exists(f"{path}.gz"):
            return gzip.open(f"{path}.gz", "rb")
    raise FileNotFoundError(f"{folder} holds no {names[0]}: nothing is downloaded; put the dataset's files there.")


class MNIST(VisionDataset):
    """torchvision.datasets.MNIST, from the files in ROOT/MNIST/raw."""

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform)
        kind = "train" if train else "t10k"
        folder = os.path.join(root, type(self).__name__, "raw")
        with opened(folder, [f"{kind}-images-idx3-ubyte"]) as file:
            data = np.frombuffer(file.read(), np.uint8, offset=16)
        with opened(folder, [f"{kind}-labels-idx1-ubyte"]) as file:
            self.targets = [int(each) for each in np.frombuffer(file.read(), np.uint8, offset=8)]
        self.data = data.reshape(-1, 28, 28)
        self.classes = [str(each) for each in range(10)]

    def image_at(self, index):
        return Image.fromarray(self.data[index], mode="L")


class FashionMNIST(MNIST):
    """torchvision.datasets.FashionMNIST."""


class KMNIST(MNIST):
    """torchvision.datasets.KMNIST."""


class CIFAR10(VisionDataset):
    """torchvision.datasets.CIFAR10, from the files in ROOT/cifar-10-batches-py."""

    folder, key = "cifar-10-batches-py", "labels"
    files = {True: [f"data_batch_{number}" for number in range(1, 6)], False: ["test_batch"]}

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform)
        parts = []
        for name in self.files[bool(train)]:
            with opened(os.path.join(root, self.folder), [name]) as file:
                batch = pickle.load(file, encoding="latin1")
            parts.append(batch["data"])
            self.targets += [int(each) for each in batch[self.key]]
        self.data = np.concatenate(parts).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)

    def image_at(self, index):
        return Image.fromarray(np.ascontiguousarray(self.data[index]))


class CIFAR100(CIFAR10):
    """torchvision.datasets.CIFAR100, from the files in ROOT/cifar-100-python."""

    folder, key = "cifar-100-python", "fine_labels"
    files = {True: ["train"], False: ["test"]}


class ImageFolder(VisionDataset):
    """torchvision.datasets.ImageFolder: a folder for each class."""

    def __init__(self, root, transform=None, target_transform=None, loader=None, is_valid_file=None):
        super().__init__(root, transform, target_transform)
        self.classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples = []
        for number, name in enumerate(self.classes):
            for folder, _, files in sorted(os.walk(os.path.join(root, name))):
                for file in sorted(files):
                    if file.lower().endswith((".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")):
                        self.samples.append((os.path.join(folder, file), number))
        self.imgs = self.samples
        self.targets = [number for _, number in self.samples]

    def image_at(self, index):
        with Image.open(self.samples[index][0]) as image:
            return image.convert("RGB")


class FakeData(VisionDataset):
    """torchvision.datasets.FakeData: images of noise."""

    def __init__(
        self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None,
        random_offset=0,
    ):  # fmt: skip
        super().__init__("", transform, target_transform)
        self.image_size, self.random_offset = image_size, random_offset
        self.targets = [int(each) for each in np.random.default_rng(random_offset).integers(0, num_classes, size)]

    def image_at(self, index):
        noise = np.random.default_rng(self.random_offset + index).random(self.image_size)
        return Image.fromarray((noise.transpose(1, 2, 0) * 255).astype(np.uint8))


def make_grid(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0):
    """torchvision.utils.make_grid."""
    images = np.stack([each.asnumpy() for each in tensor]) if isinstance(tensor, (list, tuple)) else tensor.asnumpy()
    images = images[:, None] if images.ndim == 3 else images
    images = np.repeat(images, 3, 1) if images.shape[1] == 1 else images
    if normalize:
        low, high = value_range or (images.min(), images.max())
        images = (np.clip(images, low, high) - low) / max(high - low, 1e-5)
    columns = min(nrow, len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[2] + padding, images.shape[3] + padding
    grid = np.full((3, height * rows + padding, width * columns + padding), pad_value, np.float32)
    for number, image in enumerate(images):
        top, left = number // columns * height + padding, number % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = image
    return Tensor(grid)


def save_image(tensor, fp, format=None, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False):
    """torchvision.utils.save_image."""
    tensor = tensor.expand_dims(0) if isinstance(tensor, Tensor) and tensor.ndim == 3 else tensor
    grid = make_grid(tensor, nrow, padding, normalize, value_range).asnumpy()
    Image.fromarray((grid * 255 + 0.5).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(fp, format)
