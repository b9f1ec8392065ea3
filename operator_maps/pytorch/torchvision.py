"""Datasets and transforms of torchvision, and layers that networks of other projects take from it."""

from __future__ import annotations

from converter.rewriting import Row, call, layer, value

_FILES = "Nothing is downloaded: the dataset's files must be in its folder."
_TRAIN = "(root, train=True, transform=None, target_transform=None, download=False)"
_DATASETS = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100"), _TRAIN),
    "ImageFolder": "(root, transform=None, target_transform=None, loader=None, is_valid_file=None)",
    "FakeData": "(size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None, "
    "random_offset=0)",
}
_REFUSED_DATA = {"ImageFolder": "loader is_valid_file"}
_TRANSFORMS = {  # the signature, and what must keep its default
    "Compose": ("(transforms)", ""),
    "Lambda": ("(lambd)", ""),
    "ToTensor": ("()", ""),
    "Normalize": ("(mean, std, inplace=False)", ""),
    "Resize": ("(size, interpolation=None, max_size=None, antialias=True)", "max_size"),
    "CenterCrop": ("(size)", ""),
    "RandomCrop": (
        "(size, padding=None, pad_if_needed=False, fill=0, padding_mode='constant')",
        "pad_if_needed fill padding_mode",
    ),
    "RandomResizedCrop": (
        "(size, scale=(0.08, 1.0), ratio=(0.75, 1.3333333333333333), interpolation=None, antialias=True)",
        "interpolation",
    ),
    "Pad": ("(padding, fill=0, padding_mode='constant')", "padding_mode"),
    "RandomHorizontalFlip": ("(p=0.5)", ""),
    "RandomVerticalFlip": ("(p=0.5)", ""),
    "Grayscale": ("(num_output_channels=1)", ""),
}


def _names(signature: str, refused: str) -> str:
    parts = [part.split("=")[0].strip() for part in _split(signature)]
    return ", ".join(f"{each}={{{each}}}" for each in parts if each and each not in (*refused.split(), "antialias"))


def _split(signature: str) -> list[str]:
    """The parameters of a signature without annotations."""
    parts, depth = [""], 0
    for letter in signature[1:-1]:
        depth += (letter == "(") - (letter == ")")
        parts = [*parts, ""] if letter == "," and depth == 0 else [*parts[:-1], parts[-1] + letter]
    return parts


_BOXES = {
    "box_area": "(boxes)",
    "box_iou": "(boxes1, boxes2)",
    "generalized_box_iou": "(boxes1, boxes2)",
    "box_convert": "(boxes, in_fmt, out_fmt)",
    "clip_boxes_to_image": "(boxes, size)",
    "remove_small_boxes": "(boxes, min_size)",
    "nms": "(boxes, scores, iou_threshold)",
    "batched_nms": "(boxes, scores, idxs, iou_threshold)",
}

ROWS: dict[str, Row] = {
    **{
        f"torchvision.ops.{module}{name}": call(signature, f"compat.{name}(...)", value=f"compat.{name}")
        for name, signature in _BOXES.items()
        for module in ("", "boxes.")
    },
    **{
        f"torchvision.ops.{module}sigmoid_focal_loss": call(
            "(inputs, targets, alpha=0.25, gamma=2, reduction='none')", "compat.sigmoid_focal_loss(...)"
        )
        for module in ("", "focal_loss.")
    },
    **{
        f"torchvision.ops.{module}{name}_box_iou_loss": call(
            "(boxes1, boxes2, reduction='none', eps=1e-07)", f"compat.{name}_box_iou_loss(...)"
        )
        for name, home in (("generalized", "giou_loss."), ("distance", "diou_loss."), ("complete", "ciou_loss."))
        for module in ("", home)
    },
    **{
        f"torchvision.ops.{module}FrozenBatchNorm2d": layer(
            "(num_features, eps=1e-05)", "compat.FrozenBatchNorm2d(...)"
        )
        for module in ("", "misc.")
    },
    **{
        f"torchvision.datasets.{name}": call(
            signature,
            f"compat.{name}({_names(signature, _REFUSED_DATA.get(name, ''))})",
            value=f"compat.{name}",
            refused=_REFUSED_DATA.get(name, ""),
            returns="other",
            note="" if name == "FakeData" else _FILES,
        )
        for name, signature in _DATASETS.items()
    },
    **{
        f"torchvision.transforms.{name}": call(
            signature,
            f"compat.{name}({_names(signature, refused)})",
            value=f"compat.{name}",
            refused=refused,
            ignored="antialias" if "antialias" in signature else "",
            returns="other",
        )
        for name, (signature, refused) in _TRANSFORMS.items()
    },
    **{
        f"torchvision.transforms.InterpolationMode.{name}": value(f"compat.InterpolationMode.{name}")
        for name in ("NEAREST", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS")
    },
    "torchvision.utils.make_grid": call(
        "(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0)",
        "compat.make_grid(...)",
        refused="scale_each",
    ),
    "torchvision.utils.save_image": call(
        "(tensor, fp, format=None, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False)",
        "compat.save_image(...)",
        refused="scale_each",
        returns="other",
    ),
}
