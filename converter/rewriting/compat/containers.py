"""Containers with PyTorch's methods: Sequential, ModuleList, ModuleDict."""

import collections

from mindspore import nn


def prefix_of(cell):
    """What stands before the names of a cell's parameters: where the cell is in the network, as far as it is known."""
    for name, parameter in cell.parameters_and_names():
        if parameter.name.endswith(name):
            return parameter.name[: -len(name)]
    return getattr(cell, "_prefix", "")


class Sequential(nn.SequentialCell):
    """torch.nn.Sequential: it may get further modules at any time, also as attributes."""

    def __init__(self, *args):
        super().__init__()
        self._prefix = ""
        named = args[0].items() if len(args) == 1 and hasattr(args[0], "items") else enumerate(args)
        for name, module in named:
            self.insert_child_to_cell(str(name), module)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def insert_child_to_cell(self, child_name, child_cell):
        super().insert_child_to_cell(child_name, child_cell)
        child_cell.update_parameters_name(f"{self._prefix}{child_name}.")
        self._is_dynamic_name.append(child_name.isdigit())
        self.cell_list = list(self._cells.values())

    def append(self, module):
        self.insert_child_to_cell(str(len(self._cells)), module)
        return self

    def extend(self, modules):
        for module in modules:
            self.append(module)
        return self

    def __iter__(self):
        return iter(self._cells.values())

    def __getitem__(self, index):
        cells = list(self._cells.items())
        if isinstance(index, slice):
            return nn.SequentialCell(collections.OrderedDict(cells[index]))
        return cells[index][1]


class CellList(nn.CellList):
    """torch.nn.ModuleList of any iterable, or of what is appended later; it has no `construct`."""

    def __init__(self, modules=None):
        super().__init__()
        self._prefix = ""
        self.extend(() if modules is None else modules)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def append(self, cell):
        super().append(cell)
        cell.update_parameters_name(f"{self._prefix}{len(self) - 1}.")
        return self

    def extend(self, cells):
        for cell in cells:
            self.append(cell)
        return self

    def insert(self, index, cell):
        super().insert(index, cell)
        super().update_parameters_name(self._prefix)


class ModuleList(nn.Cell):
    """torch.nn.ModuleList, to derive from: it may have a `construct` of its own."""

    def __init__(self, modules=None):
        super().__init__()
        self._prefix = ""
        self.extend(() if modules is None else modules)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def insert_child_to_cell(self, child_name, child_cell):
        super().insert_child_to_cell(child_name, child_cell)
        child_cell.update_parameters_name(f"{self._prefix}{child_name}.")
        self.cell_list = tuple(self._cells.values())

    def append(self, module):
        self.insert_child_to_cell(str(len(self._cells)), module)
        return self

    def extend(self, modules):
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return len(self._cells)

    def __iter__(self):
        return iter(self._cells.values())

    def __getitem__(self, index):
        return list(self._cells.values())[index]


class ModuleDict(nn.Cell):
    """torch.nn.ModuleDict, of cells of any kind."""

    def __init__(self, modules=None):
        super().__init__()
        self._prefix = ""
        self.update({} if modules is None else modules)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def update(self, modules):
        for name, module in modules.items() if hasattr(modules, "items") else modules:
            self.insert_child_to_cell(name, module)

    def insert_child_to_cell(self, child_name, child_cell):
        self._cells[child_name] = child_cell
        child_cell.update_parameters_name(f"{self._prefix}{child_name}.")
        self.cell_list = tuple(self._cells.values())
        self.cell_names = tuple(self._cells)

    def __setitem__(self, name, module):
        self.insert_child_to_cell(name, module)

    def __getitem__(self, name):
        return self.cell_list[self.cell_names.index(name)]

    def __contains__(self, name):
        return name in self.cell_names

    def __len__(self):
        return len(self._cells)

    def __iter__(self):
        return iter(self._cells)

    def keys(self):
        return self.cell_names

    def values(self):
        return self.cell_list

    def items(self):
        return tuple([(name, cell) for name, cell in zip(self.cell_names, self.cell_list)])


def modules(cell):
    """Module.modules."""
    return [each for _, each in cell.cells_and_names()]


def add_module(cell, name, module):
    """Module.add_module."""
    prefix = prefix_of(cell)
    cell.insert_child_to_cell(name, module)
    if module is not None:
        module.update_parameters_name(f"{prefix}{name}.")
    if isinstance(cell, nn.SequentialCell):
        cell.cell_list = list(cell._cells.values())
