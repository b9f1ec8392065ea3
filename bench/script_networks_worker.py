"""The process of `script_networks.py` that builds and runs networks: in PyTorch, or from the converted scripts."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from typing import Any

import numpy as np

TOLERANCE = 1e-4
NAMES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
NAMES |= {"embedding_table": "weight", "w": "weight"}


def in_torch(call: str, shapes: str, file: str) -> str:
    """Build a network, give it random weights, run it, and write all of it to a file."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = build(call)
    net.eval()
    random = np.random.default_rng(0)
    arrays = {}
    state = net.state_dict()
    first: dict[int, str] = {}
    for name, value in list(state.items()):
        known = first.setdefault(value.data_ptr(), name)
        if known != name and value.numel():  # a weight that is used twice has two names
            arrays[f"a:{name}"] = np.array(known)
            continue
        if value.dtype.is_floating_point and is_weight(name):
            value.copy_(torch.tensor(values(random, name, tuple(value.shape)), dtype=value.dtype))
        arrays[f"p:{name}"] = value.detach().numpy()
    net.load_state_dict(state)
    inputs = [torch.tensor(each) for each in input_arrays(random, shapes)]
    with torch.no_grad():
        outputs = flat(net(*inputs), torch.Tensor)
    arrays |= {f"x:{number}": each.numpy() for number, each in enumerate(inputs)}
    arrays |= {f"y:{number}": each.numpy() for number, each in enumerate(outputs)}
    np.savez(file, **arrays)
    return ""


def gradients_in_torch(call: str, shapes: str, file: str) -> str:
    """Add the gradients of a network in training mode to its file; dropout and drop path are 0."""
    import torch

    torch.set_num_threads(1)
    data = dict(np.load(file))
    net = build(call)
    state = net.state_dict()
    first = {name: str(data[f"a:{name}"]) if f"a:{name}" in data else name for name in state}
    net.load_state_dict({name: torch.tensor(data[f"p:{first[name]}"]) for name in state})
    net.train()
    for module in net.modules():
        if isinstance(getattr(module, "p", None), float):
            module.p = 0.0
    outputs = flat(net(*[torch.tensor(each) for each in numbered(data, "x")]), torch.Tensor)
    loss = sum((each * torch.tensor(factors(each.shape))).sum() for each in outputs)
    loss.backward()
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            data[f"g:{name}"] = parameter.grad.numpy()
    np.savez(file, **data)
    return ""


def gradients_in_mindspore(call: str, file: str, mode: str) -> tuple[str, str]:
    """Compare the gradients of all parameters, each relative to its own largest, with those of PyTorch."""
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)
    data = np.load(file)
    net = build(call)
    load(net, data)
    net.set_train(True)
    for _, cell in net.cells_and_names():
        if isinstance(getattr(cell, "p", None), float):
            cell.p = 0.0
    if mode == "graph":
        ms.set_context(mode=ms.GRAPH_MODE)
    inputs = [ms.Tensor(each) for each in numbered(data, "x")]

    def forward(*inputs: Any) -> Any:
        loss = 0.0
        for each in flat(net(*inputs), ms.Tensor):
            loss = loss + (each * ms.Tensor(factors(each.shape))).sum()
        return loss

    _, found = ms.value_and_grad(forward, None, net.trainable_params())(*inputs)
    worst, place, count = 0.0, "", 0
    wanted = {name[2:]: data[name] for name in data.files if name.startswith("g:")}
    overall = max(float(np.abs(value).max()) for value in wanted.values())
    for parameter, gradient in zip(net.trainable_params(), found, strict=True):
        name = next((each for each in torch_names(parameter.name) if each in wanted), None)
        if name is None:
            continue
        value = wanted.pop(name)
        largest = max(float(np.abs(value).max()), 1e-4 * overall)  # some gradients are 0 but for rounding
        error = float(np.abs(gradient.asnumpy().reshape(value.shape) - value).max()) / largest
        count += 1
        if error > worst:
            worst, place = error, name
    text = f"{worst:.1e} at {place}, {count} parameters"
    return (
        "right" if worst < 1e-3 and not wanted else "wrong"
    ), f"{text}; without one: {list(wanted)[:4]}" if wanted else text


def numbered(data: Any, kind: str) -> list[np.ndarray]:
    """The inputs in a file, in their order."""
    return [data[f"{kind}:{number}"] for number in range(sum(name.startswith(f"{kind}:") for name in data))]


def factors(shape: Any) -> np.ndarray:
    """What the loss multiplies an output with."""
    return np.random.default_rng(1).standard_normal(tuple(shape)).astype(np.float32)


def is_weight(name: str) -> bool:
    """Whether it is a weight; tables that a network computes keep their values."""
    return not any(part in name for part in ("relative_coords_table", "inv_freq", "attn_mask", "position_ids"))


