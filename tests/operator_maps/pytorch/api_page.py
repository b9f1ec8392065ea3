"""The page of PyTorch's names. `python tests/operator_maps/pytorch/api_page.py > docs/pytorch_api.md`."""

from __future__ import annotations

from converter.rewriting import Row
from operator_maps import pytorch

_HEAD = """\
# PyTorch's names

Made from `operator_maps/pytorch/` by `python tests/operator_maps/pytorch/api_page.py > docs/pytorch_api.md`; a test
fails when it is stale. What a name becomes when `mindconverter --in_file` meets it. `compat` is the helper module
`_torch_compat.py` of the result. Where it says "by its arguments", a function of the table decides.

| PyTorch | MindSpore |
|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = pytorch.load()
    return _HEAD + "".join(f"| `{name}{_signature(rows[name])}` | {_becomes(rows[name])} |\n" for name in sorted(rows))


def _signature(row: Row) -> str:
    return row.signature.text if row.signature is not None else ""


def _becomes(row: Row) -> str:
    if isinstance(row.becomes, str):
        text = f"`{row.becomes}`" if row.becomes else "removed"
    else:
        text = "by its arguments" if row.becomes is not None else "not converted"
    return f"{text}. {row.remedy}".replace("|", "\\|") if row.remedy else text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
