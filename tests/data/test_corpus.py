"""Every kind of bad input is told with file and line, or read as it stands; none is altered in silence."""

import logging
import pickle
import tempfile
import tracemalloc
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.data.corpus import Question, build_vocab, read_documents, read_questions
from whence.data.lines import Lines
from whence.data.text import read_lines
from whence.errors import DataError, MissingInput
from whence.vocab import MASK, PAD, CharVocab

GOOD = "Where was A B born?\tRome\nWhere was C D born?\tOslo\n"
VOCAB = CharVocab.from_text(GOOD)


@pytest.fixture(autouse=True)
def _log(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("whence"), "propagate", True)
    caplog.set_level(logging.WARNING)


@pytest.fixture
def rows(tmp_path):
    def read(content, *, block_size=64, answers="required"):
        path = tmp_path / "rows.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_questions(path, key="data.dir", vocab=VOCAB, block_size=block_size, answers=answers)

    return read


@pytest.fixture
def documents(tmp_path):
    def read(content):
        path = tmp_path / "wiki.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_documents(path, key="data.dir"))

    return read


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("Where was A B born?\n", r"rows.tsv:1: .*found no tab", id="missing tab"),
        pytest.param(GOOD + "A\tRome\tOslo\n", r"rows.tsv:3: expected one tab, found 2", id="extra tab"),
        pytest.param(GOOD + "A\t\n", r"rows.tsv:3: the answer is empty", id="empty answer"),
        pytest.param(GOOD + "A\t  \n", r"rows.tsv:3: the answer is empty", id="answer of spaces"),
        pytest.param("\tRome\n" + GOOD, r"rows.tsv:1: the question is empty", id="empty question"),
        pytest.param("A\tRome\n\nB\tOslo\n", r"rows.tsv:2: blank line", id="blank line in the middle"),
        pytest.param(b"A\tRome\nB\tOs\x00lo\n", r"rows.tsv:2: .*control character '\\x00'", id="NUL"),
        pytest.param(b"A\tRome\nB\tOs\x1blo\n", r"rows.tsv:2: .*control character '\\x1b'", id="escape"),
        pytest.param(b"A\tRome\rB\tOslo\n", r"rows.tsv:1: .*carriage return", id="old Mac line ends"),
        pytest.param(b"A\tRome\nB\tOsl\xf3\n", r"rows.tsv:2: byte 0xf3 at offset 12 .*Latin-1", id="not UTF-8"),
        pytest.param("A\tRome\nB\tOsło\n", r"rows.tsv:2: .*'ł' \(U\+0142\)", id="outside the vocabulary"),
        pytest.param(f"A\tRome\nB{MASK}\tOslo\n", r"rows.tsv:2: .*MASK .*column 2", id="MASK in the text"),
        pytest.param(f"A\tRome{PAD}\n", r"rows.tsv:1: .*PAD .*column 7", id="PAD in the text"),
        pytest.param("A" * 60 + "\tRome\n", r"rows.tsv:1: .*need 66 positions.*64.*model.block_size=66", id="too long"),
        pytest.param("", r"rows.tsv: the file is empty", id="empty file"),
        pytest.param("\n\n", r"rows.tsv: the file is empty", id="only blank lines"),
        pytest.param("A\nB\nC\n", r"rows.tsv:1: .*and 2 more: line 2, 3", id="several at once"),
    ],
)
def test_bad_rows_are_refused_with_file_and_line(rows, content, said):
    with pytest.raises(DataError, match=said) as caught:
        rows(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD, id="as it should be"),
        pytest.param(GOOD.rstrip("\n"), id="no final newline"),
        pytest.param("\ufeff" + GOOD, id="byte order mark"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="CRLF"),
    ],
)
def test_no_row_is_lost(rows, content):
    assert rows(content) == [
        Question("Where was A B born?", "Rome", 1),
        Question("Where was C D born?", "Oslo", 2),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("\ufeff" + GOOD, "byte order mark", id="byte order mark"),
        pytest.param(GOOD.replace("\n", "\r\n"), "CRLF", id="CRLF"),
        pytest.param(GOOD + "Where was A B born?\tOslo\n", "1 questions stand with different answers", id="conflict"),
        pytest.param(GOOD + GOOD, "2 rows stand more than once", id="repeats"),
        pytest.param("A \tRome\n", "1 rows have spaces at the ends", id="spaces"),
    ],
)
def test_oddities_are_told_once(rows, caplog, content, said):
    rows(content)
    assert [said in record.getMessage() for record in caplog.records] == [True]


