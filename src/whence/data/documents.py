"""What a biography is made of, read off its text alone: whose it is, its clauses, and the spans that state a fact."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]  # start and end in the text

_MONTH = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
)
_DATE = re.compile(rf"(?:\d{{1,2}} )?\b{_MONTH}\.?(?: \d{{1,2}})?(?:,? \d{{3,4}})?\b|\b\d[\d/.-]*\b")
_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*(?:\.[\w'\u2019-]+)*")
_BREAK = re.compile(r"\s*(?:[,;:()\[\]]|--+|\s-\s|\s\.|\.\s)\s*")
_TITLES = ("Jr", "Sr", "Dr", "St", "Mr", "Mrs", "Col", "Capt", "Gen", "Lt", "Sgt", "Prof", "Rev", "Hon", "Wm")


@dataclass(frozen=True)
class Document:
    """A biography. `name` is its opening, empty where it has none, `body` where the text after it begins.

    `salient`: capitalised phrases, dates and numbers of the body, without the words of the name.
    `clauses`: stretches of the body between punctuation.
    """

    text: str
    name: str
    body: int
    salient: tuple[Span, ...]
    clauses: tuple[Span, ...]


def read_structure(texts: Sequence[str]) -> list[Document]:
    """The documents of a corpus.

    A capitalised word that the corpus writes in lower case more often ("Born", "He") begins a sentence and is no name.
    """
    common = _common_words(texts)
    return [_read(text, common) for text in texts]


def opening_name(text: str) -> str:
    """What stands before the first full stop that is neither an initial's nor a title's; "" without one.

    On wiki.txt this is the name as the question rows spell it (tested on the training rows).
    """
    ends = [match.start() for match in re.finditer(r"\. ", text)]
    for end in ends:
        word = re.split(r"[ .]", text[:end])[-1]
        if not (len(word) == 1 and word.isupper()) and word not in _TITLES:
            return text[:end]
    return text[: ends[0]] if ends else ""


def _read(text: str, common: frozenset[str]) -> Document:
    name = opening_name(text)
    body = len(name) + 2 if name else 0
    own = set(_words(name))
    salient = [*_dates(text, body), *_phrases(text, body, own, common)]
    clauses = []
    start = body
    for match in [*_BREAK.finditer(text, body), None]:
        end = match.start() if match else len(text)
        if len(text[start:end].split()) >= 2:
            clauses.append((start, end))
        start = match.end() if match else end
    return Document(text, name, body, tuple(sorted(salient)), tuple(clauses))


def _dates(text: str, start: int) -> list[Span]:
    return [match.span() for match in _DATE.finditer(text, start)]


def _phrases(text: str, start: int, own: set[str], common: frozenset[str]) -> list[Span]:
    """Runs of capitalised words, one space apart, that are not all of the person's own name."""
    taken = {place for span in _dates(text, start) for place in range(*span)}
    runs: list[Span] = []
    for match in _WORD.finditer(text, start):
        word, span = match.group(), match.span()
        if not word[0].isupper() or word in common or span[0] in taken:
            continue
        if runs and text[runs[-1][1] : span[0]] == " ":
            runs[-1] = (runs[-1][0], span[1])
        else:
            runs.append(span)
    return [span for span in runs if not set(_words(text[slice(*span)])) <= own]


def _common_words(texts: Iterable[str]) -> frozenset[str]:
    counts = Counter(word for text in texts for word in _words(text))
    return frozenset(word for word in counts if word[0].isupper() and counts[word.lower()] > counts[word])


def _words(text: str) -> list[str]:
    return [match.group() for match in _WORD.finditer(text)]
