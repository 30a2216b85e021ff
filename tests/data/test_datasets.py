import pytest
import torch

from whence.data.batches import collate
from whence.data.corpus import Question
from whence.data.corruption import SpanCorruption
from whence.data.datasets import DocumentDataset, KeyedBatches, QuestionDataset, StatelessLoader
from whence.data.questions import encode_prompt, encode_row
from whence.vocab import MASK, PAD_ID, CharVocab

DOCUMENTS = [f"Name {number}. Born in {number * 7919} and so on and on ." for number in range(50)]
VOCAB = CharVocab.from_text(DOCUMENTS)


def dataset(seed=0, documents=DOCUMENTS):
    corruption = SpanCorruption(truncation="uniform", span="uniform", block_size=64)
    return DocumentDataset(documents, VOCAB, corruption, seed)


def batches(*, steps=12, first=0, workers=0, seed=0, **sharding):
    data = dataset(seed)
    sampler = KeyedBatches(count=len(data), batch_size=8, steps=steps, seed=seed, first_step=lambda: first, **sharding)
    return list(StatelessLoader(data, batch_sampler=sampler, collate_fn=collate, num_workers=workers))


def same(left, right):
    return len(left) == len(right) and all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets) and torch.equal(a.numbers, b.numbers)
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers):
    assert same(batches(), batches(workers=workers))


@pytest.mark.parametrize("first", [1, 6, 7, 11])
def test_a_resumed_loader_goes_on_where_it_stopped(first):
    """7 steps make an epoch: the cases stand before, at and after its end."""
    assert same(batches()[first:], batches(first=first))


def test_an_epoch_has_every_document_once_and_the_next_another_order():
    numbers = [batch.numbers.tolist() for batch in batches(steps=14)]
    first, second = sum(numbers[:7], []), sum(numbers[7:], [])
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert len(numbers[6]) == 50 - 6 * 8


def test_unshuffled_epochs_have_the_order_of_the_file_and_other_draws():
    found = batches(steps=14, shuffle=False)
    assert sum((batch.numbers.tolist() for batch in found), []) == [*range(50), *range(50)]
    assert not same(found[:1], found[7:8])


def test_a_document_looks_different_in_every_epoch_and_for_every_seed():
    looks = {tuple(dataset(seed)[(epoch, 3)][1][0]) for seed in range(5) for epoch in range(5)}
    assert len(looks) > 20


def test_a_sample_does_not_depend_on_the_documents_around_it():
    assert all((dataset()[(2, i)][1][0] == dataset(documents=DOCUMENTS[:10])[(2, i)][1][0]).all() for i in range(10))


@pytest.mark.parametrize(("accumulate", "world_size"), [(1, 2), (2, 1), (2, 2), (4, 1)])
def test_shards_make_up_the_same_steps(accumulate, world_size):
    ranks = [
        [b.numbers.tolist() for b in batches(accumulate=accumulate, world_size=world_size, rank=rank)]
        for rank in range(world_size)
    ]
    for step, whole in enumerate(batches()):
        parts = [ranks[r][step * accumulate + part] for r in range(world_size) for part in range(accumulate)]
        assert set(sum(parts, [])) == set(whole.numbers.tolist())


def test_input_and_target_are_shifts_of_one_string():
    for batch in batches(steps=7):
        for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
            length = int((targets != PAD_ID).sum())
            assert torch.equal(inputs[1:length], targets[: length - 1])
            assert (targets[length:] == PAD_ID).all()
            assert (inputs[length:] == PAD_ID).all()


def test_question_rows_score_the_place_and_the_closing_mask_only():
    vocab = CharVocab.from_text(["Where was Zoë born?", "Łódź"])
    row = Question("Where was Zoë born?", "Łódź", 1)
    inputs, targets = encode_row(row, vocab)
    assert vocab.decode(inputs) == f"Where was Zoë born?{MASK}Łódź"
    assert vocab.decode(targets[targets != PAD_ID]) == f"Łódź{MASK}"
    assert (targets[: len(encode_prompt(row.text, vocab)) - 1] == PAD_ID).all()
    assert len(QuestionDataset([row], vocab)) == 1
