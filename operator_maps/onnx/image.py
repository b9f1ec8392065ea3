"""Images: interpolation at arbitrary positions, and rearranging pixels between space, channels and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.graph import may_be_empty
from converter.rows import Arg, Node, Operand, expr, invoke, unless_default
from operator_maps.lib.padding import pad_axes
from operator_maps.lib.windows import scalar, window_of
from operator_maps.onnx.slicing import subscript

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def depth_to_space(node: Node, x: Operand, *, blocksize: int = 1, mode: str = "DCR") -> Arg:
    """ONNX DepthToSpace: `ops.DepthToSpace` for mode DCR, `ops.pixel_shuffle` for mode CRD."""
    if mode == "CRD":
        return expr("ops.pixel_shuffle({0}, {1})", x, blocksize)
    return expr("ops.DepthToSpace({0})({1})", blocksize, x) if blocksize > 1 else x


def space_to_depth(node: Node, x: Operand, *, blocksize: int = 1, mode: str = "DCR") -> Arg:
    """ONNX SpaceToDepth: `ops.SpaceToDepth` for mode DCR, `ops.pixel_unshuffle` for mode CRD."""
    if mode == "CRD":
        return expr("ops.pixel_unshuffle({0}, {1})", x, blocksize)
    return expr("ops.SpaceToDepth({0})({1})", blocksize, x) if blocksize > 1 else x


def center_crop_pad(node: Node, x: Operand, shape: Operand, *, axes: tuple[int, ...] | None = None) -> Arg:
    """ONNX CenterCropPad: axes that are too long are sliced, axes that are too short are padded with zeros.

    A function for an extent that is known only when the network runs, and for a tensor that may have no elements, which
    `ops.pad` refuses.

    Raises:
        Unsupported: the rank of the input is unknown.
    """
    wanted = shape.items(computed=True)
    if x.shape is None or wanted is None:
        raise node.decline("the rank of its input is unknown")
    chosen = [*zip(axes or range(len(x.shape)), wanted, strict=True)]
    known = all(isinstance(extent, int) and x.shape[axis] is not None for axis, extent in chosen)
    if not known or may_be_empty(x.value):
        result: Arg = x
        for axis, extent in chosen:
            result = expr("{0}({1}, {2}, {3})", centre_along, result, extent, axis % len(x.shape))
        return result
    cropped, pads = {}, [(0, 0)] * len(x.shape)
    for axis, extent in chosen:
        size = x.shape[axis]
        before = abs(size - extent) // 2
        if extent < size:
            cropped[axis % len(x.shape)] = slice(before, before + extent)
        else:
            pads[axis] = (before, extent - size - before)
    y: Arg = subscript(x, cropped) if cropped else x
    return pad_axes(y, pads)


def centre_along(x, extent, axis):
    """The middle of an axis, or the whole axis between zeros, as long as `extent`."""
    size = x.shape[axis]
    places = ops.arange(extent) + int((size - extent) / 2)
    inside = ops.logical_and(places >= 0, places < size).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    taken = ops.gather(x, ops.clamp(places, 0, size - 1), axis)
    return ops.where(inside, taken, ops.zeros_like(taken))


def col2im(
    node: Node,
    x: Operand,
    image_shape: Operand,
    block_shape: Operand,
    *,
    dilations: tuple[int, ...] | None = None,
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX Col2Im: `ops.fold` in 2-D, a slice of a larger image if the padding is asymmetric; else a function.

    Raises:
        Unsupported: the number of spatial axes is unknown.
    """
    image, block = image_shape.items(computed=True), block_shape.items(computed=True)
    if image is None or block is None:
        raise node.decline("the number of its spatial axes is unknown")
    rank = len(block)
    if rank != 2 or not all(isinstance(extent, int) for extent in (*image, *block)):
        ones = (1,) * rank
        options = (strides or ones, dilations or ones, (pads or (0,) * rank)[:rank], (pads or (0,) * 2 * rank)[rank:])
        return expr("{0}({1}, {2}, {3}, {4}, {5}, {6}, {7})", add_blocks, x, image, block, *options)
    window = window_of(node, x, block, "NOTSET", strides, dilations, pads)
    padding = window.begin
    if not window.symmetric:
        padding = (0, 0)
        image = tuple(sum(extents) for extents in zip(image, window.begin, window.end, strict=True))  # type: ignore[arg-type]
    size = expr("ms.Tensor({0}, ms.int32)", list(image))
    sizes = [scalar(each) for each in (window.kernel, window.dilations, padding, window.strides)]
    y = expr("ops.fold({0}, {1}, {2}, {3}, {4}, {5})", x, size, *sizes)
    if window.symmetric:
        return y
    bounds = zip((2, 3), window.begin, window.end, image, strict=True)
    return subscript(y, {axis: slice(begin, extent - end) for axis, begin, end, extent in bounds})  # type: ignore[operator]


