"""Whether one model answers more questions than another, or only happened to: the same questions put to both.

Single runs: exact McNemar and an interval that goes with it (`mcnemar.py`). Several seeds: questions by the bootstrap
(Efron & Tibshirani 1993), both models of a draw on the same ones, and seeds by Student's t, since a bootstrap of three
seeds is far too sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

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
        spread = sum(deviation**2 for deviation in self._seed_deviations())
        questions = float((self._counts @ self._gains).var())
        for seeds in range(2, _MOST_SEEDS + 1):
            freedom = 2 * (seeds - 1)
            wanted = stdtrit(freedom, 1 - _LEVEL / 2) + stdtrit(freedom, _POWER)
            if wanted * math.sqrt(questions + spread / seeds) <= abs(self.difference):
                return seeds
        return math.inf

    @cached_property
    def _gains(self) -> np.ndarray:
        """What each question adds to the difference, the mean over seeds, (questions,)."""
        gains: np.ndarray = self.first.mean(axis=0) - self.second.mean(axis=0)
        return gains

    @cached_property
    def _counts(self) -> np.ndarray:
        """Shares of the questions in resamples of them, (draws, questions)."""
        questions = self.first.shape[1]
        drawn = np.random.default_rng(0).multinomial(questions, np.full(questions, 1 / questions), size=_DRAWS)
        return drawn / questions

    @cached_property
    def _drawn(self) -> np.ndarray:
        """Differences as other questions and other seeds would have given them, (draws,)."""
        generator = np.random.default_rng(1)
        drawn = self._counts @ self._gains
        counts = [len(self.first), len(self.second)]
        # A single seed is taken to vary as those of the other do.
        freedoms = [max(counts) - 1 if count == 1 else count - 1 for count in counts]
        for deviation, count, freedom in zip(self._seed_deviations(), counts, freedoms, strict=True):
            drawn += deviation / math.sqrt(count) * generator.standard_t(freedom, size=_DRAWS)
        return drawn

    def _seed_deviations(self) -> tuple[float, float]:
        """Standard deviation over seeds of either accuracy: as observed, but no less than seeds have that answer each
        question right with its observed frequency, for two or three can agree by chance."""
        found = []
        for right in (self.first, self.second):
            if len(right) > 1:
                shares = right.mean(axis=0)
                chance = (shares * (1 - shares)).sum() * len(right) / (len(right) - 1) / right.shape[1] ** 2
                found.append(float(math.sqrt(max(chance, right.mean(axis=1).var(ddof=1)))))
        return (found[0], found[-1]) if found else (0.0, 0.0)


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
