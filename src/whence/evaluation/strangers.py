"""What a model says of people who do not exist: how sure it is, and how far the form of the name decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Strangers:
    """Answers about a grid of invented people: `answers[i, j]` is of the i-th first name with the j-th last name."""

    answers: np.ndarray
    probabilities: np.ndarray

    def share_of_places(self, places: Collection[str]) -> float:
        """How often a place of the training rows is named, though there is nothing to know."""
        return float(np.mean([answer in places for answer in self.answers.flat]))

    @property
    def same_last_name(self) -> float:
        """How often two people with one last name are given the same answer."""
        return float(np.mean([_agreement(column) for column in self.answers.T]))

    @property
    def same_first_name(self) -> float:
        """How often two people with one first name are."""
        return float(np.mean([_agreement(row) for row in self.answers]))

    @property
    def nothing_in_common(self) -> float:
        """How often two people who share no part of their names are: what the favourite answers alone bring about."""
        rows, columns = self.answers.shape
        values, numbers = np.unique(self.answers, return_inverse=True)
        grid = numbers.reshape(rows, columns)
        same = 0
        for value in range(len(values)):
            mask = grid == value
            within = (mask.sum(axis=1) ** 2).sum() + (mask.sum(axis=0) ** 2).sum() - mask.sum()
            same += mask.sum() ** 2 - within
        total = (rows * columns) ** 2 - rows * columns * (rows + columns - 1)
        return float(same / total)

    def distance(self, frequencies: Mapping[str, int]) -> float:
        """Total variation distance of the answers from the training rows' places, 0 (alike) to 1 (nothing shared)."""
        said, known = Counter(self.answers.flat), sum(frequencies.values())
        names = {*said, *frequencies}
        apart = (abs(said[name] / self.answers.size - frequencies.get(name, 0) / known) for name in names)
        return 0.5 * sum(apart)

    def favourites(self, count: int) -> list[tuple[str, float]]:
        """The answers given most often, with their shares."""
        return [(name, number / self.answers.size) for name, number in Counter(self.answers.flat).most_common(count)]


def _agreement(answers: Sequence[str]) -> float:
    """The share of pairs that are equal."""
    count = len(answers)
    equal = sum(number * (number - 1) for number in Counter(answers).values())
    return equal / (count * (count - 1))
