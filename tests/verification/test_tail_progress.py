"""Follow: the count of a process that notes what it reaches."""

from __future__ import annotations

import json
import time

import pytest

from converter.verification import tail_progress


def test_the_count_grows_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tail_progress, "PERIOD", 0.01)
    heard = []
    with tail_progress.tail_progress(tmp_path / "results.jsonl", 3, lambda *count: heard.append(count)):
        time.sleep(0.05)
        with (tmp_path / "results.jsonl").open("w") as results:
            for number in range(3):
                results.write(
                    json.dumps({"reached": number}) + "\n" + json.dumps({"node": {}, "number": number}) + "\n"
                )
                results.flush()
                time.sleep(0.05)
    assert {(1, 3), (2, 3), (3, 3)} <= set(heard)
    assert heard == sorted(heard)


def test_an_error_ends_it(tmp_path):
    with pytest.raises(ValueError, match="odd"), tail_progress.tail_progress(tmp_path / "none", 0, lambda *_: None):
        raise ValueError("odd")
