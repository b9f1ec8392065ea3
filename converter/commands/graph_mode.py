"""Graph mode of the command: `--model_file` names a model, which becomes a script, its checkpoint and a weight map."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from converter import frontends
from converter.base.graph_mode import STAGES
from converter.base.relaxed_gc import paused_gc
from converter.commands.mode import Groups, Mode

if TYPE_CHECKING:
    from converter.base.stages import Observer
    from converter.report import Outcome


class _Inspect(argparse.Action):
    """`--inspect`, which may name the model: `--inspect FILE` is `--model_file FILE --inspect`."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if values is not None:
            if namespace.model_file is not None:
                parser.error(f"--model_file and {option_string} name two models")
            namespace.model_file = values
        setattr(namespace, self.dest, True)


def _add_options(groups: Groups) -> None:
    model, result = groups["model"], groups["result"]
    kinds = ", ".join(frontend.kind for frontend in frontends.FRONTENDS)
    model.add_argument(
        "--model_file", metavar="FILE", help=f"the model: {kinds}, or an archive (.zip, .tar.gz) that holds one"
    )
    model.add_argument(
        "--model",
        metavar="CALL",
        help="instead of a file: a PyTorch module, as PACKAGE.MODULE:CALLABLE or "
        "PACKAGE.MODULE:CALLABLE(10, deep=True), with literals as arguments",
    )
    model.add_argument(
        "--input_nodes",
        nargs="+",
        action="extend",
        default=[],
        metavar="NODE",
        help="where the network begins: a tensor (name:k), a node (its first output) or an ONNX value, also in the "
        "middle of the graph; what lies before it is cut off. Default: the model's own inputs",
    )
    model.add_argument(
        "--output_nodes",
        nargs="+",
        action="extend",
        default=[],
        metavar="NODE",
        help="where the network ends, likewise. Default: the model's own outputs",
    )
    model.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        default=[],
        metavar="SHAPE",
        help="one for each input, in their order: 1,3,224,224; a letter where a dimension is free (N,3,224,224); - for "
        "the model's own shape, and for a scalar. Numbers serve inference and verification: what is free in the model "
        "stays free in the script",
    )

    for option in frontends.options().values():
        how: dict[str, Any] = {"metavar": option.metavar} if option.metavar else {"action": "store_true"}
        model.add_argument(f"--{option.name}", help=option.help, **how)
    result.add_argument(
        "--checkpoint_format",
        choices=["ckpt", "safetensors"],
        help="format of the checkpoint. Default: ckpt, above 2 GB safetensors",
    )
    result.add_argument(
        "--shard_size",
        type=_positive,
        metavar="GB",
        help="largest file of safetensors, in 10^9 bytes. A larger checkpoint is written in shards, with "
        "param_name_map.json for load_distributed_checkpoint and model.safetensors.index.json. Default: 4",
    )
    result.add_argument(
        "--dtype",
        choices=["float32", "float16", "bfloat16"],
        help="element type of the weights, and in which the script computes; inputs and outputs keep their types. "
        "Default: that of the source",
    )
    how_far = result.add_mutually_exclusive_group()
    how_far.add_argument(
        "--inspect",
        nargs="?",
        action=_Inspect,
        default=False,
        metavar="FILE",
        help="convert nothing: show the model's ends, operators, expected rate and parameters, on the terminal and as "
        "inspection_of_NAME.html and .json",
    )
    how_far.add_argument(
        "--onnx_only",
        action="store_true",
        help="write the cut, normalised model as NAME.onnx and stop; to convert that file gives the same script",
    )
    how_far.add_argument("--keep_onnx", action="store_true", help="write NAME.onnx beside the rest")
    result.add_argument(
        "--dequantise",
        action="store_true",
        help="of a quantised model, translate the float network: weights in float32, values not rounded to integers; "
        "a note says how far its outputs are from those of the quantised one",
    )
    result.add_argument(
        "--train_script",
        action="store_true",
        help="write train_NAME.py too: loss, optimizer, step, a dataset to replace. A training graph of TensorFlow "
        "has it anyway, with what was in the graph; for any other source loss and optimizer are guesses",
    )
    result.add_argument(
        "--proof_kit",
        action="store_true",
        help="write prove_NAME.py and NAME_reference.npz too, which compare outputs and Cells on any machine with "
        "MindSpore, an Ascend for one, and measure the latency there",
    )
    groups["other"].add_argument(
        "--dump_stages",
        metavar="DIR",
        help="folder for the graph (ONNX) and the program (text) between the stages, to look for a fault",
    )
    verification = groups["verification"].add_mutually_exclusive_group()
    verification.add_argument("--no_verify", action="store_true", help="do not run the source and the script")
    verification.add_argument(
        "--verify_inputs", metavar="FILE.npz", help="inputs to run them on. Default: random, seeded"
    )
    groups["verification"].add_argument(
        "--edges",
        choices=["none", "report", "fail"],
        help="edge inputs after the ordinary ones (NaN, infinities, ties, hidden rows, other extents, ...): try none; "
        "report where the script differs; or fail there, with exit status 3. Default: report",
    )
    groups["verification"].add_argument(
        "--verify_limit",
        type=_positive,
        default=600,
        metavar="SECONDS",
        help="longest time for all runs of the source and the script; what is not compared then is not verified. "
        "Default: 600",
    )
    groups["verification"].add_argument(
        "--verify_memory",
        type=_positive,
        metavar="GB",
        help="memory that the source and the script may take together; if they take more, each layer of the script is "
        "compared by itself, with the weights that are read for it. Default: what is free",
    )


def _positive(text: str) -> float:
    """A number that is more than 0.

    Raises:
        ValueError: it is not positive.
    """
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _convert(options: argparse.Namespace, observer: Observer | None) -> Outcome:
    with paused_gc():
        from converter import api

    asked = {
        "model": options.model,
        "shape": options.shape,
        "input_nodes": options.input_nodes,
        "output_nodes": options.output_nodes,
        "output": options.output,
        "operator_map": options.operator_map,
        "dequantise": options.dequantise,
        "observer": observer,
        **{name: getattr(options, name) for name in frontends.options()},
    }
    if options.inspect:
        return api.inspect(options.model_file, report=options.report, **asked)
    if options.onnx_only:
        return api.export_onnx(options.model_file, **asked)
    return api.convert(
        options.model_file,
        report=options.report,
        checkpoint_format=options.checkpoint_format,
        shard_size=options.shard_size,
        dtype=options.dtype,
        verify=not options.no_verify,
        verify_inputs=options.verify_inputs,
        edges=options.edges,
        verify_limit=options.verify_limit,
        verify_memory=options.verify_memory,
        keep_onnx=options.keep_onnx,
        train_script=options.train_script,
        proof_kit=options.proof_kit,
        dump_stages=options.dump_stages,
        **asked,
    )


MODE = Mode(source="model_file", instead="model", stages=STAGES, add_options=_add_options, convert=_convert)
