"""Proofs: what `prove_NAME.py` wrote on other machines, added to the report as JSON and as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converter.errors import BadParamError, ModelLoadingError, ReportGenerationError
from converter.report.data import json_report
from converter.report.html import html_report

_PAGE_DATA = re.compile('<script type="application/json" id="report-data">(.*?)</script>', re.DOTALL)

_FIELDS = frozenset({"device", "mode", "mindspore", "verdict", "outputs", "cells", "first_difference", "latency"})
"""Fields of a proof that the page shows."""


def add_proofs(report: Path, proofs: Sequence[Path]) -> tuple[Path, Path]:
    """Add proofs to `report_of_NAME.json` and to the page beside it; return both files.

    A proof replaces an earlier one of the same device, mode and version of MindSpore.

    Raises:
        ModelLoadingError: a file cannot be read.
        BadParamError: a file is no report or no proof, or a proof is of another network.
        ReportGenerationError: a file cannot be written.
    """
    data, page = _read(report), report.with_suffix(".html")
    if "network" not in data or "verification" not in data:
        raise BadParamError(f"'{report}' is no report. Name report_of_NAME.json.")
    found = _PAGE_DATA.search(_text(page))
    if found is None:
        raise BadParamError(f"'{page}' is no page of a report. Convert the model again.")
    name = data["network"]["name"]
    known = {_key(proof): proof for proof in data.get("proofs", [])}
    for file in proofs:
        proof = _read(file)
        if not proof.keys() >= _FIELDS:
            raise BadParamError(f"'{file}' is no proof. Name files that prove_{name}.py wrote.")
        if proof["name"] != name:
            raise BadParamError(f"'{file}' is a proof of {proof['name']}, and '{report}' the report of {name}.")
        known[_key(proof)] = proof
    data["proofs"] = list(known.values())
    pieces = {report: json_report(data), page: html_report(data, json.loads(found[1])["script"])}
    texts = {path: "".join(each) for path, each in pieces.items()}
    try:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ReportGenerationError(f"'{error.filename}' cannot be written: {error.strerror}.") from error
    return report, page


def _key(proof: dict[str, Any]) -> tuple[str, str, str]:
    return proof["device"], proof["mode"], proof["mindspore"]


def _read(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(_text(file))
    except ValueError as error:
        raise BadParamError(f"'{file}' is not JSON: {error}.") from error
    return data if isinstance(data, dict) else {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelLoadingError(f"'{file}' cannot be read: {error.strerror}. Check the name.") from error
