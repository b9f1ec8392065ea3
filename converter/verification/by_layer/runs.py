"""Runs: every layer of a script on the source's values, in PyNative mode and in graph mode.

The script runs in PyNative mode. Where it calls a layer, the arguments are replaced by the values of the source, and
what the layer returns is compared with the source's and replaced by it, so that each layer has the inputs of the
source, and one that differs does so by itself. In the second run layers are compiled, each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from converter.verification.arrays import to_mindspore, to_numpy
from converter.verification.by_layer.layers import Layer
from converter.verification.by_layer.paging import Paged
from converter.verification.comparisons import Difference, LayerComparison, badness
from converter.verification.locate import lines_of
from converter.verification.metrics import difference
from converter.verification.network import MODES
from converter.verification.prober import Note, first_line
from converter.verification.sensitivity import REORDERED, is_reordered

COMPILED = 1 << 29
"""Maximum bytes of the parameters of a layer that is compiled; of a larger one its parts are."""


class Values:
    """The source's values by name, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}

    def store(self, name: str, value: Any) -> None:
        """Keep a value, if it is an array."""
        if isinstance(value, np.ndarray):
            file = self._files[name] = self._folder / f"value_{len(self._files)}.npy"
            np.save(file, value)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def alike(self, names: Collection[str], array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Those of these values that have the shape of an array, and its kind of elements."""
        for name in names:
            if name in self._files:
                value = np.load(self._files[name])
                if value.shape == array.shape and value.dtype.kind == array.dtype.kind:
                    yield name, value


class LayerRuns:
    """The runs of a script's layers on the values of the source."""

    def __init__(
        self, network: Paged, script: Path, layers: Sequence[Layer], values: Values, note: Note, precision: str = ""
    ) -> None:
        self._network = network
        self._script = script
        self._values = values
        self._note = note
        self._precision = precision
        cells = dict(_cells(network.net))
        self._paths = {id(cell): path for path, cell in cells.items()}
        self._layers = {id(cells[layer.path]): layer for layer in layers if layer.path in cells}
        self._compilable = {id(cell) for cell in _compilable(network, network.net, set(self._layers))}
        self._returned: dict[str, set[str]] = {}
        self._raised: set[int] = set()

    def run(self, mode: str, feeds: Sequence[Any]) -> list[Any]:
        """The outputs of the network in PyNative mode; in graph mode, those that follow from its compiled layers."""
        import mindspore as ms

        ms.set_context(mode=ms.PYNATIVE_MODE)
        ms.set_seed(1)
        self._returned.clear()
        with self._network.reading(), self._watching(mode):
            result = self._network.net(*[to_mindspore(value) for value in feeds])
            return [to_numpy(item) for item in (result if isinstance(result, tuple) else (result,))]

    @contextmanager
    def _watching(self, mode: str) -> Iterator[None]:
        """Within the block, every call of a Cell of the network is looked at."""
        from mindspore import nn

        call = nn.Cell.__call__

        def watched(cell: Any, *args: Any, **kwargs: Any) -> Any:
            layer = self._layers.get(id(cell))
            compiles = mode == MODES[1] and id(cell) in self._compilable and not kwargs
            if not compiles:
                run = partial(self._paged, call, cell, **kwargs)
                return run(*args) if layer is None else self._on_source(layer, run, args, mode, mode == MODES[0])
            nn.Cell.__call__ = call  # as it is, where MindSpore compiles
            try:
                run = partial(self._compiled, call, cell)
                if layer is None:
                    return self._beside(cell, call, run, args)
                return self._on_source(layer, run, args, mode, True)
            finally:
                nn.Cell.__call__ = watched

        nn.Cell.__call__ = watched
        try:
            yield
        finally:
            nn.Cell.__call__ = call

    def _paged(self, call: Callable[..., Any], cell: Any, *args: Any, **kwargs: Any) -> Any:
        """What a Cell returns in PyNative mode; one that keeps its parameters in a tuple does not ask for each."""
        import mindspore as ms

        if any(isinstance(each, ms.ParameterTuple) for each in vars(cell).values()):
            with self._network.loaded(cell):
                return call(cell, *args, **kwargs)
        return call(cell, *args, **kwargs)

    def _compiled(self, call: Callable[..., Any], cell: Any, *args: Any) -> Any:
        """What a Cell returns in graph mode; layers may be among its arguments."""
        import mindspore as ms

        with ExitStack() as loaded:
            for each in (cell, *(value for value in args if isinstance(value, ms.nn.Cell))):
                loaded.enter_context(self._network.loaded(each))
            ms.set_context(mode=ms.GRAPH_MODE)
            try:
                result = call(cell, *args)
                return _settled(result)
            finally:
                ms.set_context(mode=ms.PYNATIVE_MODE)
                _forget(cell)

    def _on_source(self, layer: Layer, run: Callable[..., Any], args: Sequence[Any], mode: str, counts: bool) -> Any:
        """Run a layer on the source's values; compare what it returns, if that counts, and return the source's."""
        known = [self._source_input(layer, value) for value in args]
        unlike = [number for number, (_, found) in enumerate(known, 1) if not found]
        try:
            made = _settled(run(*[value for value, _ in known]))
        except Exception as error:
            if counts and id(error) not in self._raised:
                self._raised.add(id(error))
                lines = lines_of(error, self._script)
                raised = Difference("differs", note=f"it raises {first_line(error)}")
                self._found(layer, mode, "", raised, (lines or [0])[0])
            raise
        items = list(made) if isinstance(made, tuple) else [made]
        results = [self._source_output(layer, item, mode, counts, unlike) for item in items]
        return tuple(results) if isinstance(made, tuple) else results[0]

    def _source_input(self, layer: Layer, value: Any) -> tuple[Any, bool]:
        """The value of the source that an argument is, and whether there is one; the argument itself if not."""
        import mindspore as ms

        if not isinstance(value, ms.Tensor):
            return value, True
        array = to_numpy(value)
        alike = self._values.alike(layer.inputs, array)
        pairs = [(difference(array, want, self._precision), want) for _, want in alike]
        if not pairs:
            return value, True
        found, want = min(pairs, key=lambda pair: badness(pair[0]))
        return (to_mindspore(want), True) if found.verdict == "same" else (value, False)

    def _source_output(self, layer: Layer, item: Any, mode: str, counts: bool, unlike: Sequence[int]) -> Any:
        """Compare what a layer returns with the value of the source that it is; return that."""
        import mindspore as ms

        if not isinstance(item, ms.Tensor):
            return item
        array, used = to_numpy(item), self._returned.setdefault(layer.path, set())
        candidates = [name for name in layer.outputs if name not in used] or layer.outputs
        pairs = [
            (difference(array, want, self._precision), name, want)
            for name, want in self._values.alike(candidates, array)
        ]
        if not pairs:
            if counts:
                reason = "the source has no such value" if candidates else "it depends on no input, or is random"
                self._found(layer, mode, "", Difference("not comparable", note=reason))
            return item
        found, name, want = min(pairs, key=lambda pair: badness(pair[0]))
        used.add(name)
        if counts:
            if found.verdict == "differs" and layer.unordered and is_reordered(array, want):
                found = replace(found, verdict="same", note=REORDERED)
            if found.verdict == "differs" and unlike:
                numbers = ", ".join(map(str, unlike))
                note = f"its argument {numbers} is no value of the source: look at what stands before it, too"
                found = replace(found, note="; ".join(filter(None, [found.note, note])))
            self._found(layer, mode, name, found, inputs_differ=bool(unlike))
        return to_mindspore(want)

    def _beside(self, cell: Any, call: Callable[..., Any], run: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Compare what a layer of MindSpore's returns in graph mode with what it returns in PyNative mode."""
        wanted = _settled(self._paged(call, cell, *args))
        path = self._paths[id(cell)]
        layer = Layer(path, type(cell).__name__, 0, 0, 0, (), ())
        try:
            found = difference(to_numpy(_settled(run(*args))), to_numpy(wanted), self._precision)
        except Exception as error:
            found = Difference("differs", note=f"it raises {first_line(error)}")
        self._found(layer, MODES[1], "", found)
        return wanted

    def _found(
        self, layer: Layer, mode: str, value: str, found: Difference, line: int = 0, inputs_differ: bool = False
    ) -> None:
        each = LayerComparison(
            **found.as_dict(),
            node=layer.path,
            operator=layer.cell,
            value=value,
            mode=mode,
            line_number=line or layer.first or layer.line,
            last_line=line or layer.last or layer.line,
            inputs_differ=inputs_differ,
        )
        self._note(layer=asdict(each))


def _forget(cell: Any) -> None:
    """Drop what was compiled of a Cell, which holds its weights, as MindSpore does when the Cell goes."""
    from mindspore.common.api import _cell_graph_executor

    _cell_graph_executor.del_net_res(cell, cell.compile_cache)
    cell.compile_cache.clear()


def _settled(made: Any) -> Any:
    """A result whose kernels have run: PyNative mode executes asynchronously, and raises when a value is read."""
    import mindspore as ms

    for item in made if isinstance(made, (tuple, list)) else (made,):
        if isinstance(item, ms.Tensor):
            item.asnumpy() if item.dtype != ms.bfloat16 else item.astype(ms.float32).asnumpy()
    return made


def _cells(net: Any) -> Iterator[tuple[str, Any]]:
    """The Cells of a network with their paths, without the network itself."""
    yield from ((path, cell) for path, cell in net.cells_and_names() if path)


def _compilable(network: Paged, cell: Any, layers: Collection[int]) -> Iterator[Any]:
    """The largest Cells inside a Cell that graph mode compiles by themselves: small ones that are no list of layers."""
    for inner in cell.cells():
        own = id(inner) in layers or any(True for _ in inner.get_parameters())
        if own and network.nbytes(inner) <= COMPILED and not _has_list(inner, layers) and not _is_list(inner):
            yield inner
        else:
            yield from _compilable(network, inner, layers)


def _is_list(cell: Any) -> bool:
    from mindspore import nn

    return isinstance(cell, (nn.CellList, nn.SequentialCell))


def _has_list(cell: Any, layers: Collection[int]) -> bool:
    """Whether a Cell has a list of layers of the script."""
    return any(
        _is_list(inner) and sum(id(each) in layers for each in inner.cells()) > 1 for _, inner in cell.cells_and_names()
    )
