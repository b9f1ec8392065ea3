"""Files of a result come whole or not at all: killed at any moment, on a full disk, with another run beside it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from base.writer import FILES, PARTS, REPORTS, write

from converter.base import placing
from converter.base.output import Output
from converter.errors import FileSaveError

TESTS = Path(__file__).parents[1]


def found(folder: Path) -> dict[str, str]:
    """The files that a user sees, and their text."""
    paths = [Path(at) / file for at, _, files in os.walk(folder) if ".onnx2mindspore" not in at for file in files]
    return {path.name: path.read_text() for path in paths}


def assert_whole(folder: Path) -> str:
    files = found(folder)
    assert files.keys() == {Path(file).name for file in (*PARTS, *REPORTS)}
    assert len(set(files.values())) == 1
    return next(iter(files.values()))


def hidden(folder: Path) -> list[Path]:
    return [path for place in (folder, folder / "output", folder / "report") for path in place.glob(".net.*")]


def is_at_work(waiting: Path) -> bool:
    """Whether a process has yet to place what waits in a folder. The plan of one that was killed early stays."""
    if (lock := placing.hold(waiting)) is not None:
        os.close(lock)
        return False
    return (waiting / placing.PLAN).exists()


def settled(folder: Path) -> None:
    """Wait for the process that places files, if it is at work."""
    limit = time.monotonic() + 60  # a busy machine starts it late
    while any(map(is_at_work, hidden(folder))):
        assert time.monotonic() < limit
        time.sleep(0.01)


def start(folder: Path, *numbers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "base.writer", str(folder), *map(str, numbers)]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")
def test_killed_at_random_moments(tmp_path):
    """The long version, with whole conversions, is tests/fuzz/killed.py."""
    moments = random.Random(0)
    write(tmp_path, "first")
    for number in range(8):
        process = start(tmp_path, 100 * number)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(moments.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        settled(tmp_path)
        assert assert_whole(tmp_path) != "first"
    write(tmp_path, "last")
    assert assert_whole(tmp_path) == "last"
    assert hidden(tmp_path) == []  # what the killed ones left is gone


@pytest.mark.parametrize("renames", [0, 1, 3, 6, 8, 11])
def test_a_machine_that_stopped_while_files_were_placed(tmp_path, renames):
    """The next conversion of the name finishes what was begun, before it does anything itself."""
    write(tmp_path, "old")
    assert start(tmp_path, 7, renames).wait() == 9
    assert hidden(tmp_path)
    with (
        pytest.raises(ValueError, match="the conversion fails"),
        Output(FILES, "net", tmp_path / "output", tmp_path / "report"),
    ):
        assert assert_whole(tmp_path) == "7" * 1000
        raise ValueError("the conversion fails")
    assert assert_whole(tmp_path) == "7" * 1000
    assert hidden(tmp_path) == []


def test_two_runs_into_one_folder(tmp_path):
    processes = [start(tmp_path, number) for number in (100, 200)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # each comes to its end
    time.sleep(0.2)
    for process in processes:
        process.kill()
        process.communicate()
    settled(tmp_path)
    assert_whole(tmp_path)


def test_the_folder_of_a_run_is_left_alone_by_another(tmp_path):
    with Output(FILES, "net", tmp_path) as one:
        one.script("net.py", "one")
        with Output(FILES, "net", tmp_path) as other:
            other.script("net.py", "other")
    assert (tmp_path / "net.py").read_text() == "one"


def test_an_output_that_is_a_link(tmp_path):
    """The link goes, and what it led to stays as it is; a folder that is a link is followed."""
    real, outside = tmp_path / "real", tmp_path / "outside.py"
    real.mkdir()
    outside.write_text("of somebody")
    (tmp_path / "output").symlink_to(real)
    (real / "net.py").symlink_to(outside)
    (real / "net.ckpt").symlink_to(tmp_path / "nothing")
    write(tmp_path, "new")
    assert outside.read_text() == "of somebody"
    assert not (tmp_path / "nothing").exists()
    assert (real / "net.py").read_text() == "new"
    assert not (real / "net.py").is_symlink()


def test_a_folder_that_leads_nowhere(tmp_path):
    (tmp_path / "output").symlink_to(tmp_path / "nothing")
    with pytest.raises(FileSaveError, match="cannot be written"):
        write(tmp_path, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_a_package_may_have_any_folder(tmp_path):
    for text in ("old", "new"):
        with Output(FILES, "net", tmp_path) as out:
            for file in ("earlier/a.py", "new/b.py", "plan.json"):
                out.data(file, text.encode())
    assert found(tmp_path) == {"a.py": "new", "b.py": "new", "plan.json": "new"}


def mounted(folder: Path, options: str) -> None:
    """Mount a small file system there, or skip the test."""
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


def test_disk_full(tmp_path):
    folder = tmp_path / "small"
    mounted(folder, "size=256k")
    try:
        write(folder, "old")
        for size in (45, 60, 100, 300):  # so another file is the first that has no room
            with pytest.raises(FileSaveError, match="no space left"):
                write(folder, "x" * size * 1024)
            assert assert_whole(folder) == "old"
            assert hidden(folder) == []
        write(folder, "new")
        assert assert_whole(folder) == "new"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_read_only_folder(tmp_path):
    folder = tmp_path / "small"
    mounted(folder, "size=256k")
    try:
        write(folder, "old")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(FileSaveError, match="read-only file system"):
            write(folder, "new")
        assert assert_whole(folder) == "old"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
