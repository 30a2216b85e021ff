"""Pairs of runs, or of designs over their seeds, compared on the questions that both answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from whence.errors import DataError
from whence.evaluation.comparison import Comparison, sentence
from whence.evaluation.exact_match import Score, exact_match
from whence.evaluation.vote import vote
from whence.reporting.results import Prediction, read_predictions

_EXAMPLES = 8


@dataclass(frozen=True)
class Answered:
    """The answers of one design, a list of predictions a seed, all to the same questions."""

    label: str
    runs: tuple[tuple[Prediction, ...], ...]

    @property
    def right(self) -> np.ndarray:
        """(seeds, questions) bool."""
        return np.array([[p.right for p in run] for run in self.runs])


@dataclass(frozen=True)
class Pair:
    """Two designs and what their comparison found."""

    first: Answered
    second: Answered
    found: Comparison

    @property
    def says(self) -> str:
        return sentence(self.first.label, self.second.label, self.found)

    def cells(self) -> list[str]:
        """A line of the table of pairs."""
        low, high = (100 * end for end in self.found.interval)
        figures = [f"{100 * self.found.difference:+.1f}", f"{low:+.1f} to {high:+.1f}", f"{self.found.p:.2g}"]
        counts = "/".join(map(str, self.found.only)) if self.found.single else ""
        return [f"{self.first.label} against {self.second.label}", *figures, counts]

    def examples(self) -> list[list[str]]:
        """Questions that one answered and the other did not: question, gold, what either said. Of the first seeds."""
        rows = [
            [mine.question, mine.gold, mine.text, yours.text]
            for mine, yours in zip(self.first.runs[0], self.second.runs[0], strict=True)
            if mine.right != yours.right
        ]
        return rows[:_EXAMPLES]


PAIR_HEADINGS = ("pair", "points", "95% interval", "p", "only one right")


def read_answers(label: str, folders: Sequence[Path]) -> Answered:
    """The answers of a design's runs. Raises MissingInput or DataError where a run has none or they are damaged."""
    return Answered(label, tuple(tuple(read_predictions(folder)) for folder in folders))


def voted(designs: Sequence[Answered]) -> Score:
    """How many questions all their runs answer by a vote."""
    runs = [run for design in designs for run in design.runs]
    said = [vote([p.text for p in row], [p.probability for p in row]) for row in zip(*runs, strict=True)]
    return exact_match(said, [p.gold for p in runs[0]])


def pairs(designs: Sequence[Answered]) -> list[Pair]:
    """Each design with each that follows it. Raises DataError when two were asked other questions."""
    found = []
    for first, second in combinations(designs, 2):
        if len({tuple((p.question, p.gold) for p in run) for run in (*first.runs, *second.runs)}) > 1:
            raise DataError(f"{first.label} and {second.label} answered other questions; evaluate both on the same")
        found.append(Pair(first, second, Comparison(first.right, second.right)))
    return found
