from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
import pytest
from harness import check, check_model, model_of
from onnx_backend import Unconverted

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


REAL, COMPLEX = normal(2, 5, 6, 1), normal(2, 5, 6, 2)


def number(value: int) -> np.ndarray:
    return np.array(value, np.int64)


def spectrum(x: np.ndarray, length: int | None, axis: int, inverse: int = 0, onesided: int = 0) -> np.ndarray:
    """What ONNX defines; onnxruntime's own DFT crashes on some of these."""
    transform = getattr(np.fft, f"{'i' * inverse}{'r' * onesided}fft")
    y = transform(x[..., 0] + (1j * x[..., 1] if x.shape[-1] == 2 else 0), length, axis % x.ndim)
    return (np.stack((y.real, y.imag), -1) if y.dtype.kind == "c" else y[..., None]).astype(x.dtype)


@pytest.mark.parametrize(
    ("x", "length", "axis", "attributes", "text"),
    [
        (REAL, None, None, {}, "as_real(ops.fft(x0.squeeze(-1)))"),
        (REAL, None, 1, {}, "ops.fft(x0.squeeze(-1), dim=1)"),
        (REAL, None, -2, {"onesided": 1}, "as_real(ops.rfft(x0.squeeze(-1)))"),
        (REAL, 4, 1, {"onesided": 1}, "ops.rfft(x0.squeeze(-1), n=4, dim=1)"),
        (REAL, 9, 2, {}, "ops.fft(x0.squeeze(-1), n=9)"),
        (REAL.astype(np.float64), None, 1, {}, "dim=1"),
        (COMPLEX, None, 1, {}, "ops.fft(as_complex(x0), dim=1)"),
        (COMPLEX, 3, -3, {"inverse": 1}, "ops.ifft(as_complex(x0), n=3, dim=1)"),
        (COMPLEX.astype(np.float64), None, 2, {"inverse": 1}, "ops.ifft(as_complex(x0))"),
        (COMPLEX, None, 1, {"inverse": 1, "onesided": 1}, "ops.irfft(as_complex(x0), dim=1).unsqueeze(-1)"),
        (COMPLEX, 7, 1, {"inverse": 1, "onesided": 1}, "n=7"),
        (COMPLEX, 14, 2, {"inverse": 1, "onesided": 1}, "n=14"),
    ],
    ids=str,
)
def test_dft(x: np.ndarray, length: int | None, axis: int | None, attributes: dict[str, Any], text: str) -> None:
    more = [None if value is None else number(value) for value in (length, axis)]
    want = spectrum(x, length, -2 if axis is None else axis, **attributes)
    rep = check("DFT", x, *more, constants=(1, 2), opset=20, free=True, expect=[want], **attributes)
    assert text in rep.script


@pytest.mark.parametrize("attributes", [{}, {"onesided": 1}], ids=str)
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_dft_along_a_computed_axis(axis: int, attributes: dict[str, int]) -> None:
    want = spectrum(REAL, None, axis, **attributes)
    check("DFT", REAL, None, number(axis), opset=20, expect=[want], **attributes)


@pytest.mark.parametrize("length", [3, 9, 10])
@pytest.mark.parametrize("known", [True, False], ids=["axis", "computed axis"])
@pytest.mark.parametrize(
    ("x", "attributes"),
    [(REAL, {}), (COMPLEX, {"inverse": 1}), (REAL, {"onesided": 1}), (COMPLEX, {"onesided": 1, "inverse": 1})],
    ids=["real", "complex", "one side", "inverse of one side"],
)
def test_dft_of_a_computed_length(x: np.ndarray, attributes: dict[str, int], known: bool, length: int) -> None:
    """In graph mode MindSpore ignores it."""
    want = spectrum(x, length, 1, **attributes)
    fixed = (2,) if known else ()
    check("DFT", x, number(length), number(1), constants=fixed, opset=20, expect=[want], **attributes)


