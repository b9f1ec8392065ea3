"""Every file of a library through script mode: `python bench/script_files.py transformers --slice 0/16`.

Of each file it is checked that the result is Python, that taking the edits back gives the source byte by byte, that no
comment is lost, and that converting the result again changes nothing. Call sites are counted once for each file. Needs
neither torch nor mindspore; `--site` names the folder that the library is installed in.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import sysconfig
import tempfile
import time
import tokenize
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from converter.base.recursion import deep_recursion  # noqa: E402
from converter.rewriting import Conversion, ConvertedFile, Walk, convert_files, find_files  # noqa: E402
from operator_maps import pytorch  # noqa: E402

ROWS = pytorch.load()


def main() -> None:
    """Convert the files of a library and print what is wrong with a result, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=("torchvision", "timm", "transformers"))
    parser.add_argument("--site", type=Path, default=Path(sysconfig.get_path("purelib")), help="where it is installed")
    parser.add_argument("--slice", default="0/1", help="which part of the sources, I/N: every N-th from the I-th on")
    parser.add_argument("--only", nargs="*", default=[], help="parts of paths of sources")
    parser.add_argument("--left", type=int, default=15, help="how many names that did not convert are printed")
    args = parser.parse_args()
    first, step = (int(part) for part in args.slice.split("/"))
    chosen = [
        each for each in sources(args.site / args.library) if not args.only or any(p in str(each) for p in args.only)
    ]
    seen: set[Path] = set()
    counts: Counter[str] = Counter()
    left: Counter[str] = Counter()
    began = time.process_time()
    for source in chosen[first::step]:
        try:
            with deep_recursion():
                check(source, args.site, seen, counts, left)
        except Exception:  # the others are still to be converted
            counts["sources that raised"] += 1
            print(f"{source.relative_to(args.site)}: {traceback.format_exc(limit=-2)}", flush=True)
    print(f"{time.process_time() - began:.0f} s of a CPU")
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")
    for kind in ("sites", "modeling sites"):
        if counts[kind]:
            print(f"{kind} converted: {counts[f'{kind} converted'] / counts[kind]:.2%}")
    print(", ".join(f"{name} {count}" for name, count in left.most_common(args.left)))


def sources(library: Path) -> list[Path]:
    """What is converted at once: a library, but of transformers the folder of each network, and each other file."""
    if library.name != "transformers":
        return [library]
    models = [each for each in sorted((library / "models").iterdir()) if (each / "__init__.py").is_file()]
    others = [each for each in sorted(library.rglob("*.py")) if each.relative_to(library).parts[0] != "models"]
    return [*models, *others]


def check(source: Path, site: Path, seen: set[Path], counts: Counter[str], left: Counter[str]) -> None:
    """Convert a source, and its result again; count what was found in files that no earlier source had."""
    walk = find_files(source, site, ROWS)
    made = convert_files(walk, ROWS, comments=False)
    new = [file for file in made.files if file.source.path not in seen]
    for file in new:
        seen.add(file.source.path)
        counts["files"] += 1
        for fault in faults(file):
            counts[fault.partition(":")[0]] += 1
            print(f"{file.path}: {fault}", flush=True)
        kinds = ["sites", "modeling sites"] if file.path.name.startswith("modeling_") else ["sites"]
        for record in file.records:
            for kind in kinds:
                counts[kind] += 1
                counts[f"{kind} converted"] += record.converted
            if not record.converted:
                left[record.name] += 1
    for path, change in changes(made, walk, source, site):
        if path in {file.path for file in new}:
            counts["files that a second run changes"] += 1
            print(f"{path}: a second run writes {change!r}", flush=True)


def faults(file: ConvertedFile) -> Iterator[str]:
    """What is wrong with one result."""
    try:
        ast.parse(file.text)
    except SyntaxError as error:
        yield f"no Python: {error}"
        return
    if taken_back(file) != file.source.text:
        yield "bytes lost: the edits taken back do not give the source"
    lost = comments(file.source.text.decode()) - comments(file.text)
    if lost:
        yield f"comments lost: {list(lost)[:3]}"


def taken_back(file: ConvertedFile) -> bytes:
    """The source, from the result and the edits: what no edit covers is read from the result."""
    result, parts, at, reached = file.text.encode(), [], 0, 0
    for edit in file.edits:
        kept = edit.start - reached
        parts += [result[at : at + kept], file.source.text[edit.start : edit.end]]
        new = edit.new.encode()
        assert result[at + kept :].startswith(new), f"{edit} is not in the result"
        at, reached = at + kept + len(new), edit.end
    return b"".join([*parts, result[at:]])


def comments(text: str) -> Counter[str]:
    """The comments of a script."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def changes(made: Conversion, walk: Walk, source: Path, site: Path) -> Iterator[tuple[Path, str]]:
    """The files that a second conversion changes, each with the first edit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for file in made.files:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / file.path).write_bytes(file.data)
        for path, text in made.extra.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        again = convert_files(find_files(folder / source.relative_to(site), folder, ROWS), ROWS, comments=False)
        for file in again.files:
            if file.edits:
                yield file.path, file.edits[0].new
        helper = [path for path in again.extra if path not in made.extra]
        yield from ((path, "a helper module") for path in helper)


if __name__ == "__main__":
    main()
