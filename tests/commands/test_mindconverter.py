"""The command: options, bad input, exit statuses, what it prints."""

from __future__ import annotations

import errno
import inspect
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from onnx import parser
from paths import MODELS

import converter
from converter import api, frontends
from converter.commands import mindconverter
from converter.verification import OutputComparison, VerificationResult

MODEL = parser.parse_model("""
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,4] features, float[N,4] mask) => (float[N,4] scores)
    { sum = Add (features, mask)   scores = Relu (sum) }
""").SerializeToString()
GRAPH_DEF = b"\n\x1a\n\x01x\x12\x0bPlaceholder*\x08\n\x05dtype\x12\x02"  # cut inside its only node


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with `net.onnx` in it, and other files that are no models."""
    (tmp_path / "net.onnx").write_bytes(MODEL)
    (tmp_path / "half.onnx").write_bytes(MODEL[: len(MODEL) // 2])
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_text("This is not a model.\n")
    (tmp_path / "text.txt").write_text("This is not a model.\n")
    (tmp_path / "text.pb").write_text("This is not a model.\n")
    (tmp_path / "half.pb").write_bytes(GRAPH_DEF)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def check_refused(capfd, folder: Path, before: set[Path], line: str) -> None:
    """Exactly one line on stderr, of the contract's form, and nothing left behind."""
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.match(r"\[\w+Error\] code: \d{7}, msg: .", err)
    assert re.search(line, err), err
    assert len(err) < 600
    assert "Traceback" not in err
    assert tree(folder) == before


ONNX = ["--model_file", "net.onnx"]
LOADING, UNKNOWN, MISSING, BAD, SAVE = (
    r"^\[ModelLoadingError\] code: 1000001, msg: ",
    r"^\[UnknownModelError\] code: 0000001, msg: ",
    r"^\[ParamMissingError\] code: 0000002, msg: ",
    r"^\[BadParamError\] code: 0000003, msg: ",
    r"^\[FileSaveError\] code: 2000000, msg: ",
)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--model_file", "missing.onnx"], LOADING + r"'missing\.onnx' cannot be read: No such file"),
        (["--model_file", "missing.pb"], LOADING + r".*missing\.pb"),
        (["--model_file", "."], UNKNOWN),
        (["--model_file", "text.txt"], UNKNOWN + r"'text\.txt' is neither"),
        (["--model_file", "text.onnx"], LOADING + r"'text\.onnx' is not an ONNX model"),
        (["--model_file", "empty.onnx"], LOADING + r"'empty\.onnx' is empty"),
        (["--model_file", "half.onnx"], LOADING + r"'half\.onnx' is truncated"),
        (["--model_file", "text.pb"], LOADING + r".*text\.pb"),
        (["--model_file", "half.pb"], LOADING + r".*half\.pb"),
        (
            [*ONNX, "--input_nodes", "feature", "mask"],
            BAD + r"input node 'feature' .*Nearest names: 'features'.*own inputs: 'features', 'mask'",
        ),
        (
            [*ONNX, "--output_nodes", "score:0"],
            BAD + r"output node 'score:0' .*Nearest names: 'scores'.*own outputs: 'scores'",
        ),
        ([*ONNX, "--output_nodes", "sum", "sum"], BAD + r".*'sum' is given twice"),
        ([*ONNX, "--input_nodes", "mask"], MISSING + r".*need the input\(s\) 'features'.*Add it"),
        ([*ONNX, "--shape", "1,4", "1,4,1"], BAD + r"input node 'mask'.*3 dimension\(s\).*\(N, 4\)"),
        ([*ONNX, "--shape", "1,4"], BAD + r".*1 shape\(s\) for 2 input\(s\)"),
        ([*ONNX, "--shape", "1,4", "-", "-"], BAD + r".*3 shape\(s\) for 2 input\(s\)"),
        ([*ONNX, "--shape", "1,5", "-"], BAD + r".*'features'.*\(1, 5\) contradicts \(N, 4\)"),
        ([*ONNX, "--shape", "1,x.y", "-"], BAD + r".*'x\.y' is neither a positive number nor a letter"),
        ([*ONNX, "--output", "text.txt"], SAVE + r"'text\.txt' cannot be written"),
        ([*ONNX, "--output", "text.txt/deeper"], SAVE + r".*cannot be written.*Choose another --output"),
        ([*ONNX, "--output", "new/folder", "--report", "text.txt"], SAVE + r"'text\.txt' cannot be written"),
        ([*ONNX, "--operator_map", "missing.py"], r"^\[OperatorMapError\] code: 3000001, msg: .*missing\.py"),
        ([*ONNX, "--verify_inputs", "missing.npz"], BAD + r".*missing\.npz"),
    ],
)
def test_bad_input(capfd, folder, arguments, line):
    before = tree(folder)
    assert mindconverter.main(arguments) == 1
    check_refused(capfd, folder, before, line)


