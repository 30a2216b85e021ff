"""The files of a corpus, read and checked: pretraining documents and question rows, or one text."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whence.data.corruption import MIN_LENGTH
from whence.data.lines import Lines
from whence.data.text import read_lines, refuse
from whence.errors import ConfigError, DataError
from whence.vocab import CharVocab, describe

log = logging.getLogger(__name__)

Answers = Literal["required", "optional"]


@dataclass(frozen=True)
class Corpus:
    """Where the pretraining text lies. `key` is the configuration key to name when a file is missing."""

    documents: Path
    key: str

    def fingerprint(self, name: str) -> str:
        """SHA-256 of one of the files."""
        path: Path = getattr(self, name)
        return fingerprint(path)


@dataclass(frozen=True)
class CorpusFiles(Corpus):
    """The documents, and the question rows of those to learn from, to be asked while developing, and of the test.

    withheld: per cent of the dev people whose documents are kept from pretraining.
    """

    train: Path
    dev: Path
    test: Path
    withheld: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.withheld <= 100:
            raise ConfigError(f"data.withheld: expected 0 to 100 (per cent), got {self.withheld}")

    def fingerprint(self, name: str) -> str:
        """SHA-256 of one of the files; of the documents, with whose are withheld."""
        found = super().fingerprint(name)
        if name == "documents" and self.withheld:
            return f"{found} without {self.withheld}% of {fingerprint(self.dev)}"
        return found


@dataclass(frozen=True)
class TextFile(Corpus):
    """One text, of which the last `validation` per cent are kept from training."""

    validation: int


@dataclass(frozen=True)
class Question:
    """One row of a question file; `answer` is None in a file of inputs only, `line` counts from 1."""

    text: str
    answer: str | None
    line: int


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, so that a run notices when its data changed under it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_documents(path: Path, *, key: str) -> Lines:
    """The documents of a pretraining file, one a line. Blank and too short ones are left out, and counted in the log.

    Raises DataError when nothing is left.
    """
    documents = Lines(path, key=key, wanted=lambda line: len(line.strip()) >= MIN_LENGTH)
    if not documents:
        raise DataError(f"{path}: no document has {MIN_LENGTH} characters or more; expected one document a line")
    if documents.skipped:
        log.warning(
            "%s: skipped %d blank or very short lines (under %d characters)", path, documents.skipped, MIN_LENGTH
        )
    return documents


def text_file(*, path: str | None, validation: int) -> TextFile:
    """A text to learn as it is. Raises ConfigError when none is named, or for less than 0 or more than 50 per cent."""
    if not path:
        raise ConfigError("data.path: expected a text file, got nothing; name one: data.path=FILE")
    if not 0 <= validation <= 50:
        raise ConfigError(f"data.validation: expected 0 to 50 (per cent), got {validation}")
    return TextFile(Path(path), key="data.path", validation=validation)


def read_text(path: Path, *, key: str) -> str:
    """A whole text, line ends as newlines. Raises what `read_lines` raises."""
    return "\n".join(read_lines(path, key=key)) + "\n"


def build_vocab(documents: Iterable[str], path: Path, *, limit: int = 5000) -> CharVocab:
    """The vocabulary of the pretraining text. Raises DataError beyond `limit` characters: not a text in letters."""
    vocab = CharVocab.from_text(documents)
    if len(vocab) > limit:
        raise DataError(f"{path}: {len(vocab)} different characters, expected at most {limit}; is it the right file?")
    return vocab


def read_questions(
    path: Path, *, key: str, vocab: CharVocab, block_size: int, answers: Answers = "required"
) -> list[Question]:
    """The rows `question<TAB>answer` of a file, in its order, text kept as it is.

    With answers="optional" a file without any tab is accepted as inputs only. Raises DataError naming file and line
    for a missing or extra tab, an empty question or answer, a blank line, a character the vocabulary lacks and a row
    whose `question MASK answer MASK` does not fit into `block_size`.
    """
    lines = read_lines(path, key=key)
    inputs_only = answers == "optional" and not any("\t" in line for line in lines)
    rows, problems = [], []
    for number, line in enumerate(lines, 1):
        if problem := _problem(line, inputs_only, vocab, block_size):
            problems.append((number, problem))
        else:
            text, _, answer = line.partition("\t")
            rows.append(Question(text, None if inputs_only else answer, number))
    if problems:
        refuse(path, problems)
    _warn(path, rows)
    return rows


def _problem(line: str, inputs_only: bool, vocab: CharVocab, block_size: int) -> str | None:
    """What is wrong with one line, or None."""
    fields = line.split("\t")
    if not line.strip():
        return "blank line; remove it"
    if len(fields) == 1 and not inputs_only:
        return f"expected 'question<TAB>answer', found no tab: {_short(line)}; add the answer"
    if len(fields) > 2:
        return f"expected one tab, found {len(fields) - 1}: {_short(line)}; remove the extra field"
    if not fields[0].strip():
        return f"the question is empty: {_short(line)}"
    if not fields[-1].strip():
        return f"the answer is empty: {_short(line)}"
    if unknown := vocab.unknown("".join(fields)):
        return (
            f"characters that the pretraining text does not have: {describe(unknown)}; "
            "correct the row or pretrain on text that has them"
        )
    length = len("".join(fields)) + 2
    if length > block_size:
        return (
            f"question and answer need {length} positions, the model has {block_size}; "
            f"shorten the row or set model.block_size={length}"
        )
    return None


def _warn(path: Path, rows: list[Question]) -> None:
    """Oddities that are legal: told once, with a count."""
    if padded := sum(row.text != row.text.strip() or (row.answer or "") != (row.answer or "").strip() for row in rows):
        log.warning("%s: %d rows have spaces at the ends; they are kept, an answer must have them too", path, padded)
    seen: dict[str, set[str | None]] = {}
    for row in rows:
        seen.setdefault(row.text, set()).add(row.answer)
    if conflicts := [text for text, places in seen.items() if len(places) > 1]:
        shown = "; ".join(_short(text) for text in conflicts[:3])
        log.warning("%s: %d questions stand with different answers: %s", path, len(conflicts), shown)
    if repeats := len(rows) - len({(row.text, row.answer) for row in rows}):
        log.warning("%s: %d rows stand more than once", path, repeats)


def _short(text: str, width: int = 60) -> str:
    return repr(text if len(text) <= width else text[: width - 3] + "...")
