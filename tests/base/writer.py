"""A conversion that writes a result again and again, for tests that kill it: `writer.py FOLDER NUMBER [RENAMES]`.

It counts upwards from NUMBER, the text of its files; with RENAMES it dies behind so many of them.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

from converter.base import placing
from converter.base.output import FileSet, Output

FILES = FileSet(output=("{}.py", "{}.ckpt"), report=("weight_map_of_{}.json",))
PARTS = ["net.py", "net.ckpt", "pkg/deep/layer.py"]
REPORTS = ["report_of_net.txt", "report_of_net.json", "weight_map_of_net.json"]


def write(folder: Path, text: str) -> None:
    """Write a result: a package of files whose text is the same, and the reports."""
    with Output(FILES, "net", folder / "output", folder / "report") as out:
        for file in PARTS:
            out.data(file, text.encode())
        for kind in ("txt", "json"):
            out.report(kind, text)
        out.weight_map("weight_map_of_net.json", text)


def die_behind(renames: int) -> None:
    """Let the process end, as a machine that stops, in the midst of placing files."""
    rename, left = os.rename, [None] * renames

    def dying(now: Any, then: Any) -> None:
        if not left:
            os._exit(9)
        left.pop()
        rename(now, then)

    def carry_out(plan: placing.Plan, _: Any) -> None:
        plan.write()
        placing.place(plan)

    os.rename = dying
    placing.carry_out = carry_out


if __name__ == "__main__":
    if len(sys.argv) > 3:
        die_behind(int(sys.argv[3]))
    for number in itertools.count(int(sys.argv[2])):
        write(Path(sys.argv[1]), str(number) * 1000)
        print(number, flush=True)
