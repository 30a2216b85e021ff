"""A text as next-character windows: what is in them, and which files are refused."""

import numpy as np
import pytest

from whence.data.corpus import text_file
from whence.data.datasets import WindowDataset
from whence.data.modules import BirthPlaceData
from whence.data.pretraining import TextData
from whence.errors import ConfigError, DataError, MissingInput

TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 20


def data(path, *, block_size=16, validation=10, **options):
    corpus = text_file(path=str(path), validation=validation)
    return TextData(corpus=corpus, block_size=block_size, batch_size=8, seed=0, num_workers=0, **options)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_every_window_is_a_sample_and_predicts_the_next_character():
    windows = WindowDataset(np.arange(10), 4)
    assert len(windows) == 6
    for start in range(6):
        number, (inputs, targets) = windows[0, start]
        assert number == start
        assert inputs.tolist() == list(range(start, start + 4))
        assert targets.tolist() == list(range(start + 1, start + 5))


def test_the_end_of_the_text_is_held_out(text):
    made = data(text)
    made.setup()
    kept = len(TEXT) // 10
    assert len(made.dataset) == len(TEXT) - kept - 16
    last = made.dataset[0, len(made.dataset) - 1][1][1]
    assert made.vocab.decode(last) == TEXT[len(TEXT) - kept - 16 : len(TEXT) - kept]
    shown = {made.vocab.decode(row) for row in made.held_out.inputs.tolist()}
    assert all(row in TEXT[-kept:] for row in shown)
    assert made.held_out.inputs.shape[1] == 16


def test_nothing_is_held_out_when_nothing_is_wanted(text):
    made = data(text, validation=0)
    made.setup()
    assert made.held_out is None
    assert len(made.dataset) == len(TEXT) - 16


def test_a_design_that_reads_less_gets_shorter_windows(text):
    made = data(text)
    made.setup()
    made.fit(15)
    assert made.dataset[0, 0][1][0].shape == (15,)
    assert made.held_out.inputs.shape[1] == 15


def test_batches_are_shuffled_and_full(text):
    made = data(text)
    made.setup()
    made.plan(3, lambda: 0)
    batches = list(made.train_dataloader())
    assert [tuple(batch.inputs.shape) for batch in batches] == [(8, 16)] * 3
    assert len({int(n) for batch in batches for n in batch.numbers}) == 24


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"O God, O God!\n", "text.txt: 14 characters are too few"),
        (b"", "text.txt: the file is empty"),
        (bytes(range(256)), "text.txt: holds zero bytes, as binary files do"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "text.txt: holds zero bytes"),
        ("Fain\xe9ant\n".encode("latin1") * 99, "text.txt:1: byte 0xe9 at offset 4 is not UTF-8"),
        ("Let us ⁇ go\n".encode() * 99, "found the MASK mark"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, said):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        data(path).setup()


def test_paths_and_shares_are_told_by_their_keys(tmp_path):
    with pytest.raises(ConfigError, match=r"data.path: expected a text file, got nothing"):
        text_file(path=None, validation=10)
    with pytest.raises(ConfigError, match=r"data.validation: expected 0 to 50"):
        text_file(path="x", validation=90)
    with pytest.raises(MissingInput, match=r"named by data.path"):
        data(tmp_path / "none.txt").setup()


def test_a_text_has_no_questions(text):
    corpus = text_file(path=str(text), validation=10)
    with pytest.raises(ConfigError, match="a text has no questions"):
        BirthPlaceData(corpus=corpus, block_size=16, batch_size=8, seed=0, num_workers=0)