def add_blocks(x, image, block, strides, dilations, begins, ends):
    """Add up the blocks (batch, channels * elements of a block, blocks) where they stand in an image."""
    places, inside = ops.zeros((1, 1, 1, 1), dtype=ms.int64), ops.ones((1, 1, 1, 1), dtype=ms.bool_)
    elements, blocks = 1, 1
    for i in range(len(image)):
        count = (image[i] + begins[i] + ends[i] - (block[i] - 1) * dilations[i] - 1) // strides[i] + 1
        within = ops.arange(block[i]).reshape((-1, 1)) * dilations[i] - begins[i]
        place = within + ops.arange(count) * strides[i]
        place = place.reshape((1, block[i], 1, count))
        there = ops.logical_and(place >= 0, place < image[i])
        shape = (elements * block[i], 1, blocks * count, 1)
        places = (places.reshape((elements, 1, blocks, 1)) * image[i] + place).reshape(shape)
        inside = ops.logical_and(inside.reshape((elements, 1, blocks, 1)), there).reshape(shape)
        elements, blocks = elements * block[i], blocks * count
    size = 1
    for extent in image:
        size = size * extent
    places = ops.where(inside, places, size).reshape((-1, 1))
    rows = x.reshape((-1, elements * blocks)).T
    sums = ops.zeros((size + 1, rows.shape[1]), dtype=x.dtype)
    sums = ops.tensor_scatter_elements(sums, ops.broadcast_to(places, rows.shape), rows, 0, "add")
    return sums[:size].T.reshape((x.shape[0], -1, *image))


def affine_grid(node: Node, theta: Operand, size: Operand, *, align_corners: int = 0) -> Arg:
    """ONNX AffineGrid: `ops.affine_grid`, which takes no float64: that is computed in float32.

    Raises:
        Unsupported: the number of axes is unknown.
    """
    extents = size.items(computed=True)
    if extents is None:
        raise node.decline("the number of its axes is unknown")
    options = unless_default(align_corners=(bool(align_corners), False))
    if theta.dtype != ir.DataType.DOUBLE:
        return invoke("ops.affine_grid", theta, extents, **options)
    narrow = invoke("ops.affine_grid", expr("{0}.astype(ms.float32)", theta), extents, **options)
    return expr("{0}.astype(ms.float64)", narrow)


