"""What MindSpore lacks of PyTorch, for the converted scripts beside it. Needs mindspore and numpy only."""

import collections
import contextlib
import math
import os
import pickle

import numpy as np
import mindspore as ms
import mindspore.dataset as ds
from mindspore import Parameter, Tensor, nn, ops

OWN_NAMES = {
    "weight": ("gamma", "embedding_table", "w"),
    "bias": ("beta",),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}


def own_name(cell, name):
    """What a layer of any class calls the weight of PyTorch's name."""
    every = (name, *OWN_NAMES[name])
    found = [each for each in every if each in cell._params] or [each for each in every if hasattr(cell, each)]
    return found[0] if found else name


def own(cell, name):
    """A weight of a layer of any class by PyTorch's name."""
    return getattr(cell, own_name(cell, name))


def index(value):
    """An index that NumPy made: MindSpore takes an array as a tensor, and an integer as Python's."""
    return ms.Tensor(value) if isinstance(value, np.ndarray) and value.ndim else value.item()

PRIORITY = 1000  # PyTorch's: without it `np.float64(0.5) * x` is an array, through which no gradient flows


Tensor.__array_priority__ = PRIORITY


class LRScheduler:
    """torch.optim.lr_scheduler.LRScheduler."""

    def __init__(self, optimizer, last_epoch=-1):
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", float(group["lr"]))
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self):
        """The learning rate of each group, from those of the epoch before."""
        raise NotImplementedError

    def closed(self):
        """The learning rate of each group, from the first ones."""
        return self.get_lr()

    def step(self, epoch=None):
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.set_rates(self.get_lr() if epoch is None else self.closed())

    def set_rates(self, rates):
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = float(rate)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self):
        return self._last_lr

    def state_dict(self):
        return {name: value for name, value in vars(self).items() if name not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict):
        vars(self).update(state_dict)


class FactorLR(LRScheduler):
    """A scheduler whose rates above `low` are a factor times the first ones."""

    low = 0.0

    def factor(self, epoch):
        raise NotImplementedError

    def get_lr(self):
        now = self.factor(self.last_epoch)
        before = self.factor(self.last_epoch - 1) if self.last_epoch > 0 else 1.0
        if abs(before) < 1e-12:
            return self.closed()
        return [self.low + (group["lr"] - self.low) * now / before for group in self.optimizer.param_groups]

    def closed(self):
        return [self.low + (base - self.low) * self.factor(self.last_epoch) for base in self.base_lrs]


