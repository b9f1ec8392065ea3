"""Write `train_NAME.py`: network, loss, optimizer, a step, and a dataset to replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec, entry_of
from converter.base.names import Namespace, identifier
from converter.base.weight_steps import Step, apply
from converter.frontends import OWN_DECAY, Change, Endpoint, Loss, Optimizer, Source, Training
from converter.lowering import Translation
from converter.script import Program
from converter.script.emit import definitions_of, write_module
from converter.training import learning_rate, losses, samples
from converter.training.groups import Groups, decay_of_all, groups_of, round_to_written

_DEFAULTS: Mapping[str, Mapping[str, float | bool]] = {
    "Adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "use_nesterov": False},
    "AdamW": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "use_nesterov": False},
    "AdaMax": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "AdamWeightDecay": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-6},
    "ProximalGradientDescent": {"l1": 0.0, "l2": 0.0},
    "Adagrad": {"accum": 0.1},
    "FTRL": {"initial_accum": 0.1, "lr_power": -0.5, "l1": 0.0, "l2": 0.0},
    "ProximalAdagrad": {"accum": 0.1, "l1": 0.0, "l2": 0.0},
    "Momentum": {"use_nesterov": False},
    "RMSProp": {"decay": 0.9, "momentum": 0.0, "epsilon": 1e-10, "centered": False},
}
"""Hyperparameters that are left out where they are MindSpore's defaults."""

_OWN_OPTIMIZERS: Mapping[str, str] = {
    "AdamW": '''class AdamW(nn.Cell):
    """Adam, before which each weight loses a share of itself: the learning rate times `decay`."""

    def __init__(self, params, learning_rate, decay, **options):
        super().__init__(auto_prefix=False)
        self.adam = nn.Adam(params, learning_rate, **options)
        self.parameters = self.adam.parameters
        self.decay = decay

    def construct(self, gradients):
        rate = self.adam.get_lr()
        for parameter in self.parameters:
            ops.Assign()(parameter, parameter * (1 - rate * self.decay))
        return self.adam(gradients)
''',
    "ProximalGradientDescent": '''class ProximalGradientDescent(nn.Optimizer):
    """Gradient descent that brings each weight nearer to zero: by an amount (l1) and by a factor (l2)."""

    def __init__(self, params, learning_rate, l1=0.0, l2=0.0, weight_decay=0.0):
        super().__init__(learning_rate, params, weight_decay)
        self.l1 = l1
        self.l2 = l2

    def construct(self, gradients):
        gradients = self.decay_weight(gradients)
        rates = self.get_lr()
        if not self.is_group_lr:
            rates = (rates,) * len(gradients)
        for parameter, gradient, rate in zip(self.parameters, gradients, rates):
            moved = parameter - rate * gradient
            nearer = ops.sign(moved) * ops.relu(ops.abs(moved) - rate * self.l1)
            ops.Assign()(parameter, nearer / (1 + rate * self.l2))
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        return True
''',
}
"""Optimizers that MindSpore does not have."""

_GENERIC = frozenset({"iterator_get_next", "batch", "shuffle_batch", "fifo_queue_dequeue", "placeholder", "x", "y"})
"""Names of inputs and labels that say nothing."""


