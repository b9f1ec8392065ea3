"""Activations."""

from converter.rows import call

ROWS = {
    "Relu": call("ops.relu({0})"),
}
