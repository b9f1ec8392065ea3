"""Files of a result: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from converter.base import placing, shards
from converter.base.output import FileSet, Output
from converter.errors import FileSaveError, ReportGenerationError, ScriptGenerationError

FILES = FileSet(output=("{}.py", "{}.ckpt", "{}.safetensors"), report=("weight_map_of_{}.json",))


def write(out: Output, *, checkpoint: str = "net.ckpt", text: str = "new") -> None:
    out.script("net.py", text)
    out.checkpoint(checkpoint).write_text(text)
    out.report("txt", text)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_appear_at_the_end(tmp_path):
    with Output(FILES, "net", tmp_path / "a" / "b", tmp_path / "c") as out:
        write(out)
        assert not any(path.exists() for path in out.files)
    assert out.files == (tmp_path / "a/b/net.py", tmp_path / "a/b/net.ckpt", tmp_path / "c/report_of_net.txt")
    assert tree(tmp_path) == ["a", "a/b", "a/b/net.ckpt", "a/b/net.py", "c", "c/report_of_net.txt"]
    assert all(path.read_text() == "new" for path in out.files)


def test_paths_stay_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Output(FILES, "net", Path("out")) as out:
        write(out)
    assert [str(path) for path in out.files] == ["out/net.py", "out/net.ckpt", "out/report_of_net.txt"]


def test_earlier_result_is_replaced(tmp_path):
    for stale in ("net.py", "net.ckpt", "report_of_net.html", "weight_map_of_net.json", "network.py"):
        (tmp_path / stale).write_text("old")
    (tmp_path / "net.ckpt").chmod(0o400)
    with Output(FILES, "net", tmp_path) as out:
        write(out, checkpoint="net.safetensors")
    assert tree(tmp_path) == ["net.py", "net.safetensors", "network.py", "report_of_net.txt"]
    assert (tmp_path / "network.py").read_text() == "old"


def write_shards(folder: Path, name: str, count: int) -> None:
    with Output(FILES, name, folder) as out:
        *files, name_map, index = out.sharded_checkpoint(name, count)
        for file in files:
            file.write_text("new")
        stored = {f"weight{number}": file.name for number, file in enumerate(files)}
        name_map.write_text(shards.name_map_text(stored))
        index.write_text(shards.index_text(stored, 8))


def test_earlier_shards_are_replaced(tmp_path):
    write_shards(tmp_path, "net", 3)
    assert len(tree(tmp_path)) == 5
    write_shards(tmp_path, "net", 1)
    assert tree(tmp_path) == [shards.INDEX, "net-00001-of-00001.safetensors", shards.NAME_MAP]
    with Output(FILES, "net", tmp_path) as out:
        write(out)
    assert tree(tmp_path) == ["net.ckpt", "net.py", "report_of_net.txt"]


def test_shards_of_others_stay(tmp_path):
    write_shards(tmp_path, "other", 2)
    before = tree(tmp_path)
    with Output(FILES, "net", tmp_path) as out:
        write(out)
    assert tree(tmp_path) == sorted([*before, "net.ckpt", "net.py", "report_of_net.txt"])
    with pytest.raises(FileSaveError, match=r"name_map\.json' belongs to the shards of another network"):
        write_shards(tmp_path, "net", 1)


def test_shards_of_another_program_stay(tmp_path):
    (tmp_path / "net-00001-of-00001.safetensors").write_text("pretrained")
    (tmp_path / shards.INDEX).write_text(shards.index_text({"a": "net-00001-of-00001.safetensors"}, 8))
    with Output(FILES, "net", tmp_path) as out:
        write(out)
    assert (tmp_path / "net-00001-of-00001.safetensors").read_text() == "pretrained"
    with pytest.raises(FileSaveError, match=r"belongs to the shards of another network"):
        write_shards(tmp_path, "net", 1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_behind(tmp_path, error):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "net.py").write_text("old")
    with pytest.raises(error), Output(FILES, "net", tmp_path / "kept", tmp_path / "kept" / "new" / "deep") as out:
        write(out)
        raise error
    assert tree(tmp_path) == ["kept", "kept/net.py"]
    assert (tmp_path / "kept" / "net.py").read_text() == "old"


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_a_result_is_placed_before_its_reports_are_complete(tmp_path, error):
    (tmp_path / "reports").mkdir()
    for stale in ("net.safetensors", "net.py", "net.ckpt", "reports/report_of_net.txt"):
        (tmp_path / stale).write_text("old")
    with (
        pytest.raises(error) if error else contextlib.nullcontext(),
        Output(FILES, "net", tmp_path, tmp_path / "reports") as out,
    ):
        script = out.script("net.py", "new")
        write(out, text="new")
        out.place()
        assert all(path.read_text() == "new" for path in out.files)
        assert not (tmp_path / "net.safetensors").exists()
        assert script.read_text() == "new"  # it can still be read there
        (tmp_path / "net.py").write_text("edited")
        out.report("txt", "complete")
        assert (tmp_path / "reports" / "report_of_net.txt").read_text() == "new"
        if error:
            raise error
    assert tree(tmp_path) == ["net.ckpt", "net.py", "reports", "reports/report_of_net.txt"]
    assert (tmp_path / "reports" / "report_of_net.txt").read_text() == ("new" if error else "complete")
    assert (tmp_path / "net.py").read_text() == "edited"
    assert len(out.files) == 3


def test_a_later_result_keeps_its_reports(tmp_path):
    """Two conversions of one name: the first that ends completes the reports of the other by no means."""
    with Output(FILES, "net", tmp_path) as first:
        write(first, text="first")
        first.place()
        with Output(FILES, "net", tmp_path) as second:
            write(second, text="second")
        first.report("txt", "first, complete")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"second"}


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with Output(FILES, "net", tmp_path) as out:
        script = out.script("net.py", "new")
        out.place()
        assert script.read_text() == "new"
    assert tree(tmp_path) == ["net.py"]


@pytest.mark.parametrize("at", [1, 4, 5])
def test_interrupted_placement_restores_the_earlier_result(tmp_path, monkeypatch, at):
    with Output(FILES, "net", tmp_path) as out:
        write(out, text="old")
    rename, calls = os.rename, []

    def failing(now, then):
        calls.append(now)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(now, then)

    with pytest.raises(FileSaveError, match=r"no space left.*Free some space"), Output(FILES, "net", tmp_path) as out:
        write(out)
        monkeypatch.setattr(os, "rename", failing)
        monkeypatch.setattr(placing, "carry_out", lambda plan, _: placing.place(plan))
    assert len(calls) >= at
    assert tree(tmp_path) == ["net.ckpt", "net.py", "report_of_net.txt"]
    assert (tmp_path / "net.py").read_text() == "old"


@pytest.mark.parametrize("in_the_way", ["out", "out/deep"])
def test_file_in_the_way_of_a_folder(tmp_path, in_the_way):
    path = tmp_path / in_the_way
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file")
    before = tree(tmp_path)
    with (
        pytest.raises(FileSaveError, match="cannot be written"),
        Output(FILES, "net", tmp_path / "out" / "deep" / "er"),
    ):
        pytest.fail("the conversion must not begin")
    assert tree(tmp_path) == before


def test_folder_in_the_way_of_a_file(tmp_path):
    (tmp_path / "net.py").mkdir()
    with (
        pytest.raises(FileSaveError, match=r"a folder has the name of a result.*net\.py"),
        Output(FILES, "net", tmp_path),
    ):
        pytest.fail("the conversion must not begin")
    assert tree(tmp_path) == ["net.py"]


def test_folders_go_when_the_second_one_fails(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSaveError), Output(FILES, "net", tmp_path / "new" / "output", tmp_path / "file" / "report"):
        pytest.fail("the conversion must not begin")
    assert tree(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("method", "file", "error"),
    [("script", "net.py", ScriptGenerationError), ("report", "txt", ReportGenerationError)],
)
def test_disk_full(tmp_path, monkeypatch, method, file, error):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(error, match="no space left"), Output(FILES, "net", tmp_path / "out") as out:
        getattr(out, method)(file, "text")
    assert tree(tmp_path) == []
