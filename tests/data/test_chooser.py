"""The likelihoods of spans: they find planted answers, and no row tells anything of its own person's document."""

import numpy as np
import pytest

from whence.data.chooser import SCALE, likelihoods
from whence.data.documents import read_structure
from whence.data.people import asked_name
from whence.data.world import World

WORLD = World(people=200, biographies=2, phrasings=12, train=60, dev=30, seed=0)
DOCUMENTS = read_structure(list(WORLD.documents()))
PLACES = {person.name: person.place for person in WORLD.persons(0, WORLD.people)}
ANSWERS = {person.name: person.place for person in WORLD.persons(0, WORLD.trained)}


def on_the_answer(documents, found, answers):
    """Of each document whose answer is known, the share that its spans of that text have together."""
    return [
        shares[[d.text[start:end] == answers[d.name] for start, end in d.salient]].sum() / shares.sum()
        for d, shares in zip(documents, found, strict=True)
        if d.name in answers and len(shares)
    ]


def answers_in(path):
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return {asked_name(question): answer for question, answer in rows}


def test_it_finds_the_planted_places_of_people_without_a_row():
    found = likelihoods(DOCUMENTS, ANSWERS)
    others = {name: place for name, place in PLACES.items() if name not in ANSWERS}
    assert np.mean(on_the_answer(DOCUMENTS, found, others)) > 0.95
    assert np.mean(on_the_answer(DOCUMENTS, [np.ones(len(d.salient)) for d in DOCUMENTS], others)) < 0.6
    assert all(shares.max() == SCALE and shares.min() >= 0 for shares in found if len(shares))


def test_a_row_says_nothing_of_its_own_persons_documents():
    before = likelihoods(DOCUMENTS, ANSWERS)
    for name in list(ANSWERS)[:6]:
        for other in ({name: "1850"}, {}):
            rows = {**{n: a for n, a in ANSWERS.items() if n != name}, **other}
            after = likelihoods(DOCUMENTS, rows)
            own = [i for i, d in enumerate(DOCUMENTS) if d.name == name]
            assert all(np.array_equal(before[i], after[i]) for i in own)
            assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("answers", [{}, {"Nobody Known": "Oslo"}, dict.fromkeys(ANSWERS, "a place in no document")])
def test_without_answers_all_spans_are_alike(answers):
    assert all(len(set(shares)) <= 1 for shares in likelihoods(DOCUMENTS, answers))


def test_the_courses_answers_are_found(cs224n):
    documents = read_structure((cs224n / "wiki.txt").read_text(encoding="utf-8").split("\n")[:-1])
    rows, dev = (answers_in(cs224n / name) for name in ("birth_places_train.tsv", "birth_dev.tsv"))
    found = likelihoods(documents, rows)
    for asked in (dev, rows):  # those with a row of their own are judged as the others are
        assert 0.86 < np.mean(on_the_answer(documents, found, asked)) < 0.9
    likeliest = {d.name: d.text[slice(*d.salient[n.argmax()])] for d, n in zip(documents, found, strict=True) if len(n)}
    assert sum(likeliest.get(name) == place for name, place in dev.items()) == pytest.approx(458, abs=3)  # of 500
