"""Whether one model answers more questions than another, or only happened to: the same questions put to both.

Exact McNemar: McNemar 1947 with the binomial distribution in place of chi-squared. Intervals: the bootstrap over
questions (Efron & Tibshirani 1993), both models of a draw on the same ones, and over seeds Student's t, since a
bootstrap of three seeds is far too sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import binomtest

_DRAWS = 10_000
_LEVEL = 0.05
_POWER = 1.96 + 0.84  # normal quantiles: a two-sided level of 5% and a power of 80%


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two designs on the same questions; `first` and `second` say which answers were right, (seeds, questions) bool."""

    first: np.ndarray
    second: np.ndarray

    def __post_init__(self) -> None:
        if self.first.shape[1] != self.second.shape[1]:
            raise ValueError(f"{self.first.shape[1]} questions for one and {self.second.shape[1]} for the other")

    @property
    def difference(self) -> float:
        """How much larger the first's accuracy is, the mean over seeds."""
        return float(self.first.mean() - self.second.mean())

    @property
    def single(self) -> bool:
        """Whether there is one run of each."""
        return len(self.first) == len(self.second) == 1

    @property
    def only(self) -> tuple[int, int]:
        """Of single runs: the questions that the first alone answered, and the second alone."""
        first, second = self.first[0], self.second[0]
        return int((first & ~second).sum()), int((second & ~first).sum())

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95% interval of the difference, over questions and seeds."""
        low, high = np.quantile(self._drawn, [_LEVEL / 2, 1 - _LEVEL / 2])
        return float(low), float(high)

    @cached_property
    def p(self) -> float:
        """Probability of such a difference, or a larger one either way, if there were none: McNemar's of single runs,
        of several seeds from the draws of the interval (1 in 10,000 at the least)."""
        if self.single:
            mine, yours = self.only
            return float(binomtest(mine, mine + yours).pvalue) if mine + yours else 1.0
        below, above = (self._drawn <= 0).mean(), (self._drawn >= 0).mean()
        return float(min(1.0, max(2 * min(below, above), 1 / _DRAWS)))

    @property
    def clear(self) -> bool:
        """Whether the difference is told from none at the 5% level."""
        return self.p < _LEVEL

    @property
    def seeds_to_settle(self) -> int | None:
        """Seeds of each that would tell a difference of this size four times in five; None where it cannot be said,
        with one seed or no difference at all."""
        if min(len(self.first), len(self.second)) < 2 or self.difference == 0:
            return None
        spread = self.first.mean(axis=1).var(ddof=1) + self.second.mean(axis=1).var(ddof=1)
        return max(2, math.ceil(_POWER**2 * float(spread) / self.difference**2))

    @cached_property
    def _drawn(self) -> np.ndarray:
        """Differences as other questions and other seeds would have given them, (draws,)."""
        generator = np.random.default_rng(0)
        questions = self.first.shape[1]
        counts = generator.multinomial(questions, np.full(questions, 1 / questions), size=_DRAWS) / questions
        drawn = counts @ (self.first.mean(axis=0) - self.second.mean(axis=0))
        for sign, (error, freedom) in zip((1, -1), self._seed_errors(), strict=True):
            if error:
                drawn += sign * error * generator.standard_t(freedom, size=_DRAWS)
        return drawn

    def _seed_errors(self) -> list[tuple[float, int]]:
        """Standard error over seeds of either mean, and its degrees of freedom; a single seed is taken to vary as
        those of the other do."""
        accuracies = [right.mean(axis=1) for right in (self.first, self.second)]
        deviations = [a.std(ddof=1) if len(a) > 1 else None for a in accuracies]
        known = [(d, len(a) - 1) for a, d in zip(accuracies, deviations, strict=True) if d is not None]
        errors = []
        for accuracy, own in zip(accuracies, deviations, strict=True):
            deviation, freedom = (own, len(accuracy) - 1) if own is not None else (known or [(0.0, 1)])[0]
            errors.append((float(deviation) / math.sqrt(len(accuracy)), freedom))
        return errors


def sentence(first: str, second: str, found: Comparison) -> str:
    """What the comparison says, in words."""
    if found.difference < 0:
        return sentence(second, first, Comparison(found.second, found.first))
    points = 100 * found.difference
    low, high = (100 * end for end in found.interval)
    chance = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    figures = f"{points:.1f} points, 95% interval {low:.1f} to {high:.1f}, {chance}"
    if found.clear:
        return f"{first} beats {second} by {figures}."
    if found.difference == 0:
        return f"{first} and {second} answer equally many questions."
    needed, seeds = found.seeds_to_settle, min(len(found.first), len(found.second))
    if needed is None:
        advice = "more seeds of both would tell (seed=0,1,2)"
    elif needed > seeds:
        advice = f"{needed - seeds} seeds more of each would settle it if the difference is real"
    else:
        advice = "more questions would tell, more seeds would not"
    return f"{first} and {second} cannot be told apart: {figures}; {advice}."
