"""The command `mindconverter`: options in, a summary and an exit status out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.files import check_readable, is_prefix
from converter.base.messages import tr, translate_help
from converter.base.relaxed_gc import relaxed_gc
from converter.base.version import __version__
from converter.commands import graph_mode, script_mode
from converter.commands.mode import Mode
from converter.commands.outcome import print_outcome
from converter.commands.terminal import (
    EXIT_DIFFERS,
    EXIT_DONE,
    add_verbosity,
    end_on_terminate,
    end_without_collecting,
    guarded,
)
from converter.commands.terminal.progress import Lines, progress_bar
from converter.commands.terminal.quiet import quiet, verbose

if TYPE_CHECKING:
    from converter.report import Outcome

MODES: tuple[Mode, ...] = (script_mode.MODE, graph_mode.MODE)
"""Every mode; if the command line has several sources, the first of these modes is used."""

_DESCRIPTION = """\
Translate a model of PyTorch, TensorFlow, Keras or ONNX into a MindSpore script, its checkpoint, a map of the weights
and a report. The script is then run beside the source on the same inputs, and the report says how far their outputs
are apart. With --in_file, PyTorch code is rewritten in MindSpore instead."""

_EPILOG = """\
examples:
  An ONNX model, as it is. Files go to ./output:
    mindconverter --model_file mnist.onnx

  The same for batches of any size, verified on your own inputs (the keys of the .npz are the names of the inputs):
    mindconverter --model_file mnist.onnx --shape N,1,28,28 --verify_inputs digits.npz --output out

  A PyTorch module from its code and its weights (needs: pip install "onnx2mindspore[pytorch]"):
    mindconverter --model mynet.nets:ResNet --weights net.pth --shape N,3,224,224

  A SavedModel, a model of Keras, a checkpoint of TensorFlow 1:
    mindconverter --model_file saved_model_folder

  A frozen TensorFlow graph (needs: pip install "onnx2mindspore[tensorflow]"):
    mindconverter --model_file frozen.pb --shape 1,224,224,3 --input_nodes input_1:0 --output_nodes Identity:0

  PyTorch scripts (one file, or a package), rewritten in MindSpore:
    mindconverter --in_file models/resnet.py --output converted

  A part of a graph, with two inputs. The second one is a scalar:
    mindconverter --model_file gru.pb --input_nodes X:0 keep_prob:0 --shape 2,784 - --output_nodes output:0

exit status:
  0  written; the report says so where a node became a stub or a result could not be compared
  1  an error, on stderr as: [BadParamError] code: 0000003, msg: what happened and what to do. Nothing is written
  2  wrong usage of the command
  3  written, but the script's outputs differ from those of the source; with --edges fail, also on edge inputs
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    command = argparse.ArgumentParser(
        "mindconverter",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    groups = {
        title: command.add_argument_group(title) for title in ("model", "scripts", "result", "verification", "other")
    }
    for mode in MODES:
        mode.add_options(groups)
    result, other = groups["result"], groups["other"]
    result.add_argument(
        "--output", default="./output", metavar="DIR", help="folder of script and checkpoint. Default: ./output"
    )
    result.add_argument("--report", metavar="DIR", help="folder of reports and weight map. Default: that of --output")
    result.add_argument(
        "--operator_map",
        metavar="FILE",
        help="a Python file with rows of your own: they add operators or replace what is there",
    )
    add_verbosity(other)
    other.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    other.add_argument("-h", "--help", action="help", help="show this text")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; `argv` are the arguments, by default those of the process."""
    command = parser()
    translate_help(command)
    options = command.parse_args(argv)
    mode = next((mode for mode in MODES if any(getattr(options, name) is not None for name in mode.sources)), None)
    if mode is None:
        names = (f"--{name}" for mode in MODES for name in mode.sources)
        command.error(f"the following arguments are required: {' or '.join(names)}")
    if argv is None:
        end_on_terminate()
        end_without_collecting()
    return guarded(lambda: _run(mode, options), verbose=options.verbose)


@relaxed_gc()  # a conversion leaves many objects behind it, and the process ends soon
def _run(mode: Mode, options: argparse.Namespace) -> int:
    named = getattr(options, mode.source)
    if named is not None and not Path(named).is_dir() and not is_prefix(Path(named)):
        check_readable(Path(named))  # check first: the imports of a conversion take seconds
    remarks = {"verify": tr("at most {seconds:g} s").format(seconds=options.verify_limit)}
    if options.verbose:
        with verbose() as stderr:
            result = mode.convert(options, Lines(stderr, remarks))
    else:
        with quiet() as stderr, progress_bar(stderr, tuple(mode.stages), remarks) as observer:
            result = mode.convert(options, None if options.quiet else observer)
    if not options.quiet:
        print_outcome(result)
    return EXIT_DIFFERS if result.verdict == "differs" or _fails_on_edges(result, options) else EXIT_DONE


def _fails_on_edges(result: Outcome, options: argparse.Namespace) -> bool:
    found = getattr(result, "verification", None)
    return options.edges == "fail" and found is not None and bool(found.edge_warnings)