def test_unreadable_file(capfd, folder, monkeypatch):
    before = tree(folder)

    def denied(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)  # a file's mode does not stop root
    assert mindconverter.main(ONNX) == 1
    check_refused(capfd, folder, before, LOADING + r"'net\.onnx' cannot be read: Permission denied")


def test_folder_that_cannot_be_written(capfd, folder, monkeypatch):
    before = tree(folder)

    def denied(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", denied)
    assert mindconverter.main([*ONNX, "--output", "out"]) == 1
    check_refused(capfd, folder, before, SAVE + r"'out' cannot be written: permission denied")


def test_pb_without_tensorflow(capfd, folder, monkeypatch):
    before = tree(folder)
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # importing it now raises ImportError
    assert mindconverter.main(["--model_file", "half.pb"]) == 1
    check_refused(
        capfd, folder, before, r'^\[TfRuntimeError\] code: 1000002.*pip install "onnx2mindspore\[tensorflow\]"'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model_file"],
        [*ONNX, "--checkpoint_format", "zip"],
        [*ONNX, "--shard_size", "0"],
        [*ONNX, "--no_verify", "--verify_inputs", "x.npz"],
        [*ONNX, "--quiet", "--verbose"],
        ["net.onnx"],
    ],
)
def test_wrong_usage(capfd, folder, arguments):
    with pytest.raises(SystemExit) as error:
        mindconverter.main(arguments)
    assert error.value.code == 2
    assert "usage: mindconverter" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flag", "text"), [("--version", r"^mindconverter \d+\.\d+\.\d+$"), ("--help", "exit status:")]
)
def test_texts(capfd, flag, text):
    with pytest.raises(SystemExit) as error:
        mindconverter.main([flag])
    assert error.value.code == 0
    assert re.search(text, capfd.readouterr().out)


def test_help_names_every_option(capfd):
    with pytest.raises(SystemExit):
        mindconverter.main(["--help"])
    text = capfd.readouterr().out
    options = set(inspect.signature(api.convert).parameters) - {"verify", "observer", "options", "inputs"}
    for name in options | {"no_verify", "version", "verbose", "quiet"}:
        assert f"--{name}" in text


def result(verdict: str = "same", **changes) -> SimpleNamespace:
    stub = SimpleNamespace(operator="com.hostile::\x1b[2JX", name="head/[x]", became="Write it.", converted=False)
    values = {
        "records": (stub, stub),
        "unit": "nodes",
        "unconverted": (stub,),
        "notes": (),
        "files": (Path("out/net.py"), Path("out/net.ckpt")),
        "verdict": verdict,
        "verification": None,
    }
    return SimpleNamespace(**values | changes)


