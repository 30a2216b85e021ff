"""The statistics against textbook values and planted truth."""

import math

import numpy as np
import pytest

from whence.evaluation.comparison import Comparison, sentence


def rows(*counts, questions=500):
    """One run a count, the first so many questions right."""
    return np.array([[number < count for number in range(questions)] for count in counts])


def chance(generator, accuracy, *, seeds=1, questions=500, spread=0.0):
    """Independent right answers, the accuracy of each seed drawn around the given one."""
    each = accuracy + spread * generator.standard_normal(seeds)
    return generator.random((seeds, questions)) < each[:, None]


def paired(both, mine, yours, neither):
    first = [True] * (both + mine) + [False] * (yours + neither)
    second = [True] * both + [False] * mine + [True] * yours + [False] * neither
    return Comparison(np.array([first]), np.array([second]))


def test_mcnemar_is_exact():
    found = paired(40, 15, 5, 440)
    assert found.only == (15, 5)
    # by hand: twice the probability of at most 5 heads in 20 throws
    assert found.p == pytest.approx(2 * sum(math.comb(20, k) for k in range(6)) / 2**20)


def test_two_runs_alike_in_every_answer_are_not_told_apart():
    found = paired(50, 0, 0, 450)
    assert found.p == 1.0
    low, high = found.interval
    assert low == pytest.approx(-high)
    assert low < 0  # other questions might tell them apart, by little
    assert sentence("a", "b", found) == "a and b answer equally many questions."


def test_the_bootstrap_over_questions_has_the_paired_standard_error():
    one = paired(40, 60, 20, 380)
    found = Comparison(np.repeat(one.first, 2, axis=0), np.repeat(one.second, 2, axis=0))  # seeds without any noise
    # variance of a mean of +1 (60 of 500), -1 (20) and 0: (p + q - (p - q)^2) / n
    error = math.sqrt((60 / 500 + 20 / 500 - (40 / 500) ** 2) / 500)
    low, high = found.interval
    assert (low, high) == pytest.approx((0.08 - 1.96 * error, 0.08 + 1.96 * error), abs=0.003)


def test_seeds_widen_the_interval():
    steady = Comparison(rows(120, 120, 120), rows(100, 100, 100))
    shaky = Comparison(rows(90, 120, 150), rows(70, 100, 130))
    assert steady.difference == pytest.approx(shaky.difference)
    assert shaky.interval[1] - shaky.interval[0] > 3 * (steady.interval[1] - steady.interval[0])


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.0), (3, 0.04)])
def test_nothing_is_found_where_nothing_is(seeds, spread):
    generator = np.random.default_rng(1)

    def one():
        return chance(generator, 0.2, seeds=seeds, spread=spread, questions=200)

    found = sum(Comparison(one(), one()).clear for _ in range(60))
    assert found <= 8  # 3 are expected; more than 8 of 60 has a chance of 0.4%


def test_the_interval_of_seeds_holds_the_truth_and_is_no_longer_than_it_must_be():
    """Three seeds of each, which answer every question with a probability of its own and nothing else in common."""
    generator = np.random.default_rng(4)
    held, lengths = 0, []
    for _ in range(100):
        chances = generator.beta(0.75, 0.75, size=(2, 500))
        low, high = Comparison(*(generator.random((3, 500)) < own for own in chances)).interval
        held += low <= 0 <= high
        lengths.append(high - low)
    # 3.92 standard deviations: of the questions' own chances, variance 0.1 each, and of three seeds' luck, 0.15 each.
    shortest = 3.92 * math.sqrt(2 * (0.1 + 0.15 / 3) / 500)
    assert held >= 90
    assert shortest < np.mean(lengths) < 1.4 * shortest


@pytest.mark.parametrize("seeds", [1, 3])
def test_what_is_there_is_found(seeds):
    generator = np.random.default_rng(1)
    assert all(
        Comparison(chance(generator, 0.35, seeds=seeds), chance(generator, 0.15, seeds=seeds)).clear for _ in range(10)
    )


def test_the_seeds_that_settle_it_do():
    generator = np.random.default_rng(2)
    hard = generator.random(500)  # both find the same questions hard

    def design(accuracy, seeds):
        each = accuracy + 0.03 * generator.standard_normal(seeds)
        return hard < each[:, None] + 0.05 * generator.standard_normal((seeds, 500))

    found = [Comparison(design(0.25, 3), design(0.21, 3)) for _ in range(60)]
    unclear = [c.seeds_to_settle for c in found if not c.clear and c.difference == pytest.approx(0.04, abs=0.015)]
    assert len(unclear) >= 10
    needed = int(np.median(unclear))  # three seeds tell their spread badly
    assert 3 < needed < 40
    told = sum(Comparison(design(0.25, needed), design(0.21, needed)).clear for _ in range(40))
    assert told >= 24  # of 40; four in five are promised for a difference that was itself estimated


def test_questions_too_few_for_any_number_of_seeds_are_told():
    found = Comparison(
        np.array([np.arange(45) < 10, np.arange(45) < 11]), np.array([np.arange(45) >= 37, np.arange(45) >= 36])
    )
    assert found.seeds_to_settle == math.inf
    assert "more questions would tell" in sentence("a", "b", found)


def test_a_third_seed_is_asked_for_where_two_differ_much():
    found = Comparison(rows(31, 35, questions=45), rows(15, 15, questions=45))  # docs/results.md
    assert not found.clear
    assert "; 1 seed more of each would settle it" in sentence("vanilla", "synthesizer", found)


def test_seeds_that_agree_by_chance_are_not_taken_to_agree_always():
    generator = np.random.default_rng(5)
    right = [np.roll(np.arange(200) < 40, int(generator.integers(200))) for _ in range(3)]  # equal, on other questions
    found = Comparison(np.array(right), np.array([np.roll(row, 7) for row in right]))
    assert found.first.sum(axis=1).tolist() == [40, 40, 40]
    assert found.interval[1] - found.interval[0] > 0.05


def test_the_sentence_names_the_better_one_first():
    found = Comparison(rows(100), rows(149))
    said = sentence("vanilla", "rope", found)
    assert said.startswith("rope beats vanilla by 9.8 points, 95% interval ")
    assert said.endswith("p < 0.001, one run of each.")
    assert sentence("rope", "vanilla", Comparison(found.second, found.first)) == said
    assert "cannot be told apart" in sentence("a", "b", paired(40, 15, 10, 435))
    assert "seed=0,1,2" in sentence("a", "b", paired(40, 15, 10, 435))


def test_other_questions_are_refused():
    with pytest.raises(ValueError, match="500 questions for one and 10"):
        Comparison(rows(5), rows(5, questions=10))
