"""Functions of torch.linalg, and what came before them."""

import collections
import math

import mindspore as ms
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


Eigen = collections.namedtuple("Eigen", ("eigenvalues", "eigenvectors"))


def eigh(matrix, triangle="L"):
    """torch.linalg.eigh, by the singular values of a matrix that is moved until all its eigenvalues are positive."""
    whole = (matrix + matrix.swapaxes(-2, -1)) / 2
    half, rest = (
        (ops.tril(matrix), ops.tril(matrix, -1)) if triangle == "L" else (ops.triu(matrix), ops.triu(matrix, 1))
    )
    whole = whole + ops.stop_gradient(half + rest.swapaxes(-2, -1) - whole)  # PyTorch reads one triangle
    x = whole.astype(ms.float64)
    move = ops.stop_gradient(ops.sqrt((x * x).sum((-2, -1), keepdims=True)) + 1)
    values, vectors, _ = ops.svd(x + move * ops.eye(x.shape[-1], x.shape[-1], ms.float64))
    values = values.flip((-1,)) - move[..., 0]
    return Eigen(values.astype(matrix.dtype), vectors.flip((-1,)).astype(matrix.dtype))


LeastSquares = collections.namedtuple("LeastSquares", ("solution", "residuals", "rank", "singular_values"))


def lstsq(a, b):
    """torch.linalg.lstsq, of matrices of full rank."""
    vector = b.ndim == a.ndim - 1
    solution = ops.matmul(ops.pinv(a), b.expand_dims(-1) if vector else b)
    away = ops.matmul(a, solution) - (b.expand_dims(-1) if vector else b)
    tall = a.shape[-2] > a.shape[-1]
    residuals = (away * away).sum(-2) if tall else ops.zeros((0,), a.dtype)
    rank = ops.full(a.shape[:-2], min(a.shape[-2:]), dtype=ms.int64)
    return LeastSquares(solution.squeeze(-1) if vector else solution, residuals, rank, ops.zeros((0,), a.dtype))


def matrix_exp(matrix):
    """torch.matrix_exp: the series of a small part, squared ten times."""
    x = matrix.astype(ms.float64) / 1024
    one = ops.eye(x.shape[-1], x.shape[-1], ms.float64)
    found = one + x / 9
    for number in range(8, 0, -1):
        found = one + ops.matmul(x, found) / number
    for _ in range(10):
        found = ops.matmul(found, found)
    return found.astype(matrix.dtype)
