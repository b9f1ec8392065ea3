"""Training as PyTorch writes it: gradients wait at their parameters for an optimizer that takes a step."""

import math
import os
import pickle

import mindspore as ms
import mindspore.dataset as ds
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.experimental import optim

optimizers = []  # every optimizer, for losses of which only they know the parameters


def backward(forward, *networks):
    """Compute a loss, the first result of a function, and add its gradients to those that wait; returns the results."""
    results, add = differentiated(forward, networks)
    add()
    return results


def deferred(forward, *networks):
    """Like `backward`, for gradients that are asked for later: the last result is a function that adds them."""
    results, add = differentiated(forward, networks)
    return (*results, add) if isinstance(results, tuple) else (results, add)


def differentiated(forward, networks):
    """The results of a function, the first of which is a loss, and a function that adds its gradients."""
    results = []

    def loss():
        results[:] = [forward()]
        return results[0][0] if isinstance(results[0], tuple) else results[0]

    weights = trained(networks)
    _, found = ms.value_and_grad(loss, None, weights)()
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


def data_parallel(module, *args, **kwargs):
    """torch.nn.DataParallel: one process computes."""
    object.__setattr__(module, "module", module)  # by which a script asks for what was wrapped
    return module


def distributed_data_parallel(module, *args, **kwargs):
    """torch.nn.parallel.DistributedDataParallel: the processes of msrun average the gradients."""
    wrapped.append(module)
    return data_parallel(module)


def trained(networks):
    """The parameters of some networks that are trained; those of all optimizers where the networks have none."""
    found = [each for network in networks if isinstance(network, nn.Cell) for each in network.trainable_params()]
    found = found or [each for optimizer in optimizers for each in optimizer.parameters]
    return list({id(each): each for each in found}.values())


def gradient_of(parameter):
    """Tensor.grad of a parameter: the gradient that waits for an optimizer."""
    return getattr(parameter, "gradient", None)


def zero_grad(network, set_to_none=True):
    """Module.zero_grad."""
    for parameter in network.get_parameters():
        parameter.gradient = None


def parameters(network, recurse=True):
    """Module.parameters: without running statistics and other buffers."""
    yield from [each for each in network.get_parameters(expand=recurse) if is_parameter(each)]


def named_parameters(network, prefix="", recurse=True):
    """Module.named_parameters."""
    found = network.parameters_and_names(name_prefix=prefix, expand=recurse)
    yield from [(name, each) for name, each in found if is_parameter(each)]


def is_parameter(parameter):
    """Whether PyTorch has a parameter of that name, and no buffer."""
    return parameter.name.rpartition(".")[2] not in ("moving_mean", "moving_variance")


def usable(params):
    """Parameters or groups of them as MindSpore's optimizers take them: those that are trained."""
    params = list(params)
    if params and isinstance(params[0], dict):
        return [{**group, "params": usable_ones(group["params"])} for group in params]
    return usable_ones(params)


def usable_ones(params):
    """The parameters of one group that are trained."""
    params = [params] if isinstance(params, Parameter) else list(params)
    return [each for each in params if each.requires_grad]


class Steps:
    """What PyTorch's optimizers have and MindSpore's have not."""

    def begin(self):
        """Learning rates are floats, as in PyTorch: a script may read and set them."""
        for group in self.param_groups:
            group["lr"] = float(group["lr"])
        optimizers.append(self)

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters:
            parameter.gradient = None

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            group["lr"] = float(group["lr"])
        gradients = [gradient_of(each) for each in self.parameters]
        pairs = zip(gradients, self.parameters)
        self(tuple(ops.zeros_like(each) if gradient is None else gradient for gradient, each in pairs))
        return loss

    def state_dict(self):
        return self.parameters_dict()

    def load_state_dict(self, state):
        load_state_dict(self, state)


class SGD(Steps, optim.SGD):
    """torch.optim.SGD."""

    def __init__(
        self, params, lr=0.001, momentum=0, dampening=0, weight_decay=0.0, nesterov=False, *, maximize=False,
        foreach=None, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(usable(params), lr, momentum, dampening, weight_decay, nesterov, maximize=maximize)
        self.begin()


class Adam(Steps, optim.Adam):
    """torch.optim.Adam."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False, *, foreach=None,
        maximize=False, capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, amsgrad, maximize=maximize)
        self.begin()


class AdamW(Steps, optim.AdamW):
    """torch.optim.AdamW."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False, *, maximize=False,
        foreach=None, capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, amsgrad, maximize=maximize)
        self.begin()


