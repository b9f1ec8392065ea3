"""What stands for what has no counterpart."""

import contextlib
import sys
import typing

Final = typing.Final

List = list

Tuple = tuple

Dict = dict

Optional = typing.Optional

Union = typing.Union


class missing:
    """Something of PyTorch's that was not converted: it can be named and imported, and raises when it is used."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return missing(f"{self._name}.{name}")

    def __mro_entries__(self, bases):
        return ()

    def __call__(self, *args, **kwargs):
        if importing(sys._getframe(1)):
            return missing(f"{self._name}(...)")
        raise NotImplementedError(f"{self._name} of PyTorch was not converted; the report says what to do.")

    def __getitem__(self, key):
        return missing(f"{self._name}[…]")

    def __or__(self, other):
        return object

    __ror__ = __or__

    def __fspath__(self):
        return self._name

    def __repr__(self):
        return f"<{self._name}, not converted>"


def importing(frame):
    """Whether a frame runs because its module, or one that needs it, is being imported."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and getattr(frame.f_globals.get("__spec__"), "_initializing", False):
            return True
        frame = frame.f_back
    return False


def identity(value=None, *args, **kwargs):
    """Stands for decorators such as torch.jit.ignore."""
    return value


def check(condition, message=""):
    """torch._assert."""
    assert condition, message


class no_grad(contextlib.nullcontext):
    """torch.no_grad: MindSpore computes gradients only where they are asked for."""

    def __init__(self, function=None):
        super().__init__()

    def __call__(self, function):
        return function
