"""The people of a corpus: whose documents are whose, and names of people who do not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from whence.data.corpus import CorpusFiles
from whence.data.documents import Document, read_structure
from whence.data.randomness import permutation
from whence.data.text import read_lines

_ASKED = re.compile(r"Where was (.+) born\?")


def asked_name(question: str) -> str:
    """Whom a question of the course's form asks about; the question itself where it has another form."""
    found = _ASKED.fullmatch(question.strip())
    return found[1] if found else question


def by_name(documents: Sequence[str]) -> dict[str, list[Document]]:
    """The documents of each person."""
    found: dict[str, list[Document]] = {}
    for document in read_structure(documents):
        found.setdefault(document.name, []).append(document)
    return found


def names_in(document: Document) -> list[str]:
    """The names of places and of others that a document states; no dates."""
    stated = [document.text[start:end] for start, end in document.salient]
    return [phrase for phrase in stated if not any(character.isdigit() for character in phrase)]


def withheld_names(files: CorpusFiles) -> set[str]:
    """The dev people whose documents are kept from pretraining, always the same ones."""
    asked = read_lines(files.dev, key=files.key) if files.withheld else []
    names = sorted({asked_name(line.split("\t")[0]) for line in asked})
    return set(_some(names, len(names) * files.withheld // 100, 0, "withheld people"))


def invented_names(known: Iterable[str], *, side: int, seed: int) -> list[list[str]]:
    """A grid of names of nobody in `known`: `side` first names, one a row, with `side` last names, one a column.

    First and last names are those of the people with two names. Fewer where there are not so many; none where there
    would not be two of either.
    """
    two = {tuple(name.split(" ")) for name in known if name.count(" ") == 1}
    known_firsts = sorted({first for first, _ in two})
    firsts = _some(known_firsts, min(side, len(known_firsts) // 2), seed, "first names")  # the others leave last names
    free = {last for _, last in two} - {last for first, last in two if first in firsts}
    lasts = _some(sorted(free), side, seed, "last names")
    grid = [[f"{first} {last}" for last in lasts] for first in firsts]
    return grid if min(len(firsts), len(lasts)) >= 2 else []


def _some(names: list[str], count: int, seed: int, domain: str) -> list[str]:
    return [names[i] for i in permutation(seed, domain, 0, len(names))[:count]]
