"""Reads what finished runs left: result.json and predictions.tsv."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.errors import DataError, MissingInput
from whence.storage import write_atomically

RESULT = "result.json"
PREDICTIONS = "predictions.tsv"
_HEADINGS = ["question", "gold", "prediction", "probability"]


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a finished run. Raises DataError when the file is not one, MissingInput when there is none."""
    path = folder / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return result | {"folder": str(folder)} if {"stage", "inputs"} <= result.keys() else _refuse(path)
    except FileNotFoundError as error:
        raise MissingInput(f"{path} is gone; start the run again") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a result of whence; remove it or start the run again with rerun=true") from error


def find_results(folder: Path) -> list[dict[str, Any]]:
    """The results of all finished runs below a folder, by path."""
    return [read_result(path.parent) for path in sorted(folder.rglob(RESULT))]


@dataclass(frozen=True)
class Prediction:
    """One answered question; `gold` is empty where the answer is not known."""

    question: str
    gold: str
    text: str
    probability: float

    @property
    def right(self) -> bool:
        return self.text == self.gold


def write_predictions(folder: Path, predictions: Sequence[Prediction]) -> None:
    """predictions.txt, a place a line as the course wants it, and predictions.tsv with all that is known.

    A prediction is whatever a model writes: a newline or a tab in it must not shift what follows.
    """
    rows = [(p.question, p.gold, _escaped(p.text), f"{p.probability:.6g}") for p in predictions]
    write_atomically(folder / "predictions.txt", "".join(f"{row[2]}\n" for row in rows).encode())
    table = ["\t".join(row) for row in (_HEADINGS, *rows)]
    write_atomically(folder / PREDICTIONS, "".join(f"{line}\n" for line in table).encode())


def read_predictions(folder: Path) -> list[Prediction]:
    """What a run answered. Raises MissingInput when it answered nothing, DataError when the file is damaged."""
    path = folder / PREDICTIONS
    try:
        headings, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    except FileNotFoundError as error:
        raise MissingInput(f"{folder} has no {PREDICTIONS}; evaluate it: python train.py stage=evaluate") from error
    except ValueError as error:
        raise DataError(f"{path}: damaged; start the run again with rerun=true") from error
    found = []
    for number, row in enumerate(rows, 2):
        try:
            question, gold, text, probability = row
            found.append(Prediction(question, gold, _plain(text), float(probability)))
        except ValueError as error:
            raise DataError(f"{path}:{number}: expected {', '.join(_HEADINGS)}, got {len(row)} fields") from error
    if not found:
        raise DataError(f"{path}: holds no predictions; start the run again with rerun=true")
    if headings != _HEADINGS:
        raise DataError(f"{path}:1: expected the headings {', '.join(_HEADINGS)}, got {', '.join(headings)}")
    return found


_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


def _plain(text: str) -> str:
    known = {escape: character for character, escape in _ESCAPES.items()}
    return re.sub(r"\\.", lambda match: known.get(match.group(), match.group()), text)


def _refuse(path: Path) -> dict[str, Any]:
    raise ValueError(path)
