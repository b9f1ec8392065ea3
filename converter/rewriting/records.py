"""Records: what became of each use of PyTorch in a file."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["info", "check", "by hand"]


class Record(NamedTuple):
    """One use of PyTorch.

    Attributes:
        start, end: its offsets in the source.
        name: its full name: `torch.nn.Conv2d`.
        written: as the source writes it: `nn.Conv2d`.
        converted: whether it was converted.
        became: the full name of what it became: `mindspore.nn.Conv2d`.
        remedy: what to do where it was not converted.
        note: a remark for a reviewer.
        use: `call`, `value`, `class`, `method`, `import`.
    """

    start: int
    end: int
    name: str
    written: str
    converted: bool = True
    became: str = ""
    remedy: str = ""
    note: str = ""
    use: str = "call"

    @property
    def severity(self) -> Severity:
        """`info`, `check` for what a reviewer should look at, `by hand` for what was not converted."""
        if not self.converted:
            return "by hand"
        return "check" if self.note else "info"