@pytest.fixture
def converted(folder, monkeypatch):
    """Put a function in the place of the conversion; the arguments that it gets are in the list returned."""
    (folder / "net.pb").write_bytes(GRAPH_DEF)

    def put(outcome: object) -> list[dict]:
        calls: list[dict] = []
        signature = inspect.signature(api.convert)

        def convert(*args, **options):
            calls.append(dict(signature.bind(*args, **options).arguments))
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(api, "convert", convert)
        return calls

    return put


def test_options_reach_the_conversion(converted, capfd):
    calls = converted(result())
    arguments = [
        *("--model_file", "net.pb", "--input_nodes", "a:0", "b", "--output_nodes", "c", "--input_nodes", "d"),
        *("--shape", "N,3", "-", "1", "--output", "out", "--report", "reports", "--operator_map", "rows.py"),
        *("--checkpoint_format", "safetensors", "--verify_inputs", "x.npz", "--edges", "fail", "--verify_limit", "60"),
        *("--shard_size", "0.5", "--dtype", "float16", "--proof_kit"),
        *("--verify_memory", "1.5"),
    ]
    assert mindconverter.main(arguments) == 0
    assert calls == [
        {
            "model_file": "net.pb",
            "model": None,
            "shape": ["N,3", "-", "1"],
            "input_nodes": ["a:0", "b", "d"],
            "output_nodes": ["c"],
            "output": "out",
            "report": "reports",
            "operator_map": "rows.py",
            "checkpoint_format": "safetensors",
            "shard_size": 0.5,
            "dtype": "float16",
            "verify": True,
            "verify_inputs": "x.npz",
            "edges": "fail",
            "verify_limit": 60.0,
            "verify_memory": 1.5,
            "dequantise": False,
            "keep_onnx": False,
            "train_script": False,
            "proof_kit": True,
            "dump_stages": None,
            "observer": None,
            "options": dict.fromkeys(frontends.options(), None) | {"trust": False},
        }
    ]


def test_defaults_reach_the_conversion(converted):
    calls = converted(result())
    assert mindconverter.main([*ONNX, "--no_verify"]) == 0
    assert (calls[0]["output"], calls[0]["report"], calls[0]["verify"]) == ("./output", None, False)
    assert calls[0]["input_nodes"] == calls[0]["output_nodes"] == calls[0]["shape"] == []


@pytest.mark.parametrize(
    ("verdict", "status"), [("same", 0), ("differs", 3), ("not comparable", 0), ("not verified", 0)]
)
def test_exit_status_and_summary(converted, capfd, verdict, status):
    converted(result(verdict))
    assert mindconverter.main(ONNX) == status
    out, err = capfd.readouterr()
    assert err == ""
    for text in (
        "1 of 2 nodes (50.00%)",
        "head/[x]",
        verdict,
        "out/net.py\n",
        "out/net.ckpt\n",
        "ONEDNN_MAX_CPU_ISA=AVX2",
    ):
        assert text in out
    assert "\x1b" not in out


def compared(*errors: float | None) -> VerificationResult:
    outputs = (
        OutputComparison(
            "same" if error is not None and error < 1e-4 else "differs",
            error,
            error,
            error,
            output=f"y{i}",
            mode="graph",
        )
        for i, error in enumerate(errors)
    )
    return VerificationResult(tuple(outputs), {})


@pytest.mark.parametrize(
    ("verification", "texts", "absent"),
    [
        (compared(1e-6, 2e-6), ["worst error 2.0e-06 absolute, 2.0e-06 relative: output y1, graph mode"], ["y0"]),
        (compared(1e-6, 0.5), ["worst error 5.0e-01 absolute", "y1", "5.0e-01"], ["y0", "more"]),
        (compared(None), ["y0"], ["worst"]),
        (compared(*[0.5] * 30), ["y9", "and 20 more: see the report"], ["y10"]),
    ],
)
def test_summary_of_the_verification(converted, capfd, verification, texts, absent):
    converted(result(verification.verdict, verification=verification))
    mindconverter.main(ONNX)
    out = capfd.readouterr().out
    assert all(text in out for text in texts)
    assert not any(text in out for text in absent)


