"""The log of fusions: how often each matched, and why nodes that look like an operator are not that operator."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator

import onnx_ir as ir

_LOGGER = logging.getLogger("converter.graph.fusions")


class NoMatch(Exception):  # noqa: N818 - it is a result, not an error
    """The reason why nodes that resemble an operator are not that operator; `node` is where, the last by default."""

    def __init__(self, reason: str, node: ir.Node | None = None) -> None:
        super().__init__(reason)
        self.node = node


class FusionLog:
    """Matches and near misses of one conversion; partial matches of patterns are recorded only if INFO is logged."""

    def __init__(self) -> None:
        self.is_detailed = _LOGGER.isEnabledFor(logging.INFO)
        self._matches: Counter[str] = Counter()
        self._misses: dict[str, dict[ir.Node, tuple[str, ir.Node]]] = defaultdict(dict)

    def match(self, fusion: str) -> None:
        """Count a match."""
        self._matches[fusion] += 1

    def miss(self, fusion: str, reason: NoMatch, root: ir.Node) -> None:
        """Record a near miss: the nodes that end in `root` match a fusion except for `reason`."""
        self._misses[fusion][root] = (str(reason), reason.node or root)

    def write(self) -> None:
        """Log all matches, and near misses whose nodes no other fusion has replaced."""
        for line in self._lines() if self.is_detailed else ():
            _LOGGER.info("%s", line)

    def _lines(self) -> Iterator[str]:
        for fusion in dict.fromkeys([*self._matches, *self._misses]):
            missed: dict[str, list[ir.Node]] = defaultdict(list)
            for root, (reason, node) in self._misses[fusion].items():
                if root.graph is not None:
                    missed[reason].append(node)
            if missed or self._matches[fusion]:
                yield f"fusion {fusion}: matched {self._matches[fusion]}"
            for reason, nodes in missed.items():
                yield f"    not {len(nodes)}, first '{nodes[0].name}': {reason}"
