"""The command `mindconverter-weights`: parse the options, run a subcommand, print its result as a table or JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from converter.base.messages import translate_help
from converter.base.stages import Stages
from converter.base.version import __version__
from converter.commands import terminal
from converter.commands.terminal import EXIT_DIFFERS, EXIT_DONE
from converter.commands.terminal.progress import Lines, progress_bar
from converter.commands.terminal.quiet import quiet, verbose
from converter.commands.weights import help_texts, words
from converter.errors import BaseConverterError, ConverterError

if TYPE_CHECKING:
    from converter.artifacts import TensorSpec
    from converter.commands.weights.compare import Difference
    from converter.commands.weights.export import Exported
    from converter.commands.weights.remap import Remapped

_Outcome: TypeAlias = tuple[int | ConverterError, Callable[[], None]]
"""An exit status, or the error in which it ends, and a function that prints the result before."""

_FOLDED = (
    "The source has statistics of batch norms that are not used. Where these norms were folded into layers when the "
    "model was exported, the checkpoint is wrong: export the newer weights in the same way, and remap from that file."
)


def parser() -> argparse.ArgumentParser:
    """The argument parser of the command."""
    command = argparse.ArgumentParser(
        "mindconverter-weights",
        description=help_texts.DESCRIPTION,
        epilog=help_texts.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = command.add_subparsers(metavar="COMMAND", required=True)

    listing = _subcommand(commands, "list", "list the tensors of a file", help_texts.LIST, _list, ("read",))
    listing.add_argument("file", type=Path, metavar="FILE")
    _add_output_options(listing)

    purpose = "make a MindSpore checkpoint of newer weights"
    again = _subcommand(commands, "remap", purpose, help_texts.REMAP, _remap, ("read", "write"))
    again.add_argument("--weight_map", type=Path, required=True, metavar="MAP.json", help="weight_map_of_NAME.json")
    again.add_argument("--source", type=Path, required=True, metavar="FILE", help="the newer weights")
    again.add_argument(
        "--output", type=Path, required=True, metavar="NEW", help="the checkpoint to write, .ckpt or .safetensors"
    )
    again.add_argument("--rename", type=Path, metavar="FILE", help="matches the source's names to those in the map")
    again.add_argument(
        "--base",
        type=Path,
        metavar="OLD",
        help="a checkpoint of the network: what the source lacks, such as a mask, is taken from it",
    )
    terminal.add_verbosity(again)

    purpose = "make the checkpoint of a network of your own from the weights of another framework"
    own = _subcommand(commands, "match", purpose, help_texts.MATCH, _match, ("read", "match", "compare", "write"))
    own.add_argument("--source", type=Path, required=True, metavar="FILE", help="the weights")
    own.add_argument(
        "--network", required=True, metavar="CALL", help="what makes the network: PACKAGE.MODULE:CALLABLE[(literals)]"
    )
    own.add_argument(
        "--output", type=Path, required=True, metavar="NEW", help="the checkpoint to write, .ckpt or .safetensors"
    )
    own.add_argument(
        "--mapping", type=Path, metavar="FILE", help="the edited mapping; if there is none yet, it is written there"
    )
    own.add_argument("--partial", action="store_true", help="leave out what is ambiguous or missing, and list it")
    own.add_argument("--project_path", type=Path, metavar="DIR", help="a folder to search the module in first")
    own.add_argument(
        "--compare", metavar="CALL", help="what makes the source network (PyTorch, Keras, TensorFlow), to run both"
    )
    own.add_argument(
        "--shape", nargs="+", default=[], metavar="SHAPE", help="for --compare: of each input, such as 1,3,224,224"
    )
    own.add_argument("--inputs", type=Path, metavar="FILE.npz", help="for --compare: the inputs, in their order")
    _add_output_options(own)

    purpose = "take a MindSpore checkpoint back to the names and layouts of its source"
    back = _subcommand(commands, "export", purpose, help_texts.EXPORT, _export, ("read", "compute", "write"))
    back.add_argument("checkpoint", type=Path, metavar="CKPT")
    back.add_argument("--weight_map", type=Path, required=True, metavar="MAP.json", help="weight_map_of_NAME.json")
    back.add_argument("--to", required=True, choices=("torch", "tensorflow", "safetensors"), help="the kind of file")
    back.add_argument("--output", type=Path, required=True, metavar="NEW", help="the file to write")
    back.add_argument(
        "--base", type=Path, metavar="FILE", help="the source's own weights: what the weight map does not name is kept"
    )
    terminal.add_verbosity(back)

    purpose = "compare two MindSpore checkpoints"
    pair = _subcommand(commands, "compare", purpose, help_texts.COMPARE, _compare, ("read", "compare"))
    pair.add_argument("first", type=Path, metavar="A")
    pair.add_argument("second", type=Path, metavar="B")
    _add_output_options(pair)
    return command


def _subcommand(
    commands: Any,
    name: str,
    purpose: str,
    epilog: str,
    action: Callable[[argparse.Namespace, Stages], _Outcome],
    stages: Sequence[str],
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(action=action, stages=stages)
    return command


def _add_output_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    terminal.add_verbosity(command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; `argv` are the arguments, by default those of the process."""
    command = parser()
    translate_help(command)
    options = command.parse_args(argv)
    if argv is None:
        terminal.end_on_terminate()
    return terminal.guarded(lambda: _run(options), verbose=options.verbose)


def _run(options: argparse.Namespace) -> int:
    failures = dict.fromkeys(options.stages, BaseConverterError)
    if options.verbose:
        with verbose() as stderr:
            status, show = options.action(options, Stages(failures, Lines(stderr)))
    else:
        with quiet() as stderr, progress_bar(stderr, options.stages) as observer:
            status, show = options.action(options, Stages(failures, None if options.quiet else observer))
    if not options.quiet:
        show()
    if isinstance(status, ConverterError):
        raise status
    return status


