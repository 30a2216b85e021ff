"""Two single runs on the same questions, from how many only the one answered and only the other.

The test is McNemar's (1947) with the binomial distribution in place of chi-squared, and speaks of the questions on
which the two differ. Its own interval (Clopper & Pearson 1934) takes their number as given, and so is too short where
nearly all of them fall to one side; Tango's (1998, "Equivalence test and confidence interval for the difference in
proportions for the paired-sample design") does not. The interval here reaches as far as either: on one side of zero
where the test finds something and only there, and no shorter than chance makes it.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import binomtest

Interval = tuple[float, float]


def exact_p(mine: int, yours: int) -> float:
    """Probability of such a split, or one further from halves, of questions that fall to either side by chance."""
    return float(binomtest(mine, mine + yours).pvalue) if mine + yours else 1.0


def interval(mine: int, yours: int, questions: int, level: float) -> Interval:
    """Of the difference in accuracy, of `questions` in all; too short by chance in `level` of the cases at most."""
    found = [score_interval(mine, yours, questions, level)]
    if mine + yours:
        found.append(conditional_interval(mine, yours, questions, level))
    return min(low for low, _ in found), max(high for _, high in found)


def conditional_interval(mine: int, yours: int, questions: int, level: float) -> Interval:
    """Clopper and Pearson's of the split, times the share of the questions that are split, taken as known."""
    share = binomtest(mine, mine + yours).proportion_ci(1 - level, method="exact")
    reach = (mine + yours) / questions
    return float((2 * share.low - 1) * reach), float((2 * share.high - 1) * reach)


def score_interval(mine: int, yours: int, questions: int, level: float) -> Interval:
    """Tango's: the differences that the score test does not reject."""
    most = float(-ndtri(level / 2))
    seen = (mine - yours) / questions
    edge = 1 - 1e-12  # at a difference of one no other answers are possible, and the score is infinite
    low = -1.0 if seen == -1 else brentq(lambda d: _score(mine, yours, questions, d) - most, -edge, seen)
    high = 1.0 if seen == 1 else brentq(lambda d: _score(mine, yours, questions, d) + most, seen, edge)
    return float(low), float(high)


def _score(mine: int, yours: int, questions: int, difference: float) -> float:
    """How many standard deviations the counts are from what a difference would give, at its likeliest split."""
    excess = mine - yours - questions * difference
    linear = (2 * questions - mine + yours) * difference - mine - yours
    constant = yours * difference * (1 - difference)
    # The share of questions for the second alone, were the difference true: the root of its likelihood's derivative.
    share = (math.sqrt(max(0.0, linear**2 + 8 * questions * constant)) - linear) / (4 * questions)
    variance = questions * (2 * share + difference * (1 - difference))
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(1e6, excess) if excess else 0.0
