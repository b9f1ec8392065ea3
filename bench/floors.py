"""Programs that `run.py` measures, each a process of its own: `python bench/floors.py NAME FILE FOLDER`.

`read_and_write`, `check` and `run_both` are floors: what a conversion cannot do without. The peers translate an ONNX
model to PyTorch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def read_and_write(file: Path, folder: Path) -> None:
    """Read a model with onnx_ir, and write its weights with safetensors."""
    import onnx_ir
    from safetensors.numpy import save_file

    model = onnx_ir.load(file)
    weights = {name: value.const_value.numpy() for name, value in model.graph.initializers.items() if value.const_value}
    save_file(weights, folder / "floor.safetensors")


def check(file: Path, folder: Path) -> None:
    """Load, check and infer a model with onnx."""
    import onnx

    model = onnx.load(file)
    onnx.checker.check_model(model)
    onnx.shape_inference.infer_shapes(model)


def run_both(file: Path, folder: Path) -> None:
    """Import both runtimes; run the source once, and the script in `folder` once in each mode, on the same inputs."""
    import mindspore as ms
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options)
    report = json.loads((folder / f"report_of_{file.stem}.json").read_text(encoding="utf-8"))
    random = np.random.default_rng(0)
    feeds = [
        random.standard_normal(each["shape"]).astype(each["dtype"])
        if each["dtype"].startswith("float")
        else np.zeros(each["shape"], each["dtype"])
        for each in report["verification"]["inputs"]
    ]
    session.run(None, {end.name: array for end, array in zip(session.get_inputs(), feeds, strict=True)})
    sys.path.insert(0, str(folder))
    net = __import__(file.stem).MindSporeModel()
    ms.load_param_into_net(net, ms.load_checkpoint(str(folder / f"{file.stem}.ckpt")), strict_load=True)
    net.set_train(False)
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        result = net(*map(ms.Tensor, feeds))
        for each in result if isinstance(result, tuple) else (result,):
            each.asnumpy()


def import_tensorflow(file: Path, folder: Path) -> None:
    """Import TensorFlow, which reading a frozen graph cannot do without."""
    import tensorflow  # noqa: F401


def convert(file: Path, folder: Path) -> None:
    """Convert a model without verification; print the CPU seconds of each stage and the number of nodes as JSON."""
    from growth import Clock

    import converter

    clock = Clock()
    try:
        result = converter.convert(file, output=folder, verify=False, observer=clock)
        nodes = result.nodes_total
    except converter.errors.ConverterError:  # a model that is refused costs something, too
        nodes = 0
    clock.begin("end")
    print(json.dumps({"stages": clock.stages, "nodes": nodes}))


def onnx2torch(file: Path, folder: Path) -> None:
    """The peer onnx2torch; the module is saved."""
    import torch
    from onnx2torch import convert as convert_to_torch

    torch.save(convert_to_torch(str(file)).state_dict(), folder / "peer.pth")


def onnx2pytorch(file: Path, folder: Path) -> None:
    """The peer onnx2pytorch; the module is saved."""
    import onnx
    import torch
    from onnx2pytorch import ConvertModel

    torch.save(ConvertModel(onnx.load(file)).state_dict(), folder / "peer.pth")


def pnnx(file: Path, folder: Path) -> None:
    """The peer pnnx, whose program is called."""
    import os
    import shutil

    import pnnx

    binary = Path(pnnx.__file__).parent / "pnnx"
    shutil.copy(file, folder / "peer.onnx")
    os.chdir(folder)
    os.execv(binary, [str(binary), "peer.onnx"])


if __name__ == "__main__":
    vars()[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
