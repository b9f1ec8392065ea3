"""Functions that few scripts call: second names, and what helpers compute."""

from __future__ import annotations

from converter.rewriting import Row, call

ROWS: dict[str, Row] = {
    "torch.swapaxes": call("(input, axis0, axis1)", "ops.swapaxes({input}, {axis0}, {axis1})"),
    "torch.swapdims": call("(input, dim0, dim1)", "ops.swapaxes({input}, {dim0}, {dim1})"),
    "torch.divide": call(
        "(input, other, *, rounding_mode=None, out=None)",
        "ops.div({input}, {other}, rounding_mode={rounding_mode})",
        refused="out",
    ),
    "torch.unique": call(
        "(input, sorted=True, return_inverse=False, return_counts=False, dim=None)",
        "compat.unique(...)",
        returns="unknown",
    ),
    "torch.diff": call("(input, n=1, dim=-1, prepend=None, append=None, *, out=None)", "compat.diff(...)"),
    "torch.tensor_split": call(
        "(input, indices_or_sections=None, dim=0, *, indices=None, sections=None)",
        "compat.tensor_split(...)",
        returns="tensors",
    ),
}
