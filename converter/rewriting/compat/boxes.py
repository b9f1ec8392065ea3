"""Boxes of torchvision.ops: corners (x1, y1, x2, y2), one box a row."""

import mindspore as ms
from mindspore import ops


def box_area(boxes):
    """torchvision.ops.box_area."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_overlaps(boxes1, boxes2):
    """Of boxes that belong together: the areas in which they meet, of their unions, and the sides of the box around both."""
    sides = (ops.minimum(boxes1[..., 2:], boxes2[..., 2:]) - ops.maximum(boxes1[..., :2], boxes2[..., :2])).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    one, other = boxes1[..., 2:] - boxes1[..., :2], boxes2[..., 2:] - boxes2[..., :2]
    union = one[..., 0] * one[..., 1] + other[..., 0] * other[..., 1] - inter
    return inter, union, ops.maximum(boxes1[..., 2:], boxes2[..., 2:]) - ops.minimum(boxes1[..., :2], boxes2[..., :2])


def box_iou(boxes1, boxes2):
    """torchvision.ops.box_iou: of each box of the first and each of the second."""
    inter, union, _ = box_overlaps(boxes1[:, None], boxes2[None])
    return inter / union


def generalized_box_iou(boxes1, boxes2):
    """torchvision.ops.generalized_box_iou."""
    inter, union, sides = box_overlaps(boxes1[:, None], boxes2[None])
    around = sides[..., 0] * sides[..., 1]
    return inter / union - (around - union) / around


def generalized_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """torchvision.ops.generalized_box_iou_loss."""
    inter, union, sides = box_overlaps(boxes1, boxes2)
    around = sides[..., 0] * sides[..., 1]
    return reduced(1 - (inter / (union + eps) - (around - union) / (around + eps)), reduction)


def of_centers(boxes1, boxes2, eps):
    """The IoU of boxes that belong together, and one minus it, plus how far their centres are apart."""
    inter, union, sides = box_overlaps(boxes1, boxes2)
    iou = inter / (union + eps)
    moved = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]) / 2
    return iou, 1 - iou + (moved**2).sum(-1) / ((sides**2).sum(-1) + eps)


def distance_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """torchvision.ops.distance_box_iou_loss."""
    return reduced(of_centers(boxes1, boxes2, eps)[1], reduction)


def complete_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """torchvision.ops.complete_box_iou_loss."""
    iou, loss = of_centers(boxes1, boxes2, eps)
    one, other = boxes1[..., 2:] - boxes1[..., :2], boxes2[..., 2:] - boxes2[..., :2]
    angles = ops.atan(other[..., 0] / other[..., 1]) - ops.atan(one[..., 0] / one[..., 1])
    shape = 4 / 3.141592653589793**2 * angles**2
    weight = ops.stop_gradient(shape / (1 - iou + shape + eps))
    return reduced(loss + weight * shape, reduction)


def box_convert(boxes, in_fmt, out_fmt):
    """torchvision.ops.box_convert between xyxy, xywh and cxcywh."""
    if in_fmt == out_fmt:
        return boxes
    a, b, c, d = boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return ops.stack((a, b, c, d), -1)


def clip_boxes_to_image(boxes, size):
    """torchvision.ops.clip_boxes_to_image; the size is (height, width)."""
    height, width = size
    columns, rows = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return ops.stack((columns, rows), -1).reshape(boxes.shape)


def remove_small_boxes(boxes, min_size):
    """torchvision.ops.remove_small_boxes."""
    wide, high = boxes[:, 2] - boxes[:, 0] >= min_size, boxes[:, 3] - boxes[:, 1] >= min_size
    return ops.nonzero(ops.logical_and(wide, high)).reshape((-1,))


def nms(boxes, scores, iou_threshold):
    """torchvision.ops.nms. A box goes when one that stays, and scores more, overlaps it: said again until nothing changes."""
    if boxes.shape[0] == 0:
        return ops.zeros((0,), dtype=ms.int64)
    boxes = ops.stop_gradient(boxes)
    order = ops.argsort(ops.stop_gradient(scores), axis=0, descending=True)
    sorted_boxes = boxes[order].astype(ms.float32)
    places = ops.arange(boxes.shape[0])
    overlaps = box_iou(sorted_boxes, sorted_boxes).astype(ms.float64)  # PyTorch compares with the threshold in 64 bits
    close = (overlaps > ms.Tensor(iou_threshold, ms.float64)).astype(ms.float32)
    close = close * (places[:, None] < places[None]).astype(ms.float32)
    kept = ops.ones((boxes.shape[0],), dtype=ms.float32)
    before = ops.zeros((boxes.shape[0],), dtype=ms.float32)
    while ops.abs(kept - before).sum() > 0:
        before = kept
        kept = (ops.matmul(kept[None], close)[0] < 0.5).astype(ms.float32)
    return order[ops.nonzero(kept).reshape((-1,))].astype(ms.int64)


def batched_nms(boxes, scores, idxs, iou_threshold):
    """torchvision.ops.batched_nms: boxes of different classes are moved apart."""
    if boxes.shape[0] == 0:
        return ops.zeros((0,), dtype=ms.int64)
    boxes = ops.stop_gradient(boxes)
    return nms(boxes + (idxs.astype(boxes.dtype) * (boxes.max() + 1))[:, None], scores, iou_threshold)


def sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2, reduction="none"):
    """torchvision.ops.sigmoid_focal_loss."""
    p = ops.sigmoid(inputs)
    found = p * targets + (1 - p) * (1 - targets)
    loss = binary_cross_entropy_with_logits(inputs, targets, None, "none") * (1 - found) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return reduced(loss, reduction)
