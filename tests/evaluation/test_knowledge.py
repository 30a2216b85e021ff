"""Provenance, calibration, groups and strangers, each against figures worked out by hand or by brute force."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from whence.evaluation import groups
from whence.evaluation.calibration import Calibration
from whence.evaluation.exact_match import Score
from whence.evaluation.provenance import Provenance, end_of, provenance
from whence.evaluation.strangers import Strangers

NAMES = ["Columbus", "Ohio", "New York City"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("Columbus", Provenance.CORRECT),
        ("Ohio", Provenance.SUPPORTED),
        ("New York", Provenance.SUPPORTED),
        ("York Ci", Provenance.NO_PLACE),
        ("Paris", Provenance.MADE_UP),
        ("Parris", Provenance.NO_PLACE),
        ("", Provenance.NO_PLACE),
        ("(", Provenance.NO_PLACE),
    ],
)
def test_an_answer_is_told_by_where_it_comes_from(answer, kind):
    assert provenance(answer, "Columbus", NAMES, {"Paris", "Columbus"}) is kind


def test_a_mention_is_a_whole_word():
    assert end_of("Rome", "Jerome of Rome, Rome") == 14
    assert end_of("Rome", "Jerome") is None
    assert end_of("", "Jerome") is None


def test_calibration_by_hand():
    found = Calibration(np.array([0.95, 0.95, 0.55, 0.05]), np.array([True, False, True, False]))
    assert found.bins() == [(0.05, 0.0, 1), (0.55, 1.0, 1), (0.95, 0.5, 2)]
    assert found.error == pytest.approx((0.05 + 0.45 + 2 * 0.45) / 4)
    coverage, risk = found.risk_coverage()
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0.5, 0.5, 1 / 3, 0.5])  # the two that are equally sure count half each
    assert found.risk_area == pytest.approx((0.5 + 0.5 + 1 / 3 + 0.5) / 4)
    assert found.accuracy_at(0.5) == pytest.approx(0.5)
    assert found.accuracy_at(0.75) == pytest.approx(2 / 3)


def test_a_calibrated_model_has_no_error_and_a_boastful_one_has():
    generator = np.random.default_rng(0)
    sure = generator.random(20_000)
    right = generator.random(20_000) < sure
    assert Calibration(sure, right).error < 0.02
    assert Calibration(np.sqrt(sure), right).error > 0.1
    # Sorted by how sure it is, the certain half of a calibrated model is right in three of four.
    assert Calibration(sure, right).accuracy_at(0.5) == pytest.approx(0.75, abs=0.02)


def test_groups():
    assert groups.spans((0, 3, 9)) == ["0", "1 to 3", "4 to 9", "10 or more"]
    assert [groups.span_of(value, (0, 3, 9)) for value in (0, 1, 3, 4, 9, 10)] == [
        "0", "1 to 3", "1 to 3", "4 to 9", "4 to 9", "10 or more",
    ]  # fmt: skip
    assert groups.position("Rome", ["Ada. Born in Rome", "Ada. Rome"]) == "0 to 40"
    assert groups.position("Rome", ["Ada. " + "x" * 60 + " Rome"]) == "61 to 80"
    assert groups.position("Rome", ["Ada. Jerome"]) == groups.ABSENT
    scores = groups.by_group(["a", "b", "a"], [True, False, False], ["b", "c", "a"])
    assert list(scores.items()) == [("b", Score(0, 1)), ("a", Score(1, 2))]


def agreement(answers, related):
    cells = list(np.ndindex(*answers.shape))
    pairs = [(a, b) for a, b in product(cells, cells) if a != b and related(a, b)]
    return np.mean([answers[a] == answers[b] for a, b in pairs])


@pytest.mark.parametrize("seed", [0, 1])
def test_what_names_decide_is_counted_right(seed):
    generator = np.random.default_rng(seed)
    answers = generator.choice(np.array(["Rome", "Oslo", "Bath"], dtype=object), size=(4, 6), p=[0.6, 0.3, 0.1])
    found = Strangers(answers, np.full((4, 6), 0.5))
    assert found.same_last_name == pytest.approx(agreement(answers, lambda a, b: a[1] == b[1]))
    assert found.same_first_name == pytest.approx(agreement(answers, lambda a, b: a[0] == b[0]))
    assert found.nothing_in_common == pytest.approx(agreement(answers, lambda a, b: a[0] != b[0] and a[1] != b[1]))


def test_a_model_that_goes_by_the_last_name_is_found_out():
    places = np.array([f"place {number}" for number in range(6)], dtype=object)
    found = Strangers(np.tile(places, (5, 1)), np.full((5, 6), 0.9))
    assert found.same_last_name == 1.0
    assert found.same_first_name == found.nothing_in_common == 0.0
    assert found.share_of_places({"place 0", "place 1"}) == pytest.approx(2 / 6)
    assert found.favourites(1) == [("place 0", pytest.approx(1 / 6))]
    assert found.distance(Counter(dict.fromkeys(places, 3))) == pytest.approx(0)
    assert found.distance(Counter({"elsewhere": 3})) == pytest.approx(1)
