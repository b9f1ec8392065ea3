"""einops: patterns of axes. https://einops.rocks/api/"""

from __future__ import annotations

from converter.rewriting import Row, call, layer

ROWS: dict[str, Row] = {
    "einops.rearrange": call("(tensor, pattern, **axes_lengths)", "compat.rearrange(...)", value="compat.rearrange"),
    "einops.repeat": call("(tensor, pattern, **axes_lengths)", "compat.repeat(...)", value="compat.repeat"),
    "einops.reduce": call("(tensor, pattern, reduction, **axes_lengths)", "compat.reduce(...)", value="compat.reduce"),
    "einops.einsum": call("(*tensors_and_pattern)", "compat.einops_einsum(...)"),
    "einops.layers.torch.Rearrange": layer("(pattern, **axes_lengths)", "compat.Rearrange(...)"),
    "einops.layers.torch.Reduce": layer("(pattern, reduction, **axes_lengths)", "compat.Reduce(...)"),
}