def _list(options: argparse.Namespace, stages: Stages) -> _Outcome:
    from converter.weights import readers

    with stages.stage("read"):
        contents = readers.read(options.file)
    arrays = [tensor.array for tensor in contents.tensors.values()]
    if options.json:
        found = {"file": str(options.file), "kind": contents.kind, "tensors": list(map(_plain, arrays))}
        return EXIT_DONE, partial(_print_json, found)
    return EXIT_DONE, partial(_print_list, f"{options.file}, {contents.kind}", arrays)


def _print_list(what: str, arrays: Sequence[TensorSpec]) -> None:
    elements = sum(math.prod(array.shape) for array in arrays)
    terminal.print_table(("name", "shape", "type"), [(array.name, words.shape(array), array.dtype) for array in arrays])
    print(terminal.printable(f"{what}: {words.count(len(arrays), 'tensor')}, {words.count(elements, 'element')}"))


def _remap(options: argparse.Namespace, stages: Stages) -> _Outcome:
    from converter.commands.weights.remap import remap

    done = remap(options.weight_map, options.source, options.output, options.rename, options.base, stages)
    return EXIT_DONE, partial(_print_remapped, options, done)


def _print_remapped(options: argparse.Namespace, done: Remapped) -> None:
    lines = [("Made", f"{words.count(done.made, 'parameter')} of {options.source}")]
    if done.kept:
        lines.append(("Kept", f"{words.count(len(done.kept), 'parameter')} of {options.base}: {words.some(done.kept)}"))
    if done.unused:
        lines.append(
            ("Not used", f"{words.count(len(done.unused), 'tensor')} of the source: {words.some(done.unused)}")
        )
    if done.statistics:
        lines.append(("Beware", _FOLDED))
    for label, text in (*lines, ("Written", str(options.output))):
        print(f"{label:<10} {terminal.printable(text)}")


def _match(options: argparse.Namespace, stages: Stages) -> _Outcome:
    from converter.commands.weights.match import Settings, match
    from converter.commands.weights.match_output import as_json, print_matched

    settings = Settings(
        **{name: getattr(options, name) for name in ("source", "network", "output", "mapping", "partial")},
        **{name: getattr(options, name) for name in ("project_path", "compare", "shape", "inputs")},
    )
    if settings.compare is not None:
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # MindSpore's convolutions are very slow with AVX-512
    found = match(settings, stages)
    differs = found.comparison is not None and not found.comparison.same
    status = found.error or (EXIT_DIFFERS if differs else EXIT_DONE)
    return status, partial(_print_json, as_json(found)) if options.json else partial(print_matched, found, settings)


def _export(options: argparse.Namespace, stages: Stages) -> _Outcome:
    from converter.commands.weights.export import export

    done = export(options.checkpoint, options.weight_map, options.to, options.output, options.base, stages)
    return EXIT_DONE, partial(_print_exported, options, done)


def _print_exported(options: argparse.Namespace, done: Exported) -> None:
    lines = [("Made", f"{words.count(done.made, 'tensor')} of {options.checkpoint}")]
    kept = [name for name in done.kept if name not in dict(done.tied)]
    if kept:
        lines.append(("Kept", f"{words.count(len(kept), 'tensor')} of {options.base}: {words.some(kept)}"))
    if done.tied:
        pairs = [f"{name} (that of {other})" for name, other in done.tied]
        lines.append(("Shared", f"{words.count(len(pairs), 'tensor')}: {words.some(pairs)}"))
    if done.merged:
        lines.append(("Added", f"to the first bias, since the source has one bias: {words.some(done.merged)}"))
    if done.computed:
        lines.append(("Left out", f"made by an exporter, no weights of the source: {words.some(done.computed)}"))
    if done.unused:
        lines.append(("Not used", f"{words.count(len(done.unused), 'parameter')}: {words.some(done.unused)}"))
    for label, text in (*lines, ("Written", str(options.output))):
        print(f"{label:<10} {terminal.printable(text)}")


def _compare(options: argparse.Namespace, stages: Stages) -> _Outcome:
    from converter.commands.weights.compare import compare
    from converter.weights import readers

    with stages.stage("read"):
        first, second = (readers.read_mindspore(file).tensors for file in (options.first, options.second))
    with stages.stage("compare"):
        found = compare(first, second, stages.each)
    status = EXIT_DONE if all(each.same for each in found) else EXIT_DIFFERS
    if options.json:
        return status, partial(_print_json, [_difference(each) for each in found])
    return status, partial(_print_compared, found)


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "name": each.name,
        "same": each.same,
        "first": each.first and _plain(each.first),
        "second": each.second and _plain(each.second),
        "max_abs": each.max_abs,
        "max_rel": each.max_rel,
        "note": each.note,
    }


def _print_compared(found: Sequence[Difference]) -> None:
    differing = [each for each in found if not each.same]
    if differing:
        headings = ("name", "type and shape", "max. abs. difference", "max. rel.", "")
        terminal.print_table(headings, list(map(_row, differing)))
    print(f"{len(found) - len(differing)} of {len(found)} parameters are the same")


def _row(each: Difference) -> tuple[str, ...]:
    arrays = dict.fromkeys(f"{array.dtype} {words.shape(array)}" for array in (each.first, each.second) if array)
    numbers = ["" if number is None else f"{number:.1e}" for number in (each.max_abs, each.max_rel)]
    return each.name, " / ".join(arrays), *numbers, each.note


def _plain(array: TensorSpec) -> dict[str, Any]:
    return {"name": array.name, "shape": list(array.shape), "data_type": array.dtype}


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
