"""The report as a page for a browser: one file that opens offline and loads nothing from the network.

Names in a model are untrusted text. They are JSON without `<` in the page, which inserts them as text only, and its
content security policy allows only the scripts that are written here, by their hashes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import templates
from converter.base.messages import catalogue
from converter.base.messages.composed import translated
from converter.errors import visible
from converter.report.data import json_report
from converter.report.sides import FileSides

VENDOR = Path(__file__).parent / "vendor"
"""The libraries, unchanged, each in a folder with its licence."""

LIBRARIES = (
    "d3-color/d3-color.min.js",
    "d3-dispatch/d3-dispatch.min.js",
    "d3-ease/d3-ease.min.js",
    "d3-interpolate/d3-interpolate.min.js",
    "d3-selection/d3-selection.min.js",
    "d3-timer/d3-timer.min.js",
    "d3-drag/d3-drag.min.js",
    "d3-transition/d3-transition.min.js",
    "d3-zoom/d3-zoom.min.js",
    "dagre/dagre.min.js",
    "prism/prism-core.min.js",
    "prism/prism-python.min.js",
    "uplot/uPlot.iife.min.js",
)
"""In the order of their dependencies."""

OWN = (
    *("dom", "language", "model", "virtual", "layout", "cards", "graph"),
    *("script", "details", "search", "table", "plot", "overview", "inspection", "split", "tabs", "main"),
)
"""Our own scripts; `main` starts the page."""

OWN_OF_SCRIPTS = ("dom", "language", "model", "virtual", "script", "plot", "overview", "split", "tabs", "sides")
"""Those of the page of script mode; `sides` starts it."""

PAGES = {"report.html.jinja": OWN, "scripts.html.jinja": OWN_OF_SCRIPTS}
"""The pages, and the scripts of each."""

# Prism would highlight the whole page by itself, and a worker's scope has no document.
_BEFORE = "window.Prism = { manual: true, disableWorkerMessageHandler: true };"


def html_report(data: Mapping[str, Any], script: str) -> Iterator[str]:
    """Write `report_of_NAME.html`, piece by piece.

    Args:
        data: the report as data.
        script: the text of the script.
    """
    return _page(f"report_of_{data['network']['name']}", data, script)


def html_inspection(data: Mapping[str, Any]) -> Iterator[str]:
    """Write `inspection_of_NAME.html`, the same page without a script, a verdict and errors."""
    return _page(f"inspection_of_{data['network']['name']}", data, "")


def html_scripts(data: Mapping[str, Any], sides: Iterable[FileSides]) -> Iterator[str]:
    """Write `report_of_NAME.html` of script mode: source and result of each file side by side."""
    shown = {**data, "sides": [each.data() for each in sides]}
    return _page(f"report_of_{data['network']['name']}", shown, "", "scripts.html.jinja")


def _page(title: str, data: Mapping[str, Any], script: str, template: str = "report.html.jinja") -> Iterator[str]:
    scripts = _scripts(template)
    page = {**data, "script": script, "licences": _licences(), "catalogue": _catalogue(template, data["timings"])}
    page["translations"] = _translations(data)
    policy = " ".join(map(_hash, scripts))
    pieces = map(_escaped, json_report(page))
    made = _environment().get_template(template)
    return made.generate(title=title, styles=_styles(), data=pieces, scripts=scripts, policy=policy)


_UNSEEN = re.compile("[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Characters that control the direction of writing, or that nobody sees."""


def _escaped(text: str) -> str:
    """JSON that can stand in a `script` element: nothing in it can end the element, begin a comment or be unseen."""
    text = _UNSEEN.sub(lambda found: visible(found[0]), text).replace("<", "\\u003c")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@functools.cache
def _scripts(template: str) -> tuple[str, ...]:
    """Every script of the page: the libraries, then ours as one."""
    libraries = [(VENDOR / file).read_text(encoding="utf-8") for file in LIBRARIES]
    own = "\n".join(_template(f"report/{name}.js") for name in PAGES[template])
    return _BEFORE, *libraries, f'(() => {{\n"use strict";\n{own}\n}})();'


def _catalogue(template: str, stages: Iterable[str] = ()) -> dict[str, str]:
    """The Chinese messages of the page, and those of these stages; the catalogue has more, for the terminal."""
    page = "".join(map(_template, (template, *(f"report/{name}.js" for name in PAGES[template]))))
    page = page.replace("&amp;", "&").replace("\\'", "'")
    nouns = [f"{noun}(s)" for noun in re.findall(r'count\([^"]*, "(\w+)"\)', page)]
    return {text: known for text, known in catalogue("zh").items() if text in page or text in (*nouns, *stages)}


def _translations(data: Mapping[str, Any]) -> dict[str, str]:
    """The sentences about this model, and their Chinese: notes, and what to do about nodes that are not converted."""
    texts = dict.fromkeys(_sentences(data))
    known = {text: translated(text, "zh") for text in texts}
    return {text: other for text, other in known.items() if other != text}


def _sentences(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key in ("note", "remedy", "became"):
            if isinstance(value := data.get(key), str) and " " in value:
                yield value
        yield from data.get("notes", ())
        inner = [value for key, value in data.items() if value and isinstance(value, (dict, list)) and key != "notes"]
    else:
        inner = [value for value in data if value and isinstance(value, (dict, list))]
    for value in inner:
        yield from _sentences(value)


@functools.cache
def _styles() -> str:
    return (VENDOR / "uplot" / "uPlot.min.css").read_text(encoding="utf-8") + _template("report/style.css")


@functools.cache
def _licences() -> list[dict[str, str]]:
    """The licence of every library in the page."""
    return [
        {"name": folder.name, "text": (folder / "LICENSE").read_text(encoding="utf-8")}
        for folder in sorted(VENDOR.iterdir())
        if folder.is_dir()
    ]


def _template(name: str) -> str:
    """The unchanged text of one of our files."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@functools.cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates.FOLDER),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
    )
