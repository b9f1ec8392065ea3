"""Curves as a picture: lines over two logarithmic axes, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 420, 70, 50, 40, 190
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a", "#bf3989", "#0a7ea4")

Points = Sequence[tuple[float, float]]


def draw(file: Path, title: str, across: str, up: str, lines: Mapping[str, Points]) -> None:
    """Write a picture of lines through points (x, y), both above 0."""
    points = [point for line in lines.values() for point in line]
    x_low, x_high = _decades([x for x, _ in points])
    y_low, y_high = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (math.log10(x) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (math.log10(y) - y_low) / (y_high - y_low) * (HEIGHT - BOTTOM - TOP)
        return round(right, 1), round(down, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 10}">{across}</text>',
        f'<text x="14" y="{HEIGHT - BOTTOM}" transform="rotate(-90 14 {HEIGHT - BOTTOM})">{up}</text>',
    ]
    for decade in range(x_low, x_high + 1):
        x, y = place(10.0**decade, 10.0**y_low)
        parts += [_line((x, y), (x, TOP)), f'<text x="{x - 14}" y="{y + 18}">{10**decade:,}</text>']
    for decade in range(y_low, y_high + 1):
        x, y = place(10.0**x_low, 10.0**decade)
        parts += [_line((x, y), (WIDTH - RIGHT, y)), f'<text x="{LEFT - 44}" y="{y + 4}">{10.0**decade:g}</text>']
    for index, (name, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 18 * index + 10
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{y}" fill="{colour}">{name}</text>')
    file.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<path d="M{start[0]} {start[1]}L{end[0]} {end[1]}" stroke="#d0d7de"/>'
