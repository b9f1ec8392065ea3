"""Stages: their names, their times, and what an observer hears."""

from __future__ import annotations

import subprocess
import sys

import pytest
from harness import model_of

from converter.base import stages
from converter.base.graph_mode import STAGES
from converter.base.stages import Stages, peak_memory
from converter.errors import ConverterError, RuntimeIntegrityError, ScriptGenerationError, UnknownModelError

MEGABYTE = 2**20


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def begin(self, stage):
        self.heard.append(stage)

    def count(self, done, total):
        self.heard.append((done, total))


def test_an_observer_hears_stages_and_counts():
    listener = Listener()
    record = Stages(STAGES, listener)
    with record.stage("normalize"):
        assert list(record.each("ab")) == ["a", "b"]
    with record.stage("verify"):
        record.count(3, 4)
    assert listener.heard == ["normalize", (0, 2), (1, 2), (2, 2), "verify", (3, 4)]


def test_nobody_need_listen():
    record = Stages(STAGES)
    with record.stage("load"):
        assert list(record.each([1])) == [1]
    assert list(record.timings) == ["load"]


def test_times_add_up_and_survive_an_error(monkeypatch):
    clock = iter([0.0, 1.5, 10.0, 10.25])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    record = Stages(STAGES)
    with record.stage("emit"):
        pass
    with pytest.raises(UnknownModelError, match="odd"), record.stage("emit"):
        raise UnknownModelError("odd")
    assert record.timings == {"emit": 1.75}
    with pytest.raises(TypeError):
        record.timings["emit"] = 0.0  # type: ignore[index]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("error", [ValueError, OSError, RecursionError, MemoryError])
def test_what_nobody_foresaw_gets_a_code(stage, error):
    message = rf"msg: {error.__name__}: odd thing, at the stage '{stage}'\. Nothing was written\."
    with pytest.raises(ConverterError, match=message), Stages(STAGES).stage(stage):
        raise error("odd\nthing.")


def test_a_mode_says_what_its_stages_fail_with():
    with pytest.raises(ScriptGenerationError) as caught, Stages({"rewrite": ScriptGenerationError}).stage("rewrite"):
        raise ValueError("odd")
    assert not caught.value.expected


def test_a_missing_package_is_named():
    with (
        pytest.raises(RuntimeIntegrityError, match="No module named 'nothing_like_it'"),
        Stages(STAGES).stage("checkpoint"),
    ):
        import nothing_like_it  # noqa: F401


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass(interrupt):
    with pytest.raises(interrupt), Stages(STAGES).stage("load"):
        raise interrupt


@pytest.mark.parametrize("without_status", [False, True])
def test_peak_memory_is_in_bytes(monkeypatch, tmp_path, without_status):
    if without_status:
        monkeypatch.setattr(stages, "_STATUS", tmp_path / "missing")
    before = peak_memory()
    assert 10 * MEGABYTE < before < 2**40
    block = b"\1" * (before + 50 * MEGABYTE)
    assert peak_memory() - before > 40 * MEGABYTE
    del block
    assert peak_memory() - before > 40 * MEGABYTE  # what was once needed counts


@pytest.mark.skipif(not stages._STATUS.exists(), reason="only Linux keeps the peak of each process")
def test_peak_memory_is_not_that_of_the_process_before():
    block = b"\1" * (300 * MEGABYTE)
    program = "from converter.base.stages import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    del block
    assert int(done.stdout) < 200 * MEGABYTE


def test_a_conversion_goes_through_all_stages(tmp_path):
    import numpy as np
    import onnx

    from converter import convert

    listener = Listener()
    onnx.save(model_of("Relu", [np.ones((2, 3), np.float32)]), tmp_path / "net.onnx")
    convert(tmp_path / "net.onnx", output=tmp_path, verify=False, observer=listener)
    assert [heard for heard in listener.heard if isinstance(heard, str)] == [s for s in STAGES if s != "verify"]
    assert listener.heard.index((1, 1)) > listener.heard.index("translate")