def grid_sample(
    node: Node, x: Operand, grid: Operand, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Arg:
    """ONNX GridSample: `ops.grid_sample`; a function for nearest, which rounds ties otherwise, and for cubic.

    `x` is (N, C, H, W) and `grid` (N, h, w, 2), or (N, C, D, H, W) and (N, d, h, w, 3).

    Raises:
        Unsupported: the rank of the input is unknown or not 4 or 5, or it is 5 with cubic interpolation.
    """
    if x.rank not in ((4,) if mode == "cubic" else (4, 5)):
        raise node.decline(f"its input has rank {x.rank}")
    if mode != "linear":
        helper = grid_sample_cubic if mode == "cubic" else grid_sample_nearest
        return expr("{0}({1}, {2}, {3}, {4})", helper, x, grid, padding_mode, bool(align_corners))
    options = unless_default(padding_mode=(padding_mode, "zeros"))
    # graph mode tells a parameter from a tensor here: the type of one is not that of the other
    images, places = (expr("{0}.value()", item) if item.is_constant else item for item in (x, grid))
    return invoke("ops.grid_sample", images, places, **options, align_corners=bool(align_corners))


def grid_sample_nearest(x, grid, padding_mode, align_corners):
    """Sample images (N, C, …) at relative positions (N, …, axes): the nearest element, of two the even one."""
    index, counts = ops.zeros_like(grid[..., 0]), ops.ones_like(grid[..., 0])
    for axis in range(2, x.ndim):
        positions = grid_positions(grid[..., x.ndim - 1 - axis], x.shape[axis], align_corners)
        nearest, inside = inner_index(ops.round(positions), x.shape[axis], padding_mode, align_corners)
        index, counts = index * x.shape[axis] + nearest, counts * inside
    return take_pixels(x, index) * counts.unsqueeze(1).astype(x.dtype)


def grid_sample_cubic(x, grid, padding_mode, align_corners):
    """Sample images (N, C, H, W) at relative positions (N, h, w, 2) by cubic convolution, a = -0.75."""
    columns = grid_positions(grid[..., 0], x.shape[3], align_corners)
    rows = grid_positions(grid[..., 1], x.shape[2], align_corners)
    left, top = ops.floor(columns), ops.floor(rows)
    total = 0
    for i in range(-1, 3):
        row, row_counts = inner_index(top + i, x.shape[2], padding_mode, align_corners)
        row_weight = cubic_weight(ops.abs(rows - top - i)) * row_counts
        for j in range(-1, 3):
            column, column_counts = inner_index(left + j, x.shape[3], padding_mode, align_corners)
            weight = row_weight * cubic_weight(ops.abs(columns - left - j)) * column_counts
            total = total + take_pixels(x, row * x.shape[3] + column) * weight.unsqueeze(1).astype(x.dtype)
    return total


def take_pixels(x, index):
    """Take from every channel the elements at flat positions (N, …) in its plane."""
    planes = x.reshape((x.shape[0], x.shape[1], -1))
    flat = ops.tile(index.astype(ms.int32).reshape((x.shape[0], 1, -1)), (1, x.shape[1], 1))
    return ops.gather_elements(planes, 2, flat).reshape((x.shape[0], x.shape[1], *index.shape[1:]))


def grid_positions(relative, size, align_corners):
    """From -1 to 1 over an axis to its elements' positions, 0 to size - 1."""
    return (relative + 1) * (size - 1) / 2 if align_corners else ((relative + 1) * size - 1) / 2


def inner_index(index, size, padding_mode, align_corners):
    """Bring indices into an axis; also return whether they count."""
    counts = ops.ones_like(index)
    if padding_mode == "zeros":
        counts = ops.logical_and(index >= 0, index <= size - 1).astype(index.dtype)
    elif padding_mode == "reflection":
        low, span = (0, size - 1) if align_corners else (-0.5, size)
        offset = ops.abs(index - low)
        turns = ops.floor(offset / max((span, 1)))
        rest = offset - turns * span
        even = turns - ops.floor(turns / 2) * 2 == 0
        index = ops.where(even, rest, span - rest) + low
    return ops.clamp(index, 0, size - 1), counts


def cubic_weight(distance):
    """Keys' cubic convolution kernel with a = -0.75."""
    near = (1.25 * distance - 2.25) * distance * distance + 1
    far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
    return ops.where(distance <= 1, near, ops.where(distance < 2, far, ops.zeros_like(far)))


def image_decoder(node: Node, data: Operand, *, pixel_format: str = "RGB") -> Arg:
    """ONNX ImageDecoder: unsupported, as MindSpore has no operator that decodes image files.

    Raises:
        Unsupported: always.
    """
    raise node.decline("it decodes an image file; decode before the network and cut the model behind this node")


ROWS = {
    "AffineGrid": affine_grid,
    "CenterCropPad": center_crop_pad,
    "Col2Im": col2im,
    "DepthToSpace": depth_to_space,
    "GridSample": grid_sample,
    "ImageDecoder": image_decoder,
    "SpaceToDepth": space_to_depth,
}
