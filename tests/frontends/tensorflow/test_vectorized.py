"""Slices of `tf.vectorized_map`: a loop that stacks them is one gather."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import proved

import converter
from converter.api import Result

tf = pytest.importorskip("tensorflow")


def each_step(x: Any) -> Any:
    return tf.vectorized_map(lambda i: tf.tanh(x[i]), tf.range(tf.shape(x)[0]))


def backwards(x: Any) -> Any:
    return tf.vectorized_map(lambda i: x[i] * 2.0, tf.range(tf.shape(x)[0])[::-1])


def slices_of_two(x: Any) -> Any:
    return tf.vectorized_map(lambda i: x[i : i + 2], tf.range(3))


def converted(compute: Callable[[Any], Any], folder: Path) -> Result:
    module = tf.Module()
    module.call = tf.function(compute, input_signature=[tf.TensorSpec([None, 5, 4], tf.float32, "x")])
    tf.saved_model.save(module, str(folder / "model"))
    return converter.convert(folder / "model", output=folder / "out", edges="none")


@pytest.mark.parametrize("compute", [each_step, backwards])
def test_rows_are_gathered(tmp_path, compute):
    result = converted(compute, tmp_path)
    proved(result)
    assert "for " not in result.files[0].read_text(encoding="utf-8")


def test_other_slices_stay_in_the_loop(tmp_path):
    """They have computed bounds of unknown rank, which a stub says."""
    assert [record.operator for record in converted(slices_of_two, tmp_path).unconverted] == ["onnx::Slice"]
