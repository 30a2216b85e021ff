"""Whether one model answers more questions than another, or only happened to: the same questions put to both.

Single runs: exact McNemar and an interval that goes with it (`mcnemar.py`). Several seeds: questions by the bootstrap
(Efron & Tibshirani 1993), both models of a draw on the same ones, and seeds by Welch's t (1947), since a bootstrap of
three seeds is far too sure. What a seed answers by luck alone is in both, and taken out of the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import stdtrit

from whence.evaluation import mcnemar

_DRAWS = 10_000
_LEVEL = 0.05
_POWER = 0.8
_MOST_SEEDS = 200
_TIE = 1e-9  # sums of products of counts are not exact


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
        """95% interval of the difference: of single runs over questions, of several over questions and seeds."""
        if self.single:
            return mcnemar.interval(*self.only, self.first.shape[1], _LEVEL)
        low, high = np.quantile(self._drawn, [_LEVEL / 2, 1 - _LEVEL / 2])
        return float(low), float(high)

    @cached_property
    def p(self) -> float:
        """Probability of such a difference, or a larger one either way, if there were none: McNemar's of single runs,
        of several seeds from the draws of the interval (1 in 10,000 at the least)."""
        if self.single:
            return mcnemar.exact_p(*self.only)
        below, above = (self._drawn <= _TIE).mean(), (self._drawn >= -_TIE).mean()
        return float(min(1.0, max(2 * min(below, above), 1 / _DRAWS)))

    @property
    def clear(self) -> bool:
        """Whether the difference is told from none at the 5% level."""
        return self.p < _LEVEL

    @property
    def seeds_to_settle(self) -> float | None:
        """Seeds of each that would tell a difference of this size four times in five; infinity where the questions are
        too few for any number of seeds, None where it cannot be said: with one seed, or no difference at all."""
        if min(len(self.first), len(self.second)) < 2 or self.difference == 0:
            return None
        spread = sum(own.variance for own in self._seeds)
        for seeds in range(2, _MOST_SEEDS + 1):
            freedom = 2 * (seeds - 1)
            wanted = stdtrit(freedom, 1 - _LEVEL / 2) + stdtrit(freedom, _POWER)
            if wanted * math.sqrt(self._of_questions + spread / seeds) <= abs(self.difference):
                return seeds
        return math.inf

    @cached_property
    def _gains(self) -> np.ndarray:
        """What each question adds to the difference, the mean over seeds, (questions,)."""
        gains: np.ndarray = self.first.mean(axis=0) - self.second.mean(axis=0)
        return gains

    @cached_property
    def _drawn(self) -> np.ndarray:
        """Differences as other questions and other seeds would have given them, (draws,)."""
        observed = self._gains.var() / len(self._gains)
        shrunk = math.sqrt(self._of_questions / observed) if observed else 0.0
        questions = (_resamples(len(self._gains)) @ self._gains - self.difference) * shrunk
        error = math.sqrt(sum(own.variance / own.count for own in self._seeds))
        seeds = error * np.random.default_rng(1).standard_t(self._freedom, size=_DRAWS)
        return self.difference + questions + seeds

    @property
    def _freedom(self) -> float:
        """Welch's degrees of freedom; where one has a single seed, those of the other, by which both are judged."""
        counts = [own.count for own in self._seeds]
        first, second = (own.variance / own.count for own in self._seeds)
        if min(counts) == 1 or not first + second:
            return max(counts) - 1
        return (first + second) ** 2 / (first**2 / (counts[0] - 1) + second**2 / (counts[1] - 1))

    @property
    def _of_questions(self) -> float:
        """Variance of the difference by the choice of questions alone, without what seeds answer by luck."""
        observed = self._gains.var() / len(self._gains)
        return float(max(0.0, observed - sum(own.luck / own.count for own in self._seeds)))

    @cached_property
    def _seeds(self) -> tuple[_Seeds, _Seeds]:
        """How seeds of either differ; a single seed is taken to vary as those of the other do."""
        first, second = (_Seeds.of(right) for right in (self.first, self.second))
        known = first or second or _Seeds(1, 0.0, 0.0)
        return first or replace(known, count=1), second or replace(known, count=1)


@dataclass(frozen=True)
class _Seeds:
    """Variance of the accuracy of `count` seeds: by luck, were each question answered with its observed frequency; and
    as observed, but no less than by luck, for two or three can agree by chance."""

    count: int
    luck: float
    variance: float

    @classmethod
    def of(cls, right: np.ndarray) -> _Seeds | None:
        """right: (seeds, questions) bool; None for a single seed."""
        count, questions = right.shape
        if count == 1:
            return None
        shares = right.mean(axis=0)
        luck = float((shares * (1 - shares)).sum()) * count / (count - 1) / questions**2
        return cls(count, luck, max(luck, float(right.mean(axis=1).var(ddof=1))))


@lru_cache(maxsize=1)
def _resamples(questions: int) -> np.ndarray:
    """Shares of the questions in resamples of them, (draws, questions); the same for all pairs."""
    drawn = np.random.default_rng(0).multinomial(questions, np.full(questions, 1 / questions), size=_DRAWS)
    return drawn / questions


def sentence(first: str, second: str, found: Comparison) -> str:
    """What the comparison says, in words."""
    low, high = (100 * end for end in found.interval)
    if found.difference < 0:
        first, second, low, high = second, first, -high, -low
    chance = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    figures = f"{100 * abs(found.difference):.1f} points, 95% interval {low:.1f} to {high:.1f}, {chance}"
    alone = ", one run of each" if found.single else ""
    if found.difference == 0:
        return f"{first} and {second} answer equally many questions."
    if found.clear:
        return f"{first} beats {second} by {figures}{alone}."
    needed, seeds = found.seeds_to_settle, min(len(found.first), len(found.second))
    if needed is None:
        advice = "more seeds of both would tell (seed=0,1,2)"
    elif needed == math.inf:
        advice = "more questions would tell, more seeds would not"
    else:
        more = max(1, int(needed) - seeds)
        advice = f"{more} seed{'s' * (more > 1)} more of each would settle it if the difference is real"
    return f"{first} and {second} cannot be told apart: {figures}{alone}; {advice}."
