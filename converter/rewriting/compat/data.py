"""torch.utils.data: datasets, samplers and loaders."""

import math

import mindspore as ms
import mindspore.dataset as ds
import numpy as np
from mindspore import Tensor, ops


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


def tensors(value):
    """Arrays in a value as tensors."""
    if isinstance(value, np.ndarray):
        return Tensor(value)
    if isinstance(value, dict):
        return {key: tensors(each) for key, each in value.items()}
    return type(value)(tensors(each) for each in value) if type(value) in (list, tuple) else value