@dataclass(frozen=True)
class TrainingScript:
    """A training script.

    Attributes:
        text: the module.
        state: the state of the optimizer to go on with, as parameters of MindSpore's optimizer, and the tables of the
            loss; empty without any.
        notes: for the user, one sentence each.
    """

    text: str
    state: tuple[LazyTensor, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Weight:
    """A trainable parameter of the script, and the tensor of the source that it is computed from."""

    name: str
    source: str
    steps: tuple[Step, ...]
    shape: tuple[int, ...]


def training_script(
    name: str, source: Source, made: Translation, training: Training, loss: Program | None
) -> TrainingScript:
    """Write the training of a network.

    Args:
        name: NAME of the network's script.
        source: the source of the network.
        made: the network.
        training: its training.
        loss: the loss, if it was translated.
    """
    training = replace(training, optimizer=_for_mindspore(training.optimizer))
    weights = [_weight(entry_of(key, weight)) for key, weight in made.program.parameters() if weight.trained]
    optimizer = training.optimizer
    trained = [w for w in weights if optimizer.trained is None or w.source in optimizer.trained]
    state = _state(optimizer, trained)
    tables = _tables(loss)
    ends = _data(source.inputs, training)
    columns = _columns(source.inputs, training.labels)
    batched = samples.have_batches(list(ends))
    rate, definitions = learning_rate.written(optimizer.rate)
    if optimizer.name in _OWN_OPTIMIZERS:
        definitions = [*definitions, _OWN_OPTIMIZERS[optimizer.name]]
    parameters = _parameters(optimizer, trained)
    definitions = [*definitions, *parameters.definitions]
    changes = _changes(optimizer, trained)
    if loss is not None:
        loss.top.name = "Loss"
        loss.top.doc = "The loss that was in the graph, of the network's outputs and the labels."
        definitions = [*definitions_of(loss), *definitions]
    else:
        definitions = [*losses.classes_of(training.loss), *definitions]
    call = _constructor(optimizer, parameters, rate)
    kind = made.checkpoint.rpartition(".")[2] if made.checkpoint else ""
    context: dict[str, Any] = {
        "name": name,
        "checkpoint": made.checkpoint,
        "checkpoint_format": "" if kind == "ckpt" else kind,
        "constants": [
            *([f"BATCH = {samples.batch_size(list(ends))}"] if batched else []),
            *parameters.constants,
            *changes.constants,
            *_frozen_names(weights, trained),
        ],
        "frozen": _frozen(weights, trained),
        "own_schedule": any("(LearningRateSchedule)" in definition for definition in definitions),
        "optimizer_doc": f"{optimizer.name}{' as in the source' if not training.guessed else ', a guess'}.",
        "optimizer": call,
        "clips": any(change.kind != "scale" for change in optimizer.changes),
        "members": changes.members,
        "changes": changes.lines,
        "columns": list(columns.values()),
        "inputs": [columns[end.name] for end in source.inputs],
        "labels": [columns[end.name] for end in training.labels],
        "unpacked": len(source.outputs) > 1,
        "count": "4 * BATCH" if batched else "4",
        "values": [samples.value(end, batched, label) for end, label in ends.items()],
        "batched": batched,
        "loss": losses.call_of(training.loss) if loss is None else "make_loss()" if tables else "Loss()",
        "loss_tables": bool(tables),
        "state": f"train_{name}.ckpt",
        "optimizer_state": bool(state),
        "step": optimizer.step,
    }
    code = "nn.Cell\nms.value_and_grad\nnp.random\ndataset.GeneratorDataset\n" + "\n".join(context["changes"])
    text = write_module("train.py.jinja", definitions, _docstring(name, source, training), code, **context)
    return TrainingScript(text, (*state, *tables), (*training.notes, *_stubs(loss)))


def _tables(loss: Program | None) -> tuple[LazyTensor, ...]:
    """The large constants of a translated loss."""
    parameters = loss.parameters() if loss is not None else ()
    return tuple(
        LazyTensor(TensorSpec(f"loss.{name}", weight.shape, weight.dtype), weight.array) for name, weight in parameters
    )


def _stubs(loss: Program | None) -> list[str]:
    """A sentence on what in the loss could not be translated."""
    names = [record.name for record in (loss.records if loss is not None else ()) if not record.converted]
    return [f"The loss has stubs to be written by hand: {', '.join(names)}."] if names else []


def _for_mindspore(optimizer: Optimizer) -> Optimizer:
    """Nesterov's momentum by `nn.SGD`, which has the same state: `nn.Momentum` ignores `use_nesterov` on a CPU."""
    if optimizer.name != "Momentum" or not optimizer.numbers.get("use_nesterov"):
        return optimizer
    moments = optimizer.state.get("moments", {})
    first: dict[str, Callable[[], np.ndarray]] = {name: partial(_stepped, load) for name, load in moments.items()}
    numbers = {"momentum": optimizer.numbers["momentum"], "nesterov": True}
    return replace(optimizer, name="SGD", numbers=numbers, state={"accum": moments, "stat": first})


def _stepped(load: Callable[[], np.ndarray]) -> np.ndarray:
    """`nn.SGD` keeps 1 for a weight that has had no step yet, and 0 afterwards."""
    return np.zeros_like(load())


def _weight(entry: Mapping[str, Any]) -> _Weight:
    converted = entry["converted_weight"]
    return _Weight(
        converted["name"], entry["source_weight"]["name"], tuple(entry.get("transform", ())), tuple(converted["shape"])
    )


def _data(inputs: Sequence[Endpoint], training: Training) -> dict[Endpoint, Loss | None]:
    """The data of a step, each tensor once: inputs of the network, and labels with the loss that reads them."""
    read = {end.name: training.loss.of_label(k) for k, end in enumerate(training.labels)}
    known = {end.name for end in inputs}
    return {end: read.get(end.name) for end in (*inputs, *(end for end in training.labels if end.name not in known))}


def _columns(inputs: Sequence[Endpoint], labels: Sequence[Endpoint]) -> dict[str, str]:
    """A name for each column of the dataset, by the tensor in it; the loss may read an input of the network, too."""
    names = Namespace(frozenset({"loss", "gradients", "net", "dataset", "outputs", "optimizer"}))
    found = {end.name: names.new(_hint(end.name, "x")) for end in inputs}
    for end in labels:
        if end.name not in found:
            found[end.name] = names.new(_hint(end.name, "label"))
    return found


def _hint(name: str, default: str) -> str:
    node, _, index = name.partition(":")
    hint = identifier(node.rpartition("/")[2], default)
    return default if hint in _GENERIC or index not in ("", "0") else hint


@dataclass(frozen=True)
class _Parts:
    """What a part of the script needs in other places: lines of the module, of a constructor, of a function."""

    constants: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    call: str = ""


def _decays_by_hand(optimizer: Optimizer) -> bool:
    """Whether the step adds penalties to the gradients, before it changes them; else the optimizer does."""
    return bool(optimizer.changes) and optimizer.name not in OWN_DECAY


def _decays(optimizer: Optimizer, trained: Sequence[_Weight]) -> dict[str, float]:
    return {w.name: round_to_written(optimizer.decays.get(w.source, 0.0)) for w in trained}


def _parameters(optimizer: Optimizer, trained: Sequence[_Weight]) -> _Parts:
    """What the optimizer gets as parameters: all, or groups with their own learning rate or decay."""
    everything = "net.trainable_params()"
    decays = {} if _decays_by_hand(optimizer) else _decays(optimizer, trained)
    if not optimizer.rates and (factor := decay_of_all(decays)):
        return _Parts(call=f"{everything}, weight_decay={factor!r}")
    rates: dict[str, str] = {}
    definitions: list[str] = []
    own: dict[str, str] = {}
    for weight in trained:
        options = [f'"weight_decay": {decays[weight.name]!r}'] if decays.get(weight.name) else []
        schedule = optimizer.rates.get(weight.source)
        if schedule is not None:
            key = repr(schedule)
            if key not in rates:
                rates[key], made = learning_rate.written(schedule, f"LearningRate{len(definitions) + 1}")
                definitions += made
            options.append(f'"lr": {rates[key]}')
        own[weight.name] = ", ".join(options)
    groups = groups_of("group" if rates else "decayed", own)
    if not groups.values:
        return _Parts(call=everything)
    lines, call = groups.of_optimizer(everything)
    return _Parts(groups.constants, tuple(definitions), lines=tuple(lines), call=call)


def _changes(optimizer: Optimizer, trained: Sequence[_Weight]) -> _Parts:
    """What the step does to the gradients before the optimizer gets them."""
    constants: list[str] = []
    members: list[str] = []
    lines: list[str] = []

    def each(groups: Groups, name: str, usual: float) -> None:
        constants.extend(groups.constants)
        members.append(f"self.{name} = {groups.of_each(usual)}")

    by_hand = _decays(optimizer, trained) if _decays_by_hand(optimizer) else {}
    decays = groups_of("decayed", {name: factor or None for name, factor in by_hand.items()})
    if decays.values:
        each(decays, "decays", 0.0)
        zipped = "zip(gradients, self.decays, self.optimizer.parameters)"
        lines.append(f"gradients = tuple([gradient + decay * p for gradient, decay, p in {zipped}])")
    for change in optimizer.changes:
        if change.own:
            each(groups_of("scaled", {w.name: change.own.get(w.source) for w in trained}), "scales", *change.numbers)
            lines.append("gradients = tuple([gradient * scale for gradient, scale in zip(gradients, self.scales)])")
        else:
            lines.append(_change(change))
    return _Parts(tuple(constants), members=tuple(members), lines=tuple(lines))


def _constructor(optimizer: Optimizer, parameters: _Parts, rate: str) -> list[str]:
    """The lines that make the optimizer."""
    defaults = _DEFAULTS.get(optimizer.name, {})
    numbers = [f"{key}={value!r}" for key, value in optimizer.numbers.items() if defaults.get(key) != value]
    arguments = ", ".join([parameters.call, f"learning_rate={rate}", *numbers])
    prefix = "" if optimizer.name in _OWN_OPTIMIZERS else "nn."
    return [*parameters.lines, f"return {prefix}{optimizer.name}({arguments})"]


def _change(change: Change) -> str:
    """The line that changes the gradients."""
    numbers = ", ".join(map(repr, change.numbers))
    if change.kind == "global_norm":
        return f"gradients = ops.clip_by_global_norm(gradients, {numbers})"
    each = {
        "value": f"ops.clamp(gradient, {numbers})",
        "norm": f"ops.clip_by_norm(gradient, {numbers})",
        "average_norm": f"ops.clip_by_norm(gradient, {numbers} * gradient.size)",
        "scale": f"gradient * {numbers}",
    }
    return f"gradients = tuple([{each[change.kind]} for gradient in gradients])"


def _frozen_names(weights: Sequence[_Weight], trained: Sequence[_Weight]) -> list[str]:
    kept = [w.name for w in weights if w not in trained]
    return [f"FROZEN = {tuple(kept)!r}"] if kept else []


def _frozen(weights: Sequence[_Weight], trained: Sequence[_Weight]) -> list[str]:
    """Keep the weights as they are that the source does not train."""
    if len(trained) == len(weights):
        return []
    return [
        "for parameter in net.trainable_params():",
        "    parameter.requires_grad = parameter.name not in FROZEN",
    ]


def _state(optimizer: Optimizer, trained: Sequence[_Weight]) -> tuple[LazyTensor, ...]:
    """The optimizer's state in MindSpore's layout: it has that of the weights."""
    found = [
        LazyTensor(TensorSpec(f"{kind}.{weight.name}", weight.shape, "float32"), partial(_moved, weight, load))
        for kind, states in optimizer.state.items()
        for weight in trained
        if (load := states.get(weight.source)) is not None
    ]
    numbers = {key: np.array([value], np.float32) for key, value in optimizer.counters.items()}
    if found or optimizer.step:
        numbers["global_step"] = np.array([optimizer.step], np.int32)
    found += [
        LazyTensor(TensorSpec(key, value.shape, value.dtype.name), partial(np.asarray, value))
        for key, value in numbers.items()
    ]
    return tuple(found)


def _moved(weight: _Weight, load: Callable[[], np.ndarray]) -> np.ndarray:
    return np.asarray(apply(weight.steps, load()), np.float32)


def _docstring(name: str, source: Source, training: Training) -> str:
    file = source.description.partition(" (")[0]
    first = f"Train {name}: " + ("a guess, to be edited." if training.guessed else f"the training that was in {file}.")
    lines = [first, "", *_facts(training)]
    if training.notes:
        lines += ["", "Notes", *(f"    {note}" for note in training.notes)]
    return "\n".join(lines)


def _facts(training: Training) -> list[str]:
    optimizer = training.optimizer
    name = "Momentum of Nesterov's" if optimizer.numbers.get("nesterov") else optimizer.name
    facts = [f"{name}, learning rate {learning_rate.described(optimizer.rate)}"]
    if optimizer.decays and optimizer.name not in OWN_DECAY:
        facts.append("L2 penalties as weight decay, so that the printed loss is without them")
    if optimizer.rates:
        rates = {learning_rate.described(rate): None for rate in optimizer.rates.values()}
        facts.append(f"other weights at {', '.join(rates)}")
    kinds = {
        "global_norm": "clipped by their global norm, ",
        "norm": "clipped by the norm of each, ",
        "average_norm": "clipped by the average norm of each, ",
        "value": "clipped by value, ",
        "scale": "multiplied by ",
    }
    for change in optimizer.changes:
        numbers = [*change.numbers, *dict.fromkeys(change.own.values())]
        joint = " or " if change.own else " to "
        facts.append(f"gradients {kinds[change.kind]}{joint.join(f'{number:g}' for number in numbers)}")
    return ["; ".join(facts) + "."]
