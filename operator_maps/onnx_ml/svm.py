"""Support vector machines of ai.onnx.ml: a kernel of every row and every support vector, weighted.

Source: https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html.
"""

from __future__ import annotations

import numpy as np

from converter.rows import Arg, Node, Operand, expr


def svm_regressor(
    node: Node,
    x: Operand,
    *,
    coefficients: tuple[float, ...] = (),
    kernel_params: tuple[float, ...] = (),
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: tuple[float, ...] = (),
    support_vectors: tuple[float, ...] = (),
) -> Arg:
    """SVMRegressor: the weighted sum of kernels, plus rho; of one class its sign, 1 or -1.

    Raises:
        Unsupported: the input is no matrix, numbers are missing, or the result is transformed.
    """
    if x.rank != 2 or post_transform != "NONE" or len(rho) != 1 or not coefficients:
        raise node.decline("its input is no matrix, or its coefficients or its transform have no counterpart")
    rows = x if x.kind == "f" else expr("{0}.astype(ms.float32)", x)
    gamma, coef0, degree = (*kernel_params, 0.0, 0.0, 0.0)[:3]
    kernels: Arg = rows
    if n_supports:
        if len(coefficients) != n_supports or len(support_vectors) % n_supports or kernel_type not in KERNELS:
            raise node.decline("its support vectors do not fit its coefficients")
        vectors = node.constant(np.array(support_vectors, np.float32).reshape(n_supports, -1), "support_vectors")
        kernels = expr(KERNELS[kernel_type], rows, vectors, gamma, coef0, degree)
    weight = node.constant(np.array(coefficients, np.float32).reshape(-1, 1), "coefficients")
    y = expr("ops.matmul({0}, {1}) + {2}", kernels, weight, rho[0])
    if not one_class:
        return y
    return expr("ops.where({0} > 0, 1.0, -1.0)", y)


KERNELS = {
    "LINEAR": "ops.matmul({0}, {1}.T)",
    "POLY": "ops.pow({2} * ops.matmul({0}, {1}.T) + {3}, {4})",
    "RBF": "ops.exp(-{2} * ops.sum(ops.square(ops.unsqueeze({0}, 1) - {1}), -1))",
    "SIGMOID": "ops.tanh({2} * ops.matmul({0}, {1}.T) + {3})",
}
"""Of the rows {0} (N, features) and the support vectors {1} (M, features), with gamma {2}, coef0 {3} and degree {4}."""

ROWS = {"ai.onnx.ml.SVMRegressor": svm_regressor}
