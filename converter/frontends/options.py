"""Options that several frontends have, each with one meaning."""

from __future__ import annotations

from converter.frontends.frontend import Option

PROJECT_PATH = Option("project_path", "folder that is searched first for the modules of the model's code", "DIR")
TRUST = Option("trust", "let the file run code while it is loaded, as pickled modules and Lambda layers do")