class RMSprop(Steps, optim.RMSprop):
    """torch.optim.RMSprop."""

    def __init__(
        self, params, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False, capturable=False,
        foreach=None, maximize=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(usable(params), lr, alpha, eps, weight_decay, momentum, centered, maximize)
        self.begin()


class Adagrad(Steps, optim.Adagrad):
    """torch.optim.Adagrad."""

    def __init__(
        self, params, lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, foreach=None,
        *, maximize=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(
            usable(params), lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize=maximize
        )  # fmt: skip
        self.begin()


class Adadelta(Steps, optim.Adadelta):
    """torch.optim.Adadelta."""

    def __init__(
        self, params, lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0, foreach=None, *, capturable=False, maximize=False,
        differentiable=False,
    ):  # fmt: skip
        super().__init__(usable(params), lr, rho, eps, weight_decay, maximize=maximize)
        self.begin()


class Adamax(Steps, optim.Adamax):
    """torch.optim.Adamax."""

    def __init__(
        self, params, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, foreach=None, *, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, maximize=maximize)
        self.begin()


class NAdam(Steps, optim.NAdam):
    """torch.optim.NAdam."""

    def __init__(self, params, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, momentum_decay=0.004):
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, momentum_decay)
        self.begin()


class RAdam(Steps, optim.RAdam):
    """torch.optim.RAdam."""

    def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0):
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay)
        self.begin()


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """torch.nn.utils.clip_grad_norm_, of the gradients that wait; returns their norm."""
    parameters = with_gradients(parameters)
    values = [each.gradient.abs() for each in parameters]
    if float(norm_type) == math.inf:
        norm = ops.stack([each.max() for each in values]).max()
    else:
        norm = ops.stack([(each**norm_type).sum() for each in values]).sum() ** (1.0 / norm_type)
    scale = ops.clamp(max_norm / (norm + 1e-6), max=1.0)
    for each in parameters:
        each.gradient = each.gradient * scale
    return norm


def clip_grad_value_(parameters, clip_value, foreach=None):
    """torch.nn.utils.clip_grad_value_, of the gradients that wait."""
    for each in with_gradients(parameters):
        each.gradient = ops.clamp(each.gradient, -clip_value, clip_value)


def with_gradients(parameters):
    """The parameters for which gradients wait."""
    parameters = [parameters] if isinstance(parameters, Parameter) else parameters
    return [each for each in parameters if gradient_of(each) is not None]


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """torch.nn.CrossEntropyLoss, for classes in int64 as well."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(weight, ignore_index, reduction, label_smoothing)
        self.class_weight = weight
        self.how = (ignore_index, reduction, label_smoothing)

    def construct(self, logits, labels):
        ignored, reduction, smoothing = self.how
        return ops.cross_entropy(logits, labels, self.class_weight, ignored, reduction, smoothing)


class GradScaler:
    """torch.amp.GradScaler: nothing is scaled, since the loss is computed in float32."""

    def __init__(self, *args, **kwargs):
        pass

    def scale(self, outputs):
        return outputs

    def unscale_(self, optimizer):
        pass

    def step(self, optimizer, *args, **kwargs):
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        pass

    def get_scale(self):
        return 1.0

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Dataset:
    """torch.utils.data.Dataset."""

    def __class_getitem__(cls, item):
        return cls


class TensorDataset(Dataset):
    """torch.utils.data.TensorDataset."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(each[index] for each in self.tensors)

    def __len__(self):
        return self.tensors[0].shape[0]


class Subset(Dataset):
    """torch.utils.data.Subset."""

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index):
        return self.dataset[int(self.indices[index])]

    def __len__(self):
        return len(self.indices)


def random_split(dataset, lengths, generator=None):
    """torch.utils.data.random_split: lengths, or fractions of the whole."""
    lengths = list(lengths)
    if sum(lengths) <= 1:
        lengths = [int(len(dataset) * each) for each in lengths]
        for number in range(len(dataset) - sum(lengths)):
            lengths[number % len(lengths)] += 1
    order = random_of(generator).permutation(len(dataset))
    ends = np.cumsum(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths)]


def random_of(generator):
    """The random numbers of a Generator, or those of NumPy's seed."""
    return np.random if generator is None else generator.random


