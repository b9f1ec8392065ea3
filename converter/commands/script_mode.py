"""Script mode of the command: `--in_file` names PyTorch scripts, which become MindSpore scripts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from converter.base.script_mode import STAGES
from converter.commands.mode import Groups, Mode

if TYPE_CHECKING:
    from converter.base.stages import Observer
    from converter.report import Result


def _add_options(groups: Groups) -> None:
    scripts = groups["scripts"]
    scripts.add_argument(
        "--in_file",
        metavar="FILE",
        help="instead of a model: a PyTorch script or a folder of them, rewritten in MindSpore with what they import "
        "of their project; the result has the same layout. --model_file is not read then",
    )
    scripts.add_argument(
        "--api",
        choices=["nn", "mint"],
        default="nn",
        help="what to write: mindspore.nn and ops, or functions of mindspore.mint (Ascend) where it has them; layers "
        "and methods stay. Default: nn",
    )
    scripts.add_argument(
        "--assume_tensors",
        action="store_true",
        help="convert methods also where it is not certain that they are a tensor's",
    )
    scripts.add_argument(
        "--no_comments", action="store_true", help="put no comment behind a line that was not converted as a whole"
    )
    scripts.add_argument("--copy_others", action="store_true", help="copy the other files of the folder as they are")
    scripts.add_argument(
        "--scan",
        action="store_true",
        help="write no script, but scan_of_NAME.csv: what would be converted, and what not",
    )
    groups["verification"].add_argument(
        "--verify_network",
        "--verify",
        metavar="CALL",
        help="of scripts: what makes a network, as PACKAGE.MODULE:FACTORY(arguments). It is built in PyTorch and from "
        "the result, gets the same weights (--weights, or random ones), and outputs and gradients are compared on "
        "--shape or --verify_inputs. No code of the scripts is run without this option",
    )


def _convert(options: argparse.Namespace, observer: Observer | None) -> Result:
    from converter.script_api import convert_script

    return convert_script(
        options.in_file,
        output=options.output,
        report=options.report,
        project_path=options.project_path,
        api=options.api,
        assume_tensors=options.assume_tensors,
        comments=not options.no_comments,
        copy_others=options.copy_others,
        operator_map=options.operator_map,
        scan=options.scan,
        verify_network=options.verify_network,
        shape=options.shape,
        verify_inputs=options.verify_inputs,
        weights=options.weights,
        checkpoint_format=options.checkpoint_format,
        verify_limit=options.verify_limit,
        observer=observer,
    )


MODE = Mode(source="in_file", stages=STAGES, add_options=_add_options, convert=_convert)
