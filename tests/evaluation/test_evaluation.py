import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from whence.evaluation.decoding import MAX_NEW, greedy_answers
from whence.evaluation.exact_match import Score, always, exact_match, most_frequent, teacher_forced_matches
from whence.evaluation.vote import vote
from whence.models.attention.vanilla import VanillaAttention
from whence.models.gpt import GPT
from whence.models.layers import Stack
from whence.models.positions import LearnedPositions
from whence.vocab import MASK_ID, PAD_ID, CharVocab

VOCAB = CharVocab.from_text("abcdefgh")
V = len(VOCAB)


def model():
    torch.manual_seed(3)
    made = GPT(
        vocab_size=V, n_layer=2, n_head=2, n_embd=16, block_size=24, dropout=0.0,
        attention=VanillaAttention, positions=LearnedPositions, layers=Stack,
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(8)  # far from even, so that the answers differ
    return made


def one_by_one(logits, prompt, max_length):
    """The course's loop: one question, one character, one whole forward pass at a time, always 32 of them."""
    ids, probability, closed = list(prompt), 1.0, False
    for _ in range(MAX_NEW):
        chances = logits(torch.tensor([ids[-max_length:]])).softmax(-1)[0, -1]
        best = int(chances.argmax())
        if not closed:
            probability *= float(chances[best])
        closed = closed or best == MASK_ID
        ids.append(best)
    told = ids[len(prompt) :]
    return told[: told.index(MASK_ID)] if MASK_ID in told else told, probability


def test_batched_answers_are_those_of_the_plain_loop():
    made = model()
    prompts = [
        np.array([2 + (i * j) % (V - 2) for j in range(1, n)] + [MASK_ID]) for i, n in enumerate(range(2, 40, 3))
    ]
    with torch.no_grad():
        expected = [one_by_one(made, prompt, 24) for prompt in prompts]
    for size in (1, 4, 100):
        answers = greedy_answers(made, prompts, vocab=VOCAB, max_length=24, batch_size=size)
        assert [a.text for a in answers] == [VOCAB.decode(ids) for ids, _ in expected]
        assert np.allclose([a.probability for a in answers], [p for _, p in expected], rtol=1e-4)
    assert len({a.text for a in answers}) > 3


def test_a_model_that_never_closes_is_cut_at_32():
    def always_a(ids):
        return torch.nn.functional.one_hot(torch.full(ids.shape, 3), V).float() * 50

    answer = greedy_answers(always_a, [np.array([4, MASK_ID])], vocab=VOCAB, max_length=64)[0]
    assert answer.text == VOCAB.decode([3]) * 32


def test_teacher_forcing_sees_what_decoding_would_say():
    made = model()

    def logits(ids):  # leans towards MASK, so that answers are short
        return made(ids) + 12.0 * torch.nn.functional.one_hot(torch.tensor(MASK_ID), V)

    rows, expected = [], []
    for number in range(30):
        prompt = [*(2 + (number * j) % (V - 2) for j in range(1, 6)), MASK_ID]
        said = one_by_one(logits, prompt, 24)[0][:12]
        gold = [*said[:-1], 2 + (said[-1] - 1) % (V - 2)] if said and number % 3 == 0 else said
        rows.append((prompt, gold))
        expected.append(one_by_one(logits, prompt, 24)[0] == gold)
    width = max(len(prompt) + len(gold) for prompt, gold in rows)
    inputs = torch.full((len(rows), width), PAD_ID)
    targets = torch.full((len(rows), width), PAD_ID)
    for row, (prompt, gold) in enumerate(rows):
        whole = torch.tensor([*prompt, *gold, MASK_ID])
        inputs[row, : len(whole) - 1] = whole[:-1]
        targets[row, len(prompt) - 1 : len(whole) - 1] = whole[len(prompt) :]
    assert teacher_forced_matches(logits, inputs, targets).tolist() == expected
    assert 5 < sum(expected) < 25


PLACES = st.lists(st.sampled_from(["London", "Paris", "Rome", "New York City"]), min_size=1, max_size=50)


@given(PLACES)
def test_scores_count(places):
    assert exact_match(places, places) == Score(len(places), len(places))
    assert exact_match(["?"] * len(places), places).accuracy == 0
    best = most_frequent(places)
    assert all(always(best, places).correct >= always(place, places).correct for place in places)


def test_a_near_miss_is_a_miss():
    assert exact_match(["London ", "london", "Londo"], ["London"] * 3).correct == 0


def test_another_number_of_predictions_is_refused():
    with pytest.raises(ValueError, match="2 predictions for 3"):
        exact_match(["a", "b"], ["a", "b", "c"])


def test_london_is_25_of_500_on_the_real_questions(cs224n):
    gold = [line.split("\t")[1] for line in (cs224n / "birth_dev.tsv").read_text(encoding="utf-8").splitlines()]
    assert always("London", gold) == Score(25, 500)


@pytest.mark.parametrize(
    ("answers", "probabilities", "expected"),
    [
        (["Oslo", "Rome", "Rome"], [0.9, 0.1, 0.1], "Rome"),
        (["Oslo", "Rome", "Paris"], [0.3, 0.4, 0.2], "Rome"),
        (["Oslo", "Rome", "Rome", "Oslo"], [0.3, 0.4, 0.1, 0.3], "Oslo"),
        (["Oslo"], [0.0], "Oslo"),
    ],
)
def test_a_vote_goes_to_the_most_and_then_to_the_surest(answers, probabilities, expected):
    assert vote(answers, probabilities) == expected