class StepLR(FactorLR):
    """torch.optim.lr_scheduler.StepLR."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return self.gamma ** (epoch // self.step_size)

TORCH_NAMES = {own: name for name, every in OWN_NAMES.items() for own in every}


def is_of_library(cell):
    """Whether a layer is MindSpore's, or stands for one of PyTorch's: its parameters are not named by the user."""
    classes = [kind for kind in type(cell).__mro__ if issubclass(kind, nn.Cell) and kind is not nn.Cell]
    return any(kind.__module__ == __name__ or kind.__module__.startswith("mindspore.") for kind in classes)

RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)

RECURRENT_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def recurrent_place(item):
    """Where PyTorch has a parameter of a recurrent layer: layer by layer, and direction by direction."""
    kind, _, rest = item[0].partition("_l")
    layer, _, direction = rest.partition("_")
    return int(layer), direction, RECURRENT_NAMES.index(kind)


def named_values(network, prefix="", recurse=True):
    """Each parameter and each buffer once: its name in PyTorch, itself, and whether it is a buffer."""
    seen = set()
    for path, cell in network.cells_and_names(name_prefix=prefix) if recurse else [(prefix, network)]:
        known = is_of_library(cell)
        place = path[: -len("bn2d")].rstrip(".") if known and path.endswith("bn2d") else path  # of nn.BatchNorm3d
        buffers = getattr(cell, "buffer_names", ())
        values = {**dict(cell.parameters_and_names(expand=False)), **{name: getattr(cell, name) for name in buffers}}
        named = sorted(values.items(), key=recurrent_place) if isinstance(cell, RECURRENT) else values.items()
        for name, value in named:
            if not isinstance(value, Tensor) or id(value) in seen:
                continue
            seen.add(id(value))
            if known and name in ("gamma", "beta") and not getattr(cell, "affine", True):
                continue  # PyTorch has none of these
            written = TORCH_NAMES.get(name, name) if known else name
            is_buffer = name in buffers or (known and name.startswith("moving_"))
            yield f"{place}.{written}" if place else written, value, is_buffer


def parameters(network, recurse=True):
    """Module.parameters: without running statistics and other buffers."""
    yield from [value for _, value, is_buffer in named_values(network, "", recurse) if not is_buffer]


def buffers(network, recurse=True):
    """Module.buffers."""
    yield from [value for _, value, is_buffer in named_values(network, "", recurse) if is_buffer]

optimizers = []  # every optimizer, for losses of which only they know the parameters


def backward(forward, *networks):
    """Compute a loss, the first result of a function, and add its gradients to those that wait; returns the results."""
    results, add = differentiated(forward, networks)
    add()
    return results


@contextlib.contextmanager
def pynative():
    """PyNative mode for a while: graph mode would keep the tensors, lists and rates of one call for the next."""
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        yield
    finally:
        ms.set_context(mode=mode)


def differentiated(forward, networks):
    """The results of a function, the first of which is a loss, and a function that adds its gradients."""
    results = []

    def loss():
        results[:] = [forward()]
        return results[0][0] if isinstance(results[0], tuple) else results[0]

    for _ in range(2):  # a second time where the function itself changed what is trained
        weights = trained(networks)
        with pynative():
            _, found = ms.value_and_grad(loss, None, weights)()
        if [id(each) for each in trainable(networks)] == [id(each) for each in weights]:
            break
    if wrapped and processes() > 1:
        found = [ops.AllReduce()(each) / processes() for each in found]

    def add():
        for weight, gradient in zip(weights, found):
            before = gradient_of(weight)
            weight.gradient = gradient if before is None else before + gradient

    return results[0], add

wrapped = []  # the networks of which the processes average the gradients


def processes():
    """How many processes compute."""
    return ms.communication.get_group_size() if ms.communication.GlobalComm.INITED else 1


def trained(networks):
    """The parameters of some networks that are trained.

    Raises:
        RuntimeError: there are none.
    """
    found = trainable(networks)
    if not found:
        raise RuntimeError("no parameter is known that the loss depends on")
    return found


def trainable(networks):
    """The parameters of some networks that are trained; those of all optimizers where the networks have none."""
    found = [each for network in networks if isinstance(network, nn.Cell) for each in network.trainable_params()]
    found += [each for each in networks if isinstance(each, Parameter)]
    found = found or [each for optimizer in optimizers for each in optimizer.parameters if each.requires_grad]
    return list({id(each): each for each in found}.values())


def gradient_of(parameter):
    """Tensor.grad of a parameter: the gradient that waits for an optimizer."""
    return getattr(parameter, "gradient", None) if isinstance(parameter, Tensor) else parameter.grad


class Optimizer:
    """torch.optim.Optimizer: parameters in groups, and a state for each. Derived classes have `update`, or a `step`."""

    def __init__(self, params, defaults):
        self.defaults = defaults
        self.state = collections.defaultdict(dict)
        self.param_groups = []
        params = list(params)
        for group in params if params and isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)
        optimizers.append(self)

    @property
    def parameters(self):
        return [each for group in self.param_groups for each in group["params"]]

    def add_param_group(self, param_group):
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        group = {**self.defaults, **param_group, "params": params}
        if "lr" in group:
            group["lr"] = float(group["lr"])  # a script may read and set it
        self.param_groups.append(group)

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters:
            parameter.gradient = None

    def step(self, closure=None):
        loss = None if closure is None else closure()
        with pynative():
            for group in self.param_groups:
                for weight in group["params"]:
                    gradient = gradient_of(weight)
                    if gradient is not None:
                        self.take(weight, gradient, self.state[weight], group)
        return loss

    def take(self, weight, gradient, state, group):
        """One step of one parameter: the weight decay that all have in common, and what is the optimizer's own."""
        state["step"] = state.get("step", 0) + 1
        gradient = -gradient if group.get("maximize") else gradient
        decay = group.get("weight_decay", 0)
        if decay and group.get("decoupled_weight_decay"):
            descent(weight, float(group["lr"]) * decay, weight)
        elif decay:
            gradient = gradient + decay * weight
        self.update(weight, gradient, state, group, float(group["lr"]))

    def update(self, weight, gradient, state, group, lr):
        raise NotImplementedError

    def state_dict(self):
        """The state by the places of the parameters, and the settings of the groups."""
        parameters = self.parameters
        state = {place: self.state[each] for place, each in enumerate(parameters) if each in self.state}
        groups, at = [], 0
        for group in self.param_groups:
            places = list(range(at, at := at + len(group["params"])))
            groups.append({**group, "params": places})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        for place, each in enumerate(self.parameters):
            if place in state_dict["state"]:
                self.state[each] = {name: own_copy(value) for name, value in state_dict["state"][place].items()}
        for group, saved in zip(self.param_groups, state_dict["param_groups"]):
            group.update({name: value for name, value in saved.items() if name != "params"})