@pytest.mark.parametrize(
    ("outcome", "status", "line"),
    [
        (KeyboardInterrupt(), 130, r"^Interrupted: nothing was written\.\n$"),
        (
            ValueError("odd\nthing"),
            1,
            r"^\[BaseConverterError\] code: 0000000, msg: ValueError: odd thing\. .*--verbose shows\.\n$",
        ),
    ],
)
def test_interrupts_and_surprises(converted, capfd, outcome, status, line):
    converted(outcome)
    assert mindconverter.main(ONNX) == status
    assert re.search(line, capfd.readouterr().err)


def test_verbose_shows_where_a_surprise_arose(converted, capfd):
    converted(ValueError("odd"))
    assert mindconverter.main([*ONNX, "--verbose"]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_the_whole_road(folder, capfd):
    arguments = [*ONNX, "--no_verify", "--output", "out", "--report", "out/reports", "--shape", "2,4", "-"]
    assert mindconverter.main(arguments) == 0
    assert {path.name for path in (folder / "out").iterdir()} == {"net.py", "reports"}  # no parameters, no checkpoint
    assert {"report_of_net.txt", "weight_map_of_net.json"} <= {path.name for path in (folder / "out/reports").iterdir()}
    assert "out/net.py\n" in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [["mnist.onnx"], ["mnist_tf.pb", "--no_verify"]])
def test_libraries_say_nothing(tmp_path, arguments):
    environment = {name: value for name, value in os.environ.items() if name not in ("GLOG_v", "TF_CPP_MIN_LOG_LEVEL")}
    command = [sys.executable, "-m", "converter", "--output", str(tmp_path), "--model_file"]
    done = subprocess.run(
        [*command, str(MODELS / arguments[0]), *arguments[1:]],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stderr == ""
    assert re.match(r"Converted  \d+ of \d+ nodes", done.stdout)


def test_libraries_speak_when_asked(tmp_path):
    command = [sys.executable, "-m", "converter", "--output", str(tmp_path), "--no_verify", "--verbose", "--model_file"]
    done = subprocess.run([*command, str(MODELS / "mnist_tf.pb")], capture_output=True, text=True, check=True)
    assert "Using opset <onnx" in done.stderr  # tf2onnx
    assert re.search(r"^ +\d+\.\d\d s  structure$", done.stderr, re.MULTILINE)


def test_quiet_says_nothing(folder, capfd):
    assert mindconverter.main([*ONNX, "--no_verify", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert (folder / "output" / "net.py").exists()


@pytest.mark.parametrize("name", ["missing.pb", "missing.onnx", "empty.onnx"])
def test_a_missing_file_is_noticed_at_once(folder, name):
    program = (
        "import sys; from converter.commands import mindconverter\n"
        f"status = mindconverter.main(['--model_file', '{name}'])\n"
        "print(status, [each for each in ('tensorflow', 'mindspore', 'onnx', 'numpy') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"


def test_the_python_call_is_the_same():
    assert converter.convert is api.convert
    with pytest.raises(AttributeError, match="no attribute 'konvert'"):
        converter.konvert  # noqa: B018


def test_the_command_starts_without_heavy_imports():
    program = (
        "import sys; from converter.commands import mindconverter; mindconverter.parser()\n"
        "print([name for name in ('mindspore', 'tensorflow', 'torch', 'onnx', 'numpy', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing_behind(folder, number, status):
    before = tree(folder)
    program = (
        "import sys, time; from converter import api; from converter.commands import mindconverter\n"
        "def slow(*_): time.sleep(60)\n"
        "api.frontends.load = slow\n"
        "sys.argv[1:] = ['--model_file', 'net.onnx', '--output', 'new/out']\n"
        "sys.exit(mindconverter.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (folder / "new" / "out").is_dir():
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(0.2)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in err
    assert tree(folder) == before
