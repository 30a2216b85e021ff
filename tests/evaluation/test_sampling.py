"""Drawing text: what is drawn from, from what context, and the same again."""

from collections import Counter
from itertools import islice

import pytest
import torch

from whence.evaluation.sampling import draw

SCORES = torch.tensor([0.0, 1.0, 2.0, 3.0])


def always(ids):
    return SCORES.expand(*ids.shape, 4)


def drawn(count, **options):
    return list(islice(draw(always, [0], **{"window": 8, "seed": 0, **options}), count))


def test_the_same_seed_draws_the_same_and_another_does_not():
    assert drawn(50) == drawn(50)
    assert drawn(50) != drawn(50, seed=1)


def test_frequencies_are_those_of_the_softmax():
    counts = Counter(drawn(6000, temperature=2.0))
    for number, share in enumerate((SCORES / 2).softmax(0).tolist()):
        assert counts[number] / 6000 == pytest.approx(share, abs=0.02)


def test_only_the_most_probable_are_drawn():
    assert set(drawn(300, top_k=2)) == {2, 3}
    assert set(drawn(300, top_k=99)) == {0, 1, 2, 3}
    assert set(drawn(20, temperature=0)) == {3}
    assert set(drawn(300, top_k=1)) == {3}


def test_the_context_is_the_last_window():
    seen = []

    def successor(ids):
        seen.append(ids[0].tolist())
        return torch.nn.functional.one_hot((ids + 1) % 10, 10).float() * 99

    assert list(islice(draw(successor, [3, 4], window=4, seed=0), 5)) == [5, 6, 7, 8, 9]
    assert seen == [[3, 4], [3, 4, 5], [3, 4, 5, 6], [4, 5, 6, 7], [5, 6, 7, 8]]


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        next(draw(always, [], window=4, seed=0))