descent = ops.ApplyGradientDescent()

momentum_descent = ops.ApplyMomentum()


def own_copy(value):
    """A state that changes apart from what it was read from."""
    if isinstance(value, Parameter):
        return Parameter(value.copy())
    return value.copy() if isinstance(value, Tensor) else value


def settings(**values):
    """The settings of an optimizer without those that say how PyTorch computes."""
    unused = ("self", "params", "foreach", "capturable", "differentiable", "fused", "__class__")
    return {name: value for name, value in values.items() if name not in unused}


class SGD(Optimizer):
    """torch.optim.SGD."""

    def __init__(
        self, params, lr=0.001, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
        foreach=None, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        momentum, buffer = group["momentum"], state.get("momentum_buffer")
        if momentum and buffer is None:
            buffer = state["momentum_buffer"] = ops.zeros_like(weight)
        elif momentum and group["dampening"]:  # but for the first gradient
            gradient = state["momentum_buffer"] = buffer * momentum + gradient * (1 - group["dampening"])
            momentum = 0
        if momentum:
            nesterov = group["nesterov"]  # MindSpore's CPU does not look at use_nesterov
            momentum_descent(weight, buffer, lr * momentum if nesterov else lr, gradient, momentum)
        if not momentum or nesterov:
            descent(weight, lr, gradient)


class Dataset:
    """torch.utils.data.Dataset."""

    def __class_getitem__(cls, item):
        return cls


def random_of(generator):
    """The random numbers of a Generator, or those of NumPy's seed."""
    return np.random if generator is None else generator.random


def default_collate(batch):
    """torch.utils.data.default_collate."""
    columns = zip(*[leaves_of(each) for each in batch])
    return rebuilt(batch[0], iter([Tensor(np.stack(column)) for column in columns]))


def leaves_of(item):
    """The arrays in an item of a dataset, in order."""
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, (list, tuple)):
        return [leaf for each in item for leaf in leaves_of(each)]
    return [item.asnumpy() if isinstance(item, Tensor) else np.asarray(item)]


def rebuilt(item, leaves):
    """Leaves, an iterator, in the form of an item."""
    if isinstance(item, dict):
        return {key: rebuilt(each, leaves) for key, each in item.items()}
    if isinstance(item, (list, tuple)):
        return [rebuilt(each, leaves) for each in item]
    return next(leaves)


def tensors_of(item):
    """The members of an item of a dataset, in order."""
    if isinstance(item, dict):
        item = list(item.values())
    return [each for inner in item for each in tensors_of(inner)] if isinstance(item, (list, tuple)) else [item]


