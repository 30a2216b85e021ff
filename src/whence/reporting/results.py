"""Reads the result.json of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whence.errors import DataError

RESULT = "result.json"


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a finished run. Raises DataError when the file is not one."""
    path = folder / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return result | {"folder": str(folder)} if {"stage", "inputs"} <= result.keys() else _refuse(path)
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a result of whence; remove it or start the run again with rerun=true") from error


def find_results(folder: Path) -> list[dict[str, Any]]:
    """The results of all finished runs below a folder, by path."""
    return [read_result(path.parent) for path in sorted(folder.rglob(RESULT))]


def _refuse(path: Path) -> dict[str, Any]:
    raise ValueError(path)
