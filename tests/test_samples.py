"""The samples are what the converter makes now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from paths import ROOT

SAMPLES = ROOT / "samples"


def _regenerate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("regenerate", SAMPLES / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", _regenerate().SAMPLES)
def test_sample_is_current(model: str, tmp_path: Path) -> None:
    import mindspore as ms

    if model.endswith((".pb", ".meta", ".keras", ".tflite", "/tagger")):
        pytest.importorskip("tensorflow")
    if model.endswith(".safetensors"):
        pytest.importorskip("torch")
    source = SAMPLES / model
    result = _regenerate().convert(model, output=tmp_path, verify=False)
    for made in result.files:
        if made.suffix in (".html", ".json") and made.name.startswith("report_of_"):
            continue  # they tell of the machine and the time: the samples go without
        kept = source.parent / made.name
        if made.suffix == ".ckpt":
            new, old = (ms.load_checkpoint(str(path)) for path in (made, kept))
            assert list(new) == list(old)
            for name, parameter in new.items():
                np.testing.assert_array_equal(parameter.asnumpy(), old[name].asnumpy())
        else:
            assert _without_proof(made) == _without_proof(kept)


def test_a_script_is_current(tmp_path: Path) -> None:
    import converter

    source = SAMPLES / _regenerate().SCRIPT
    result = converter.convert_script(source, output=tmp_path)
    assert all(record.converted for record in result.records)
    for made in result.files[:-2]:  # the last two reports tell of the machine and the time
        assert made.read_text() == (source.parent / "mindspore" / made.name).read_text()
    names = [made.name for made in result.files]
    assert names[:3] == ["stripes.py", "_torch_compat.py", "report_of_stripes.txt"]


def _without_proof(path: Path) -> str:
    """A file's text; a report's without what was measured, which depends on the machine."""
    lines = path.read_text(encoding="utf-8").partition("[Verification]")[0].splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("[Note] The script is the float network"))