def values(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random values of a weight that keep what flows through the network at its size."""
    drawn = random.standard_normal(shape)
    if name.endswith("running_var"):
        return np.abs(drawn) * 0.5 + 0.75
    if name.endswith("running_mean"):
        return drawn * 0.1
    if drawn.ndim <= 1:
        return drawn * 0.1 + (name.endswith("weight") or "gamma" in name)
    return drawn / np.sqrt(max(1, np.prod(shape[1:])))


def input_arrays(random: np.random.Generator, shapes: str) -> list[np.ndarray]:
    """The inputs: `1,3,64,64`, or `i99:1,8` for numbers below 99."""
    made = []
    for each in shapes.split(";"):
        high, _, sizes = each.rpartition(":")
        shape = tuple(int(size) for size in sizes.split(","))
        if high:
            made.append(random.integers(0, int(high[1:]), shape))
        else:
            made.append(random.standard_normal(shape).astype(np.float32))
    return made


def in_mindspore(call: str, file: str, mode: str) -> tuple[str, str]:
    """Build a network from the converted script, give it the same weights, and compare its output."""
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)
    net = build(call)
    net.set_train(False)
    data = np.load(file)
    lost = load(net, data)
    if mode == "graph":
        ms.set_context(mode=ms.GRAPH_MODE)
    inputs = [ms.Tensor(data[f"x:{number}"]) for number in range(sum(name.startswith("x:") for name in data.files))]
    wanted = [data[f"y:{number}"] for number in range(sum(name.startswith("y:") for name in data.files))]
    got = [each.asnumpy() for each in flat(net(*inputs), ms.Tensor)]
    if [each.shape for each in got] != [each.shape for each in wanted]:
        return "wrong", f"shapes {[each.shape for each in got]} instead of {[each.shape for each in wanted]} {lost}"
    error = max(
        float(np.abs(one.astype(np.float64) - other).max() / max(1e-9, np.abs(other).max()))
        for one, other in zip(got, wanted, strict=True)
    )
    return ("right" if error < TOLERANCE and not lost else "wrong"), f"{error:.1e} {lost}".strip()


def load(net: Any, data: Any) -> str:
    """Set the parameters of a network by PyTorch's names; return which have no partner."""
    import mindspore as ms

    weights = {name[2:]: data[name] for name in data.files if name.startswith("p:")}
    weights = {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    for name in data.files:  # the other names of a weight that is used twice
        known = str(data[name]) if name.startswith("a:") else ""
        if known in weights and name[2:] in {each for p in net.get_parameters() for each in torch_names(p.name)}:
            weights[name[2:]] = weights.pop(known)
    lost = []
    for parameter in net.get_parameters():
        name = next((each for each in torch_names(parameter.name) if each in weights), None)
        if name is None:
            if parameter.requires_grad:
                lost.append(parameter.name)
            continue
        parameter.set_data(ms.Tensor(weights.pop(name).reshape(parameter.shape), parameter.dtype))
    parts = []
    if lost:
        parts.append(f"not in PyTorch: {', '.join(lost[:4])} ({len(lost)})")
    unused = [name for name in weights if is_weight(name) and not name.endswith("relative_position_index")]
    if unused:
        parts.append(f"not in MindSpore: {', '.join(unused[:4])} ({len(unused)})")
    return "; ".join(parts)


def torch_names(name: str) -> list[str]:
    """What a parameter may be called in PyTorch."""
    scope, dot, last = name.rpartition(".")
    plain = scope.removesuffix("bn2d").rstrip(".")
    return [
        name,
        f"{scope}{dot}{NAMES.get(last, last)}",
        f"{plain}{dot}{NAMES.get(last, last)}",
        f"{scope}{dot}{last.removesuffix('_')}",
    ]


def flat(output: Any, tensor: type) -> list[Any]:
    """The tensors of an output."""
    if isinstance(output, tensor):
        return [output]
    if hasattr(output, "to_tuple"):
        output = output.to_tuple()
    if isinstance(output, dict):
        output = [each for each in output.values() if each is not None]
    if isinstance(output, (list, tuple)):
        return [each for part in output for each in flat(part, tensor)]
    return []


def build(call: str) -> Any:
    """`package.module:factory(arguments)`."""
    module, _, expression = call.partition(":")
    return eval(expression, vars(importlib.import_module(module)))


def main() -> None:
    """Run each job, and print what came of it as a line of JSON."""
    side, jobs, gradients = sys.argv[1], json.loads(sys.argv[2]), sys.argv[4] == "gradients"
    if side != "torch":
        sys.path.append(sys.argv[3])  # what the libraries import of others, such as PIL
    for _, folder, call, shapes, file in jobs:
        if side != "torch":
            for name in [name for name in sys.modules if name.partition(".")[0] in LIBRARIES]:
                del sys.modules[name]
            sys.modules |= dict.fromkeys(LIBRARIES - {"_torch_compat", call.partition(".")[0]})  # not to be imported
            sys.path.insert(0, folder)
        try:
            if gradients:
                state, text = (
                    ("right", gradients_in_torch(call, shapes, file))
                    if side == "torch"
                    else gradients_in_mindspore(call, file, side)
                )
            elif side == "torch":
                state, text = "right", in_torch(call, shapes, file)
            else:
                state, text = in_mindspore(call, file, side)
        except BaseException as error:
            where = traceback.format_exc().strip().splitlines()[-12:]
            state, text = "raised", f"{type(error).__name__}: {error}\n" + "\n".join(where)
        if side != "torch":
            sys.path.remove(folder)
        print(json.dumps({"state": state, "text": text}), flush=True)


LIBRARIES = {"torch", "torchvision", "timm", "transformers", "_torch_compat"}
"""What a result brings itself, or must do without."""

if __name__ == "__main__":
    main()
