"""Methods of a module: torch.nn.Module."""

from __future__ import annotations

from converter.rewriting import Chosen, Row, method, missing

_M = "torch.nn.Module"


def _train(call: Chosen) -> str:
    """Where a class has a `train` of its own, each is asked: a Cell would set all of its parts itself."""
    if not call.trains_itself:
        return "{self}.set_train(mode={mode})"
    return f"compat.train{_parts(call)}({{self}}, {{mode}})"


def _eval(call: Chosen) -> str:
    return f"compat.train{_parts(call)}({{self}}, False)" if call.trains_itself else "{self}.set_train(False)"


def _parts(call: Chosen) -> str:
    return "_parts" if call.kind("self") == "super" else ""


def _buffer(call: Chosen) -> str:
    return "compat.register_buffer({self}, ...)"


_HOOKS = "Graph mode runs no hooks."
_BACKWARD = "Cell.register_backward_hook takes a function of (cell, grad_input, grad_output), in PyNative mode only."
_STATES = "Nothing calls it: rename weights when they are converted, with mindconverter-weights."


def _children(call: Chosen) -> str:
    """The children; graph mode does not iterate over what `cells` returns."""
    return "{self}._cells.values()" if call.compiled else "{self}.cells()"


def _named_children(call: Chosen) -> str:
    return "{self}._cells.items()" if call.compiled else "{self}.name_cells().items()"


ROWS: dict[str, Row] = {
    f"{_M}.modules": method("()", "compat.modules({self})", returns="other"),
    f"{_M}.children": method("()", _children, returns="other"),
    f"{_M}.named_children": method("()", _named_children, returns="other"),
    f"{_M}.named_modules": method(
        "(memo=None, prefix='', remove_duplicate=True)",
        "{self}.cells_and_names()",
        refused="memo prefix remove_duplicate",
        returns="other",
    ),
    f"{_M}.parameters": method("(recurse=True)", "compat.parameters({self}, ...)", returns="tensors"),
    f"{_M}.named_parameters": method(
        "(prefix='', recurse=True, remove_duplicate=True)",
        "compat.named_parameters({self}, {prefix}, {recurse})",
        refused="remove_duplicate",
        returns="other",
    ),
    f"{_M}.buffers": method("(recurse=True)", "compat.buffers({self}, ...)", returns="tensors"),
    f"{_M}.named_buffers": method(
        "(prefix='', recurse=True, remove_duplicate=True)",
        "compat.named_buffers({self}, {prefix}, {recurse})",
        refused="remove_duplicate",
        returns="other",
    ),
    f"{_M}.train": method("(mode=True)", _train, returns="unknown"),
    f"{_M}.eval": method("()", _eval, returns="unknown"),
    f"{_M}.flatten_parameters": method("()", "{self}", returns="other"),  # it only moves memory
    f"{_M}.apply": method("(fn)", "{self}.apply({fn})", returns="unknown"),
    f"{_M}.register_buffer": method("(name, tensor, persistent=True)", _buffer, returns="other"),
    f"{_M}.register_parameter": method("(name, param)", "compat.register_parameter({self}, ...)", returns="other"),
    f"{_M}.add_module": method("(name, module)", "compat.add_module({self}, ...)", returns="other"),
    f"{_M}.get_submodule": method("(target)", "compat.get_submodule({self}, {target})", returns="module"),
    f"{_M}.get_parameter": method("(target)", "compat.get_parameter({self}, {target})"),
    f"{_M}.register_module": method("(name, module)", "compat.add_module({self}, ...)", returns="other"),
    f"{_M}.state_dict": method("(*args, **kwargs)", "compat.state_dict({self}, ...)", returns="other"),
    f"{_M}.load_state_dict": method(
        "(state_dict, strict=True, assign=False)", "compat.load_state_dict({self}, ...)", returns="other"
    ),
    f"{_M}.to": method("(*args, **kwargs)", lambda call: "{self}", returns="unknown"),
    f"{_M}.cuda": method("(device=None)", "{self}", returns="unknown"),
    f"{_M}.cpu": method("()", "{self}", returns="unknown"),
    f"{_M}.half": method("()", "{self}.to_float(ms.float16)", returns="unknown"),
    f"{_M}.float": method("()", "{self}.to_float(ms.float32)", returns="unknown"),
    f"{_M}.requires_grad_": method("(requires_grad=True)", "compat.requires_grad_({self}, ...)", returns="unknown"),
    f"{_M}.reset_parameters": method("()", "compat.reset_parameters({self})", returns="other"),
    f"{_M}.register_forward_hook": method(
        "(hook, *, prepend=False, with_kwargs=False, always_call=False)",
        "{self}.register_forward_hook({hook}, with_kwargs={with_kwargs})",
        refused="prepend always_call",
        returns="other",
        note=_HOOKS,
    ),
    f"{_M}.register_forward_pre_hook": method(
        "(hook, *, prepend=False, with_kwargs=False)",
        "{self}.register_forward_pre_hook({hook}, with_kwargs={with_kwargs})",
        refused="prepend",
        returns="other",
        note=_HOOKS,
    ),
    **{
        f"{_M}.register_{name}": missing(_BACKWARD)
        for name in ("full_backward_hook", "full_backward_pre_hook", "backward_hook")
    },
    **{
        f"{_M}.{name}": missing(_STATES)
        for name in (
            "_register_load_state_dict_pre_hook",
            "_register_state_dict_hook",
            "register_load_state_dict_pre_hook",
            "register_load_state_dict_post_hook",
            "register_state_dict_pre_hook",
            "register_state_dict_post_hook",
        )
    },
    f"{_M}.zero_grad": method("(set_to_none=True)", "compat.zero_grad({self}, ...)", returns="other"),
}
