"""The same source gives the same bytes, whatever the hash seed, working folder, language, time zone and cores are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import MODELS, ROOT

CONVERT = """
import os, sys
if hasattr(os, "sched_setaffinity") and sys.argv[1] == "one core":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
from converter import convert
for model in sys.argv[3:]:
    convert(model, output=sys.argv[2], verify=model.endswith("mnist.onnx"))
"""
MODEL_FILES = ["mnist.onnx", "silero_vad_ifless.onnx"]
SURROUNDINGS = {
    "one core": {"PYTHONHASHSEED": "1", "LANG": "C", "LC_ALL": "C", "TZ": "UTC"},
    "all cores": {"PYTHONHASHSEED": "4000", "LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8", "TZ": "Asia/Kathmandu"},
}
MEASURED = re.compile(r"/timings/|/peak_memory|/nodes/\d+/error/(mean_rel|cosine)")
"""Where the JSON differs: times, memory, and means whose sums the number of threads orders."""


def converted(folder: Path, surroundings: str) -> Path:
    """The results of all models, made in another working folder by a process of its own."""
    (folder / "work").mkdir(parents=True)
    arguments = [surroundings, "../out", *(str(MODELS / name) for name in MODEL_FILES)]
    environment = {**os.environ, **SURROUNDINGS[surroundings], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", CONVERT, *arguments], cwd=folder / "work", env=environment, check=True)
    return folder / "out"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return [converted(tmp_path_factory.mktemp("place") / name.replace(" ", "/"), name) for name in SURROUNDINGS]


def test_the_same_files(results):
    one, other = results
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    assert len(names) == 6 * len(MODEL_FILES)


@pytest.mark.parametrize("pattern", ["*.py", "*.ckpt", "weight_map_of_*.json", "report_of_*.txt"])
def test_the_same_bytes(results, pattern):
    one, other = results
    paths = sorted(one.glob(pattern))
    assert len(paths) == len(MODEL_FILES)
    assert [path.name for path in paths if path.read_bytes() != (other / path.name).read_bytes()] == []


def differing(one: object, other: object, path: str = "") -> list[str]:
    """Where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differing(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for i, pair in pairs for found in differing(*pair, f"{path}/{i}")]
    return [] if one == other else [path]


def test_the_json_differs_in_times_and_memory_only(results):
    one, other = results
    for path in sorted(one.glob("report_of_*.json")):
        pair = [json.loads((folder / path.name).read_text(encoding="utf-8")) for folder in (one, other)]
        assert [found for found in differing(*pair) if not MEASURED.match(found)] == []
