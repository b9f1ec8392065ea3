"""Functions of torch.linalg, and what came before them."""

import math

from mindspore import ops


def svd(matrix, full_matrices=True):
    """torch.linalg.svd."""
    values, u, v = ops.svd(matrix, full_matrices=full_matrices)
    return u, values, v.swapaxes(-2, -1)


def old_svd(input, some=True):
    """torch.svd, whose last result is not transposed."""
    values, u, v = ops.svd(input, full_matrices=not some)
    return u, values, v


def solve(a, b, left=True):
    """torch.linalg.solve."""
    if not left:
        return ops.MatrixSolve()(a.swapaxes(-2, -1), b.swapaxes(-2, -1)).swapaxes(-2, -1)
    if b.ndim == 1 or (b.ndim < a.ndim and b.shape == a.shape[:-1]):
        return ops.MatrixSolve()(a, b.reshape((*b.shape, 1))).reshape(b.shape)
    return ops.MatrixSolve()(a, b)


def matrix_norm(matrix, ord="fro", dim=(-2, -1), keepdim=False):
    """torch.linalg.matrix_norm of Frobenius, and those of sums of rows and columns."""
    if ord == "fro":
        return ops.sqrt((matrix * matrix).sum(tuple(dim), keepdims=keepdim))
    if ord in (1, -1, math.inf, -math.inf) and not keepdim and tuple(dim) == (-2, -1):
        sums = matrix.abs().sum(-2 if ord in (1, -1) else -1)
        return ops.amax(sums, -1) if ord > 0 else ops.amin(sums, -1)
    if ord in ("nuc", 2, -2) and not keepdim and tuple(dim) == (-2, -1):
        values = ops.svd(matrix, compute_uv=False)
        if ord == "nuc":
            return values.sum(-1)
        return ops.amax(values, -1) if ord == 2 else ops.amin(values, -1)
    raise NotImplementedError(f"the norm {ord} of matrices was not converted")


def trapezoid(y, x=None, dx=1.0, dim=-1):
    """torch.trapezoid."""
    size = y.shape[dim] - 1
    middle = (ops.narrow(y, dim, 1, size) + ops.narrow(y, dim, 0, size)) / 2
    if x is None:
        return middle.sum(dim) * dx
    if x.ndim == 1:
        width = x[1:] - x[:-1]
        shape = [1] * y.ndim
        shape[dim] = size
        return (middle * width.reshape(tuple(shape))).sum(dim)
    return (middle * (ops.narrow(x, dim, 1, size) - ops.narrow(x, dim, 0, size))).sum(dim)


def cov(input, correction=1):
    """torch.cov: the rows are variables."""
    x = input.reshape((1, -1)) if input.ndim < 2 else input
    x = x - x.mean(1, keep_dims=True)
    found = ops.matmul(x, x.swapaxes(0, 1)) / (x.shape[1] - correction)
    return found.reshape(()) if input.ndim < 2 else found


def corrcoef(input):
    """torch.corrcoef."""
    found = cov(input)
    spread = ops.sqrt(ops.diagonal(found))
    return found / spread.reshape((-1, 1)) / spread.reshape((1, -1))


def vander(x, count=None, increasing=False):
    """torch.vander."""
    count = x.shape[-1] if count is None else count
    powers = ops.arange(count) if increasing else count - 1 - ops.arange(count)
    return x.reshape((*x.shape, 1)) ** powers.astype(x.dtype)


def pdist(input, p=2.0):
    """torch.nn.functional.pdist: the distances of all pairs of rows."""
    count = input.shape[0]
    away = ops.cat([input[row] - input[row + 1 :] for row in range(count - 1)])
    return (away.abs() ** p).sum(1) ** (1 / p) if p != 2 else ops.sqrt((away * away).sum(1))
