"""A small decoder with external data, converted once."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

import converter
from converter import frontends
from converter.api import translate_source
from converter.frontends.source import Request, Source
from converter.lowering import Translation
from operator_maps import registry


def _maker() -> Any:
    spec = importlib.util.spec_from_file_location("large_models", ROOT / "bench" / "large_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["large_models"] = module  # where its dataclasses look
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Converted:
    """The decoder, its translation, its script and its checkpoint."""

    file: Path
    source: Source
    translation: Translation
    script: Path
    checkpoint: Path


@pytest.fixture(scope="package")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Two layers of 16 features and 4 heads, of which two share keys and values."""
    folder, maker = tmp_path_factory.mktemp("decoder"), _maker()
    file = maker.make_onnx(folder, maker.Size(2, 16, 4, 2, 32, 50))
    converter.convert(file, output=folder / "out", checkpoint_format="safetensors", verify=False)
    source = frontends.load(Request(file))
    translation = translate_source(source, registry.load(), "decoder")
    out = folder / "out"
    return Converted(file, source, translation, out / "decoder.py", out / "decoder.safetensors")
