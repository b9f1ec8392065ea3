"""Make the pictures of the README: `python docs/images/make.py`. Needs torch, playwright and Chromium."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import converter

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

BESIDE = """
    .verdict, .tabs, .toolbar, .legend, #split-details, .details, kbd { display: none !important; }
    main { padding: 12px !important; }
    .workspace { grid-template-columns: 300px 12px minmax(0, 1fr) !important; }
    .side { grid-template-rows: 1fr !important; }
    .graph { outline: none !important; }
"""
"""CSS that leaves only the graph and the script of the report's page."""


def beside(page: Any) -> None:
    """Show the graph of the source beside the script, with one block open."""
    page.set_viewport_size({"width": 1330, "height": 1040})
    page.add_style_tag(content=BESIDE)
    page.locator("g.closed", has_text="layer2").dispatch_event("click")
    page.locator("g.closed", has_text="layer2[0]").dispatch_event("click")
    page.get_by_label("Graph.").press("0")
    page.mouse.move(0, 0)


def report(page: Any) -> None:
    """Show the report with a node selected and the graph coloured by error."""
    page.set_viewport_size({"width": 1400, "height": 880})
    page.keyboard.press("/")
    page.keyboard.type("layer2.0 conv")
    page.keyboard.press("Enter")
    page.locator("#search").fill("")
    page.get_by_role("button", name="Error", exact=True).click()
    page.mouse.move(0, 0)


PICTURES: dict[str, tuple[Callable[[Any], None], str]] = {
    "beside.png": (beside, "light"),
    "beside_dark.png": (beside, "dark"),
    "report.png": (report, "light"),
    "report_dark.png": (report, "dark"),
}
"""File → the function that prepares the page, and the colour scheme."""


def main() -> None:
    """Convert a ResNet and take pictures of its report."""
    from models_torch import export
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        export("resnet", Path(name) / "resnet.onnx", dynamo=True)
        result = converter.convert(Path(name) / "resnet.onnx", output=Path(name) / "out")
        page_file = next(file for file in result.files if file.suffix == ".html")
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for file, (take, colours) in PICTURES.items():
            page = browser.new_page(color_scheme=colours)
            page.goto(page_file.resolve().as_uri())
            take(page)
            page.wait_for_timeout(500)  # wait until animations have ended
            page.screenshot(path=HERE / file)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
