"""The interval of two single runs, against its definitions and against chance."""

import math

import numpy as np
import pytest

from whence.evaluation.mcnemar import conditional_interval, exact_p, interval, score_interval


def test_the_conditional_one_is_clopper_and_pearsons():
    """60 heads of 80 or more have a chance of 2.5% at the lower end, 60 or fewer at the upper one."""
    low, high = conditional_interval(60, 20, 500, 0.05)
    for end, heads in ((low, range(60, 81)), (high, range(61))):
        share = (end / (80 / 500) + 1) / 2
        assert sum(math.comb(80, k) * share**k * (1 - share) ** (80 - k) for k in heads) == pytest.approx(0.025)


@pytest.mark.parametrize(("mine", "yours", "questions"), [(60, 20, 500), (9, 2, 45), (3, 30, 60), (12, 12, 40)])
def test_the_score_one_ends_where_the_likeliest_shares_are_196_deviations_away(mine, yours, questions):
    seen = (mine - yours) / questions
    for end, sign in zip(score_interval(mine, yours, questions, 0.05), (1, -1), strict=True):
        # The share of questions for the second alone that makes the counts likeliest, were `end` the difference.
        shares = np.linspace(max(0, -end) + 1e-7, (1 - end) / 2 - 1e-7, 2_000_001)
        likelihood = mine * np.log(shares + end) + yours * np.log(shares)
        likelihood += (questions - mine - yours) * np.log1p(-2 * shares - end)
        share = shares[likelihood.argmax()]
        deviation = math.sqrt((2 * share + end - end**2) / questions)
        assert (seen - end) / deviation == pytest.approx(sign * 1.959964, abs=1e-3)


@pytest.mark.parametrize("questions", [20, 45, 500])
def test_it_leaves_zero_out_where_the_test_finds_something_and_only_there(questions):
    for split in range(1, min(questions, 60) + 1):
        for mine in range(split + 1):
            low, high = interval(mine, split - mine, questions, 0.05)
            assert (low > 0 or high < 0) == (exact_p(mine, split - mine) < 0.05)
            assert (low, high) == pytest.approx(
                tuple(-end for end in interval(split - mine, mine, questions, 0.05))[::-1]
            )
            assert low <= (2 * mine - split) / questions <= high


@pytest.mark.parametrize(("first", "second"), [(0.67, 0.0), (0.9, 0.02), (0.3, 0.1), (0.02, 0.02)])
def test_it_holds_the_true_difference_in_19_of_20_cases_or_more(first, second):
    """Where one run alone answers nearly all, the conditional one does not, for it takes their number as given."""
    questions, cases = 45, 1000
    drawn = np.random.default_rng(3).multinomial(questions, [first, second, 1 - first - second], size=cases)
    held = {"it": 0, "conditional": 0}
    for mine, yours, _ in drawn.tolist():
        low, high = interval(mine, yours, questions, 0.05)
        held["it"] += low <= first - second <= high
        if mine + yours:
            low, high = conditional_interval(mine, yours, questions, 0.05)
            held["conditional"] += low <= first - second <= high
    assert held["it"] >= 0.935 * cases
    if first > 0.5:
        assert held["conditional"] < 0.9 * cases