class Read:
    """A dataset whose first item has been read already: it is not asked for it again, which may draw random numbers."""

    def __init__(self, dataset, first):
        self.dataset = dataset
        self.first = [first]

    def __getitem__(self, index):
        return self.first.pop() if index == 0 and self.first else self.dataset[int(index)]


class Rows:
    """A dataset whose items are tuples of arrays, as mindspore.dataset takes them."""

    def __init__(self, dataset, count):
        self.dataset = dataset
        self.count = count

    def __getitem__(self, index):
        return tuple(leaves_of(self.dataset[int(index)]))

    def __len__(self):
        return self.count


class DataLoader:
    """torch.utils.data.DataLoader, by mindspore.dataset.GeneratorDataset."""

    def __init__(
        self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
        pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None, generator=None,
        *, prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True,
    ):  # fmt: skip
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = bool(shuffle)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator

    def __len__(self):
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        count = len(self.dataset if self.sampler is None else self.sampler)
        return count // self.batch_size if self.drop_last else math.ceil(count / self.batch_size)

    def __iter__(self):
        if not hasattr(self.dataset, "__getitem__"):
            return self.streamed()
        choices = (self.sampler, self.batch_sampler, self.collate_fn, self.generator)
        if any(each is not None for each in choices):
            return self.collated(self.dataset)
        return self.batches()

    def batches(self):
        """Batches of a GeneratorDataset."""
        example = self.dataset[0]
        if any(isinstance(each, Tensor) for each in tensors_of(example)):
            yield from self.collated(Read(self.dataset, example))  # no thread besides this one may compute with tensors
            return
        names = [f"column_{number}" for number in range(len(leaves_of(example)))]
        source = Rows(Read(self.dataset, example), len(self.dataset))
        rows = ds.GeneratorDataset(source, names, shuffle=self.shuffle, num_parallel_workers=1)
        rows = rows.batch(self.batch_size, drop_remainder=self.drop_last)
        for batch in rows.create_tuple_iterator(num_epochs=1):
            yield rebuilt(example, iter(batch))

    def collated(self, dataset):
        """Batches of a sampler's, or of a function of the user's."""
        for indices in self.batch_sampler or self.groups():
            items = [dataset[int(index)] for index in indices]
            if self.collate_fn is not None:
                yield self.collate_fn(items)
            else:
                columns = zip(*[leaves_of(each) for each in items])
                yield rebuilt(items[0], iter([Tensor(np.stack(column)) for column in columns]))

    def streamed(self):
        """Batches of a dataset that can only be gone through."""
        collate, batch = self.collate_fn or default_collate, []
        for item in self.dataset:
            batch.append(item)
            if len(batch) == self.batch_size:
                yield collate(batch)
                batch = []
        if batch and not self.drop_last:
            yield collate(batch)

    def groups(self):
        """The indices of each batch."""
        order = list(range(len(self.dataset)) if self.sampler is None else self.sampler)
        if self.shuffle:
            random_of(self.generator).shuffle(order)
        for start in range(0, len(order), self.batch_size):
            group = order[start : start + self.batch_size]
            if len(group) == self.batch_size or not self.drop_last:
                yield group


def plain(value):
    """Tensors in a value as arrays."""
    if isinstance(value, Tensor):
        return value.asnumpy()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return type(value)(plain(each) for each in value) if type(value) in (list, tuple) else value


def save(obj, f):
    """torch.save: tensors as arrays of NumPy, pickled."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "wb") as file:
            pickle.dump(plain(obj), file)
    else:
        pickle.dump(plain(obj), f)


def has_own_state(value):
    """Whether a script made it what has a state: MindSpore's optimizers have one of the same name."""
    return not isinstance(value, nn.Cell) or hasattr(value, "param_groups")


def state_dict(network, destination=None, prefix="", keep_vars=False):
    """Module.state_dict: by PyTorch's names; or the state of an optimizer or a scheduler."""
    if has_own_state(network):
        return network.state_dict()
    found = {} if destination is None else destination
    found.update({prefix + name: each for name, each, _ in named_values(network) if isinstance(each, Parameter)})
    return found