def test_inputs_only_where_no_row_has_a_tab(rows):
    assert rows("Where was A B born?\n", answers="optional")[0].answer is None
    assert rows(GOOD, answers="optional")[0].answer == "Rome"
    with pytest.raises(DataError, match=r"rows.tsv:2: .*no tab"):
        rows("A\tRome\nB\n", answers="optional")


def test_line_separators_other_than_newline_do_not_split(documents):
    assert documents("Anna. A\u2028B\u0085C .\n") == ["Anna. A\u2028B\u0085C ."]


TEXTS = st.lists(st.text("Aé\u20ac\U0001d11e .", max_size=12), min_size=1, max_size=40).filter(any)


@given(lines=TEXTS, ends=st.sampled_from(["\n", "\r\n"]), start=st.sampled_from(["", "\ufeff"]), last=st.booleans())
def test_lines_read_one_by_one_are_those_read_at_once(lines, ends, start, last):
    part, together = mock.patch("whence.data.text._PART", 16), mock.patch("whence.data.lines._TOGETHER", 3)
    with tempfile.TemporaryDirectory() as folder, part, together:
        path = Path(folder) / "text"
        path.write_bytes((start + ends.join(lines) + ends * last).encode())
        if not path.read_bytes().strip():
            return
        expected = read_lines(path, key="data.dir")
        found = Lines(path, key="data.dir", wanted=len)
        assert list(found) == [found[i] for i in range(len(found))] == [line for line in expected if line]
        assert found[:3] == list(found)[:3]
        assert found.skipped == expected.count("")
        assert list(pickle.loads(pickle.dumps(found))) == list(found)


def test_a_file_that_changes_in_use_is_noticed_and_one_that_is_replaced_is_not_read(tmp_path):
    path = tmp_path / "wiki.txt"
    path.write_text("Anna. Born .\nBo. Born .\n")
    documents = read_documents(path, key="data.dir")
    (tmp_path / "new").write_text("Someone else altogether .\n")
    (tmp_path / "new").rename(path)
    assert documents[1] == "Bo. Born ."
    documents = read_documents(path, key="data.dir")
    path.write_text("A .\n")
    with pytest.raises(DataError, match="changed while it was in use"):
        documents[0]


def test_lines_take_twelve_bytes_each(tmp_path):
    path = tmp_path / "wiki.txt"
    path.write_text("Anna. Born in Rome, and a good deal more is known of her .\n" * 100_000)
    tracemalloc.start()
    documents = read_documents(path, key="data.dir")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(documents) == 100_000
    assert kept < 1.5e6
    assert peak < 40e6  # some megabytes of the file at a time, whatever its size


def test_documents_that_are_too_short_are_counted(documents, caplog):
    assert documents("Anna. Born .\n\nab\nBo. Born .") == ["Anna. Born .", "Bo. Born ."]
    assert "skipped 2" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"abc\nab\n", "no document"),
        (b"Anna\x00 was\n", "wiki.txt:1"),
        (b"Anna was\nBen \xff\n", "wiki.txt:2"),
        (f"Anna{MASK}\n".encode(), "MASK"),
    ],
)
def test_bad_documents_are_refused(documents, content, said):
    with pytest.raises(DataError, match=said):
        documents(content)


def test_a_text_with_too_many_characters_is_not_one(tmp_path):
    with pytest.raises(DataError, match="is it the right file"):
        build_vocab(["".join(map(chr, range(0x4E00, 0x4E00 + 6000)))], tmp_path)


def test_files_that_cannot_be_read_name_their_key(tmp_path):
    for path, said in ((tmp_path / "no.tsv", "No such file"), (tmp_path, "a folder")):
        with pytest.raises(MissingInput, match=said) as caught:
            read_documents(path, key="data.dir")
        assert "data.dir" in str(caught.value)


def test_the_real_files(cs224n, caplog):
    documents = read_documents(cs224n / "wiki.txt", key="data.dir")
    vocab = build_vocab(documents, cs224n / "wiki.txt")
    assert (len(documents), len(vocab)) == (2937, 256)
    options = {"key": "data.dir", "vocab": vocab, "block_size": 128}
    assert len(read_questions(cs224n / "birth_places_train.tsv", **options)) == 2000
    assert "9 questions stand with different answers" in caplog.text
    assert len(read_questions(cs224n / "birth_dev.tsv", **options)) == 500
    inputs = read_questions(cs224n / "birth_test_inputs.tsv", answers="optional", **options)
    assert len(inputs) == 437
    assert all(row.answer is None for row in inputs)
