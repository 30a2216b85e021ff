import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.data.corruption import MIN_LENGTH, SpanCorruption
from whence.data.randomness import draws
from whence.errors import ConfigError
from whence.vocab import MASK_ID

RAW = st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4).map(lambda raw: np.array(raw, dtype=np.uint64))
LAWS = [(t, s) for t in SpanCorruption.TRUNCATIONS for s in SpanCorruption.SPANS]


def parts(sequence):
    """prefix, suffix and masked content of a corrupted document"""
    first, second = np.flatnonzero(sequence == MASK_ID)
    return sequence[:first], sequence[first + 1 : second], sequence[second + 1 :]


@given(length=st.integers(MIN_LENGTH, 300), draw=RAW, block_size=st.integers(5, 200), laws=st.sampled_from(LAWS))
def test_the_parts_restore_the_truncated_document(length, draw, block_size, laws):
    document = np.arange(2, 2 + length)
    corrupt = SpanCorruption(truncation=laws[0], span=laws[1], block_size=block_size)
    sequence = corrupt(document, draw)
    prefix, suffix, masked = parts(sequence)
    restored = np.concatenate([prefix, masked, suffix])
    assert np.array_equal(restored, document[: len(restored)])
    assert len(masked) >= 1
    assert min(MIN_LENGTH, length) <= len(restored) <= int(block_size * 7 / 8)
    assert np.array_equal(corrupt(document, draw), sequence)


def test_every_length_from_4_to_112_occurs_and_no_other():
    corrupt = SpanCorruption(truncation="uniform", span="uniform", block_size=128)
    document = np.arange(2, 302)
    lengths = [len(corrupt(document, draw)) - 2 for draw in draws(0, "test", 0, 0, 5000)]
    assert set(lengths) == set(range(4, 113))
    assert abs(np.mean(lengths) - 58) < 2  # the mean of U{4..112}; 5,000 draws have a standard error of 0.44


@pytest.mark.parametrize("span", SpanCorruption.SPANS)
@pytest.mark.parametrize("length", [4, 5, 6, 7, 58, 111])
def test_a_quarter_is_masked_on_average(span, length):
    corrupt = SpanCorruption(truncation="whole", span=span, block_size=128)
    document = np.arange(2, 2 + length)
    masked = [len(parts(corrupt(document, draw))[2]) for draw in draws(0, "test", 0, 0, 8000)]
    error = np.std(masked) / np.sqrt(len(masked))
    assert abs(np.mean(masked) - length / 4) < 4 * error + 1e-9


def test_masked_lengths_and_places_vary():
    corrupt = SpanCorruption(truncation="whole", span="uniform", block_size=128)
    document = np.arange(2, 102)
    shapes = {tuple(map(len, parts(corrupt(document, draw)))) for draw in draws(0, "test", 0, 0, 2000)}
    assert {masked for _, _, masked in shapes} == set(range(1, 50))
    assert min(prefix for prefix, _, _ in shapes) == 0
    assert min(suffix for _, suffix, _ in shapes) == 0


def test_the_laws_order_the_lengths_as_they_say():
    document = np.arange(2, 62)
    mean = {}
    for law in SpanCorruption.TRUNCATIONS:
        corrupt = SpanCorruption(truncation=law, span="uniform", block_size=128)
        mean[law] = np.mean([len(corrupt(document, draw)) for draw in draws(0, "test", 0, 0, 3000)])
    assert mean["fitted"] < mean["uniform"] < mean["long"] < mean["whole"] == 62


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"truncation": "short"}, "corruption.truncation"),
        ({"span": "half"}, "corruption.span"),
        ({"block_size": 4}, "model.block_size"),
    ],
)
def test_other_options_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        SpanCorruption(**{"truncation": "uniform", "span": "uniform", "block_size": 128, **options})
