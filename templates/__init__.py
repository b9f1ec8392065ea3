"""The Jinja templates of the script and the report, and the page's scripts and styles."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where they lie."""
