"""Boxes: pooling over regions of interest (RoI), and non-maximum suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def roi_align(
    node: Node,
    x: Operand,
    rois: Operand,
    batch_indices: Operand,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Arg:
    """ONNX RoiAlign: a function; `ops.ROIAlign` enlarges small regions, and has no adaptive sampling on the CPU."""
    pooled = (output_height, output_width)
    half_pixel = coordinate_transformation_mode == "half_pixel"
    args = (x, rois, batch_indices, pooled, spatial_scale, sampling_ratio, half_pixel, mode == "max")
    return expr("{0}({1}, {2}, {3}, {4}, {5}, {6}, {7}, {8})", align_regions, *args)


def align_regions(x, rois, batch_indices, pooled, scale, samples, half_pixel, maximum):
    """Pool regions (R, 4: left, top, right, bottom) of images (N, C, H, W), sampled between the pixels.

    Every bin takes `samples` by `samples` of them, or, when that is 0, about one for every pixel.
    """
    if rois.shape[0] == 0:
        return ops.zeros((0, x.shape[1], *pooled), dtype=x.dtype)
    corners = rois * scale - (0.5 if half_pixel else 0)
    size = corners[:, 2:] - corners[:, :2]
    if not half_pixel:
        size = ops.clamp(size, 1)
    width, height = size[:, :1] / pooled[1], size[:, 1:] / pooled[0]
    columns, rows = ops.ceil(width), ops.ceil(height)
    if samples > 0:
        columns, rows = ops.full_like(columns, samples), ops.full_like(rows, samples)
    pixels = x.transpose((0, 2, 3, 1)).reshape((-1, x.shape[1]))
    first = batch_indices.astype(ms.int32).reshape((-1, 1, 1)) * (x.shape[2] * x.shape[3])
    total = ops.zeros((rois.shape[0], *pooled, x.shape[1]), dtype=x.dtype)
    i = ops.zeros((), dtype=ms.float32)
    while i < ops.amax(rows):
        j = ops.zeros((), dtype=ms.float32)
        while j < ops.amax(columns):
            y = corners[:, 1:2] + (ops.arange(pooled[0]) + (i + 0.5) / rows) * height
            z = corners[:, 0:1] + (ops.arange(pooled[1]) + (j + 0.5) / columns) * width
            exists = ops.logical_and(i < rows, j < columns).reshape((-1, 1, 1, 1))
            value = sample_regions(pixels, first, y, z, x.shape[2:], maximum)
            more = ops.maximum(total, value) if maximum else total + value
            start = ops.logical_and(i == 0, j == 0)
            total = ops.where(exists, ops.where(start, value, more), total)
            j = j + 1
        i = i + 1
    if not maximum:
        total = total / ops.clamp(rows * columns, 1).astype(x.dtype).reshape((-1, 1, 1, 1))
    return total.transpose((0, 3, 1, 2))


def sample_regions(pixels, first, y, x, size, maximum):
    """Interpolate between the four pixels around rows `y` (R, h) and columns `x` (R, w) of images of `size`.

    With `maximum` the largest of the four weighted pixels is taken instead of their sum, as in ONNX. Positions more
    than a pixel outside give 0.
    """
    inside = ops.logical_and(
        ops.logical_and(y >= -1, y <= size[0]).unsqueeze(2), ops.logical_and(x >= -1, x <= size[1]).unsqueeze(1)
    )
    y, x = ops.clamp(y, 0, size[0] - 1), ops.clamp(x, 0, size[1] - 1)
    top, left = ops.floor(y), ops.floor(x)
    corners = []
    for row, height in ((top, top + 1 - y), (ops.clamp(top + 1, 0, size[0] - 1), y - top)):
        for column, width in ((left, left + 1 - x), (ops.clamp(left + 1, 0, size[1] - 1), x - left)):
            index = first + (row.unsqueeze(2) * size[1] + column.unsqueeze(1)).astype(ms.int32)
            weight = height.unsqueeze(2) * width.unsqueeze(1) * inside.astype(ms.float32)
            corners.append(ops.gather(pixels, index, 0) * weight.unsqueeze(3).astype(pixels.dtype))
    if maximum:
        return ops.maximum(ops.maximum(corners[0], corners[1]), ops.maximum(corners[2], corners[3]))
    return corners[0] + corners[1] + corners[2] + corners[3]


def max_roi_pool(
    node: Node, x: Operand, rois: Operand, *, pooled_shape: tuple[int, ...] = (), spatial_scale: float = 1.0
) -> Arg:
    """ONNX MaxRoiPool: a function that takes the maximum over each bin of every region."""
    return expr("{0}({1}, {2}, {3}, {4})", pool_regions, x, rois, tuple(pooled_shape), spatial_scale)


def pool_regions(x, rois, pooled, scale):
    """Maxima over the bins of regions (R, 5: batch, left, top, right, bottom) of images; 0 over empty bins."""
    images = ops.gather(x, rois[:, 0].astype(ms.int32), 0)
    corners = rois[:, 1:] * scale
    corners = ops.sign(corners) * ops.floor(ops.abs(corners) + 0.5)
    in_row = bins_of(corners[:, 1], corners[:, 3], pooled[0], x.shape[2])
    in_column = bins_of(corners[:, 0], corners[:, 2], pooled[1], x.shape[3])
    lowest = ops.full_like(images, -3e38)
    rows = []
    for i in range(pooled[0]):
        row = ops.amax(ops.where(in_row[:, i].reshape((-1, 1, x.shape[2], 1)), images, lowest), 2)
        columns = []
        for j in range(pooled[1]):
            inside = in_column[:, j].reshape((-1, 1, x.shape[3]))
            columns.append(ops.amax(ops.where(inside, row, lowest[:, :, 0]), 2))
        rows.append(ops.stack(columns, 2))
    y = ops.stack(rows, 2)
    return ops.where(y > -3e38, y, ops.zeros_like(y))


def bins_of(first, last, count, size):
    """Which of `size` positions (R, count, size) lie in each of the `count` bins from `first` to `last`."""
    width = ops.clamp(last - first + 1, 1).reshape((-1, 1, 1)) / count
    edges = ops.arange(count + 1).astype(ms.float32).reshape((1, -1, 1))
    first = first.reshape((-1, 1, 1))
    start = ops.floor(edges[:, :-1] * width) + first
    stop = ops.ceil(edges[:, 1:] * width) + first
    places = ops.arange(size).astype(ms.float32)
    return ops.logical_and(places >= start, places < stop)


def non_max_suppression(
    node: Node,
    boxes: Operand,
    scores: Operand,
    max_output_boxes_per_class: Operand | None,
    iou_threshold: Operand | None,
    score_threshold: Operand | None,
    *,
    center_point_box: int = 0,
) -> Arg:
    """ONNX NonMaxSuppression: a function that loops over the selected boxes, all classes at once.

    Without `max_output_boxes_per_class` nothing is selected.
    """
    if max_output_boxes_per_class is None:
        return expr("ops.zeros({0}, dtype=ms.int64)", (0, 3))
    limit = max_output_boxes_per_class.number_or_tensor()
    overlap = 0.0 if iou_threshold is None else iou_threshold.number_or_tensor()
    lowest = None if score_threshold is None else score_threshold.number_or_tensor()
    args = (boxes, scores, limit, overlap, lowest, bool(center_point_box))
    return expr("{0}({1}, {2}, {3}, {4}, {5}, {6})", select_boxes, *args)


def select_boxes(boxes, scores, limit, iou_threshold, score_threshold, centred):
    """Choose the best boxes that overlap no better one: (chosen, 3: batch, class, box), by falling score.

    boxes (batch, box, 4) are corners in any order, or centre and size; scores are (batch, class, box).
    """
    batches, classes, count = scores.shape
    if count == 0:
        return ops.zeros((0, 3), dtype=ms.int64)
    low, high = boxes[..., :2], boxes[..., 2:]
    if centred:
        low, high = low - high / 2, low + high / 2
    low, high = ops.minimum(low, high), ops.maximum(low, high)
    low = ops.broadcast_to(low.unsqueeze(1), (batches, classes, count, 2)).reshape((-1, count, 2))
    high = ops.broadcast_to(high.unsqueeze(1), (batches, classes, count, 2)).reshape((-1, count, 2))
    area = (high[..., 0] - low[..., 0]) * (high[..., 1] - low[..., 1])
    scores = scores.reshape((-1, count))
    left = ops.ones_like(scores) > 0 if score_threshold is None else scores > score_threshold
    turn = ops.zeros_like(scores)
    number = ops.ones((), dtype=scores.dtype)
    least = ops.full_like(scores, -1.5e38)  # a score of minus infinity is more than none
    while ops.logical_and(number <= limit, ops.any(left)).all():
        best = ops.argmax(ops.where(left, ops.maximum(scores, least), least * 2), 1)
        chosen = ops.logical_and(ops.arange(count) == best.reshape((-1, 1)), left)
        turn = ops.where(chosen, number, turn)
        taken = chosen.astype(boxes.dtype).unsqueeze(2)
        best_low, best_high = (low * taken).sum(1, keepdims=True), (high * taken).sum(1, keepdims=True)
        shared = ops.relu(ops.minimum(high, best_high) - ops.maximum(low, best_low))
        shared = shared[..., 0] * shared[..., 1]
        union = area + (area * taken[..., 0]).sum(1, keepdims=True) - shared
        left = ops.logical_and(left, ops.logical_not(ops.logical_or(chosen, shared > iou_threshold * union)))
        number = number + 1
    return ranked(turn, classes)


def ranked(turn, classes):
    """Write the boxes that had a turn as rows (batch, class, box), those of a class by their turn."""
    turn, box = ops.sort(ops.where(turn > 0, turn, ops.full_like(turn, 3e38)), 1)
    chosen = ops.nonzero(turn < 3e38)
    row, place = chosen[:, 0], chosen[:, 1]
    box = ops.gather(box.reshape(-1), row * turn.shape[1] + place, 0).astype(ms.int64)
    return ops.stack((row // classes, row % classes, box), 1)


ROWS = {
    "MaxRoiPool": max_roi_pool,
    "NonMaxSuppression": non_max_suppression,
    "RoiAlign": roi_align,
}
