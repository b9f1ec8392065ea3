"""Lists and dicts of parameters, which have names of their own."""

from mindspore import Parameter, ParameterTuple, nn


class ParameterDict(nn.Cell):
    """torch.nn.ParameterDict."""

    def __init__(self, parameters=None):
        super().__init__()
        self._prefix = ""
        self._named = {}
        self.update({} if parameters is None else parameters)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def update(self, parameters):
        for name, parameter in parameters.items() if hasattr(parameters, "items") else parameters:
            self[name] = parameter

    def __setitem__(self, name, parameter):
        parameter = parameter if isinstance(parameter, Parameter) else Parameter(parameter)
        parameter.name = f"{self._prefix}{name}"
        self._params[name] = self._named[name] = parameter
        self.all_parameters = ParameterTuple(self._named.values())
        self.all_names = tuple(self._named)

    def __getitem__(self, name):
        return self.all_parameters[self.all_names.index(name)]

    def __contains__(self, name):
        return name in self.all_names

    def __len__(self):
        return len(self.all_names)

    def __iter__(self):
        return iter(self.all_names)

    def keys(self):
        return self.all_names

    def values(self):
        return self.all_parameters

    def items(self):
        return tuple([(name, each) for name, each in zip(self.all_names, self.all_parameters)])


class ParameterList(ParameterDict):
    """torch.nn.ParameterList."""

    def __init__(self, values=None):
        super().__init__()
        self.extend([] if values is None else values)

    def append(self, value):
        super().__setitem__(str(len(self._named)), value)
        return self

    def extend(self, values):
        for each in values:
            self.append(each)
        return self

    def __setitem__(self, index, value):
        super().__setitem__(str(index % max(len(self._named), 1)), value)

    def __getitem__(self, index):
        return self.all_parameters[index]

    def __iter__(self):
        return iter(self.all_parameters)