class ConcatDataset(Dataset):
    """torch.utils.data.ConcatDataset."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        self.cumulative_sizes = [int(each) for each in np.cumsum([len(each) for each in self.datasets])]

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        index = index % len(self)
        number = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        return self.datasets[number][index - (self.cumulative_sizes[number - 1] if number else 0)]


class Sampler:
    """torch.utils.data.Sampler."""

    def __init__(self, data_source=None):
        self.data_source = data_source

    def __class_getitem__(cls, item):
        return cls


class SequentialSampler(Sampler):
    """torch.utils.data.SequentialSampler."""

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """torch.utils.data.RandomSampler."""

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        super().__init__(data_source)
        self.replacement = replacement
        self.num_samples = len(data_source) if num_samples is None else num_samples
        self.generator = generator

    def __iter__(self):
        random, count = random_of(self.generator), len(self.data_source)
        left = self.num_samples
        while left > 0:
            order = random.permutation(count)
            if self.replacement:
                order = np.floor(random.random(left) * count).astype(int)
            yield from [int(each) for each in order[:left]]
            left -= len(order)

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """torch.utils.data.SubsetRandomSampler."""

    def __init__(self, indices, generator=None):
        self.indices = indices
        self.generator = generator

    def __iter__(self):
        return iter([self.indices[int(each)] for each in random_of(self.generator).permutation(len(self.indices))])

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """torch.utils.data.WeightedRandomSampler."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        self.weights = np.asarray([float(each) for each in weights])
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self):
        chances = self.weights / self.weights.sum()
        drawn = random_of(self.generator).choice(len(chances), self.num_samples, self.replacement, chances)
        return iter([int(each) for each in drawn])

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """torch.utils.data.BatchSampler."""

    def __init__(self, sampler, batch_size, drop_last):
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self):
        count = len(self.sampler)
        return count // self.batch_size if self.drop_last else math.ceil(count / self.batch_size)


class DistributedSampler(Sampler):
    """torch.utils.data.DistributedSampler: every process takes its part of the indices."""

    def __init__(self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False):
        inside = ms.communication.GlobalComm.INITED
        self.num_replicas = num_replicas or (ms.communication.get_group_size() if inside else 1)
        self.rank = rank if rank is not None else ms.communication.get_rank() if inside else 0
        self.dataset, self.shuffle, self.seed, self.drop_last, self.epoch = dataset, shuffle, seed, drop_last, 0

    def __iter__(self):
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            order = [int(each) for each in np.random.default_rng(self.seed + self.epoch).permutation(count)]
        total = len(self) * self.num_replicas
        order = (order * math.ceil(total / max(count, 1)))[:total]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self):
        count = len(self.dataset)
        return count // self.num_replicas if self.drop_last else math.ceil(count / self.num_replicas)

    def set_epoch(self, epoch):
        self.epoch = epoch


def default_collate(batch):
    """torch.utils.data.default_collate."""
    columns = zip(*[leaves_of(each) for each in batch])
    return rebuilt(batch[0], iter([Tensor(np.stack(column)) for column in columns]))


def pad_sequence(sequences, batch_first=False, padding_value=0.0):
    """torch.nn.utils.rnn.pad_sequence."""
    length = max([each.shape[0] for each in sequences])
    rows = []
    for each in sequences:
        rest = ops.full((length - each.shape[0], *each.shape[1:]), padding_value, dtype=each.dtype)
        rows.append(ops.cat((each, rest)) if length > each.shape[0] else each)
    return ops.stack(rows, 0 if batch_first else 1)


def parameters_to_vector(parameters):
    """torch.nn.utils.parameters_to_vector."""
    return ops.cat([each.reshape((-1,)) for each in parameters])


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


class Rows:
    """A dataset whose items are tuples of arrays, as mindspore.dataset takes them."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, index):
        return tuple(leaves_of(self.dataset[int(index)]))

    def __len__(self):
        return len(self.dataset)


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
            return self.collated()
        return self.batches()

    def batches(self):
        """Batches of a GeneratorDataset."""
        example = self.dataset[0]
        names = [f"column_{number}" for number in range(len(leaves_of(example)))]
        rows = ds.GeneratorDataset(Rows(self.dataset), names, shuffle=self.shuffle, num_parallel_workers=1)
        rows = rows.batch(self.batch_size, drop_remainder=self.drop_last)
        for batch in rows.create_tuple_iterator(num_epochs=1):
            yield rebuilt(example, iter(batch))

    def collated(self):
        """Batches of a sampler's, or of a function of the user's."""
        for indices in self.batch_sampler or self.groups():
            items = [self.dataset[int(index)] for index in indices]
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


def tensors(value):
    """Arrays in a value as tensors."""
    if isinstance(value, np.ndarray):
        return Tensor(value)
    if isinstance(value, dict):
        return {key: tensors(each) for key, each in value.items()}
    return type(value)(tensors(each) for each in value) if type(value) in (list, tuple) else value


def save(obj, f):
    """torch.save: tensors as arrays of NumPy, pickled."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "wb") as file:
            pickle.dump(plain(obj), file)
    else:
        pickle.dump(plain(obj), f)


def load(f, map_location=None, weights_only=True, mmap=None):
    """What `save` wrote."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return tensors(pickle.load(file))
    return tensors(pickle.load(f))


def load_state_dict(network, state, strict=True, assign=False):
    """Module.load_state_dict."""
    given = {name: Parameter(value, name=name) for name, value in state.items()}
    missing, extra = ms.load_param_into_net(network, given, strict_load=False)
    if strict and (missing or extra):
        raise RuntimeError(f"the state does not fit: missing {missing}, not used {extra}")
    return missing, extra
