"""What the tests of rows share."""

from __future__ import annotations

import pytest


@pytest.fixture
def behind_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inputs of a model stand for what a layer computed: a row writes no guard against NaN or no elements."""
    monkeypatch.setattr("converter.graph.edge_values._is_input", lambda value: False)