@pytest.mark.parametrize("inverse", [0, 1])
def test_one_side_along_a_free_axis(inverse: int) -> None:
    """Where the other extents are known, graph mode infers a wrong one for `ops.rfft` and `ops.irfft`."""
    x = COMPLEX if inverse else REAL
    model = model_of("DFT", [x, None, number(1)], constants=(2,), opset=20, inverse=inverse, onesided=1)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "n"
    model.graph.output[0].type.tensor_type.ClearField("shape")
    rep = check_model(model, [x], expect=[spectrum(x, None, 1, inverse, 1)])
    rep.net.set_inputs(ms.Tensor(shape=[2, None, 6, x.shape[-1]], dtype=ms.float32))
    for signal in (x, x[:, :4], x[:, :2]):
        (got,) = rep.run([signal])
        np.testing.assert_allclose(got, spectrum(signal, None, 1, inverse, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [1, -2])
@pytest.mark.parametrize(
    ("x", "attributes"),
    [(REAL, {}), (COMPLEX, {}), (REAL, {"onesided": 1}), (COMPLEX, {"onesided": 1, "inverse": 1})],
    ids=["real", "complex", "one side", "inverse of one side"],
)
def test_dft_where_the_source_does_not_say_whether_it_is_complex(
    x: np.ndarray, attributes: dict[str, int], axis: int
) -> None:
    model = model_of("DFT", [x, None, number(axis)], constants=(2,), opset=20, **attributes)
    for place, name in enumerate("bnmc"):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name
    model.graph.output[0].type.tensor_type.ClearField("shape")
    check_model(model, [x], expect=[spectrum(x, None, axis - x.ndim * (axis < 0), **attributes)])


@pytest.mark.parametrize("extents", [(1, 3), (1, 1), (4, 1)])
@pytest.mark.parametrize("known", [True, False])
def test_the_inverse_of_one_element_is_nothing(extents: tuple[int, int], known: bool) -> None:
    """MindSpore's CPU kernel ends the process."""
    x = normal(2, *extents, 2)
    model = model_of("DFT", [x, None, number(1)], constants=(2,) if known else (), opset=20, inverse=1, onesided=1)
    for axis, name in enumerate(("b", "n", "m")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    check_model(
        model,
        [x] if known else [x, number(1)],
        expect=[spectrum(x, None, 1, 1, 1) if extents[0] > 1 else np.zeros((2, 0, extents[1], 1), np.float32)],
    )


def test_dft_of_16_bits() -> None:
    x = COMPLEX.astype(np.float16)
    check("DFT", x, opset=20, expect=[spectrum(x, None, -2)], rtol=1e-2, atol=1e-2)


def test_one_side_of_a_complex_signal_is_declined() -> None:
    with pytest.raises(Unconverted, match="its signal is complex"):
        check("DFT", COMPLEX, opset=20, onesided=1, expect=[])


SIGNAL = normal(2, 40, 1)


@pytest.mark.parametrize("constants", [(1, 2, 3), ()], ids=["known", "computed"])
@pytest.mark.parametrize(
    ("x", "window", "length", "attributes"),
    [
        (SIGNAL, None, 16, {}),
        (SIGNAL, normal(15), None, {}),
        (SIGNAL, normal(16), 16, {"onesided": 0}),
        (SIGNAL[..., 0], normal(16), 16, {}),
        (normal(2, 40, 2), None, 9, {"onesided": 0}),
        (normal(2, 40, 2), normal(9), None, {"onesided": 0}),
    ],
    ids=["one side", "odd window", "both sides", "no last axis", "complex", "complex with a window"],
)
def test_stft(
    x: np.ndarray, window: np.ndarray | None, length: int | None, attributes: dict[str, int], constants: tuple[int, ...]
) -> None:
    size = None if length is None else number(length)
    check("STFT", x, number(6), window, size, constants=constants, opset=17, **attributes)


@pytest.mark.parametrize("name", ["HannWindow", "HammingWindow", "BlackmanWindow"])
@pytest.mark.parametrize("attributes", [{}, {"periodic": 0}, {"output_datatype": 10}, {"output_datatype": 11}], ids=str)
def test_window(name: str, attributes: dict[str, int]) -> None:
    check(name, np.array(11, np.int32), opset=17, rtol=1e-3 if "output_datatype" in attributes else 1e-5, **attributes)


@pytest.mark.parametrize("name", ["HannWindow", "HammingWindow", "BlackmanWindow"])
@pytest.mark.parametrize(("size", "periodic"), [(6, 1), (7, 0)])
def test_window_of_integers(name: str, size: int, periodic: int) -> None:
    """What is a little less than 1 would become 0."""
    check(name, np.array(size), opset=17, output_datatype=7, periodic=periodic)


@pytest.mark.parametrize(
    ("bands", "length", "rate", "low", "high"),
    [(8, 16, 8192, 0.0, 4096.0), (20, 64, 16000, 80.0, 7600.0), (40, 64, 16000, 0.0, 8000.0)],
)
def test_mel_weight_matrix(bands: int, length: int, rate: int, low: float, high: float) -> None:
    inputs = number(bands), number(length), number(rate), np.float32(low), np.float32(high)
    check("MelWeightMatrix", *inputs, opset=17)
