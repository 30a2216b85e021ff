"""Whether a model is as sure as it is right, and what it gains by leaving the least certain questions unanswered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Calibration:
    """`probabilities` of the answers and whether they are `right`, both (questions,)."""

    probabilities: np.ndarray
    right: np.ndarray

    def bins(self, count: int = 10) -> list[tuple[float, float, int]]:
        """(mean probability, accuracy, number) of the answers in each non-empty bin of equal width."""
        numbers = np.minimum((self.probabilities * count).astype(int), count - 1)
        chosen = [numbers == number for number in range(count)]
        return [
            (float(self.probabilities[mask].mean()), float(self.right[mask].mean()), int(mask.sum()))
            for mask in chosen
            if mask.any()
        ]

    @property
    def error(self) -> float:
        """Expected calibration error over ten bins (Naeini et al. 2015): how far sure and right lie apart."""
        total = len(self.right)
        return sum(number / total * abs(sure - right) for sure, right, number in self.bins())

    def risk_coverage(self) -> tuple[np.ndarray, np.ndarray]:
        """Share answered, and share of it that is wrong, when the most certain are answered first; both (questions,).

        Answers of equal probability count as answered in a random order: each with their mean.
        """
        order = np.argsort(-self.probabilities, kind="stable")
        sure, right = self.probabilities[order], self.right[order].astype(float)
        for value in np.unique(sure):
            right[sure == value] = right[sure == value].mean()
        answered = np.arange(1, len(right) + 1)
        return answered / len(right), 1 - np.cumsum(right) / answered

    @property
    def risk_area(self) -> float:
        """Area under the risk-coverage curve (Geifman & El-Yaniv 2017); lower is better."""
        return float(self.risk_coverage()[1].mean())

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy when only that share of the questions, the most certain, is answered."""
        shares, risks = self.risk_coverage()
        return float(1 - risks[max(0, round(coverage * len(shares)) - 1)])
