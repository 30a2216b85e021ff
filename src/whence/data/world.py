"""The built-in corpus: a made-up world of people with birthplaces, told in biographies of the real file's shape.

Names are drawn without regard to places, so that whatever answers better than the most frequent place was read in a
document. Every fact of person i is a pure function of (seed, i): a million people are written in constant memory, and
the same seed gives the same bytes on every platform (integers only, no floating point).
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isqrt
from pathlib import Path

import numpy as np

from whence.data.corpus import CorpusFiles
from whence.data.randomness import below, key
from whence.errors import ConfigError, StorageError

log = logging.getLogger(__name__)

# Most frequent first: place k is drawn with a weight of 1/sqrt(k), the slope of the real file's places (Zipf 1949).
PLACES = (
    "London", "Paris", "Chicago", "Sydney", "Budapest", "Melbourne", "Rome", "Berlin", "Toronto", "Dublin", "Warsaw",
    "Glasgow", "Vienna", "Brooklyn", "Amsterdam", "Boston", "Germany", "Edinburgh", "Oslo", "Liverpool", "Prague",
    "Naples", "Moscow", "Copenhagen", "Belfast", "Manchester", "Stockholm", "Tehran", "Sofia", "Sheffield", "Shanghai",
    "Rochester", "Detroit", "Winnipeg", "Milan", "Jamaica", "Cambridge", "Bristol", "Venice", "Norwich", "Munich",
    "Madrid", "Istanbul", "Ireland", "Cleveland", "Barcelona", "Baltimore", "Lisbon", "New York City", "Buenos Aires",
)  # fmt: skip
COUNTRIES = ("British", "French", "Canadian", "Scottish", "Hungarian", "Belgian", "German", "Portuguese",
             "Polish", "Dutch", "Norwegian", "Czech", "Russian", "Danish", "Swedish", "Finnish", "Spanish",
             "Turkish")  # fmt: skip
OCCUPATIONS = ("painter", "composer", "chess player", "novelist", "botanist", "footballer", "politician", "architect",
               "pianist", "historian", "rower", "surgeon", "journalist", "film director", "mathematician", "priest",
               "gymnast", "lawyer", "sculptor", "engineer", "poet", "actor", "economist", "singer")  # fmt: skip
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip

_FIRST_START = ("Al", "Be", "Car", "Da", "E", "Fi", "Ga", "Han", "I", "Jo", "Ka", "Le", "Ma", "Ni", "O", "Pa", "Ro",
                "Sa", "Ta", "Vi")  # fmt: skip
_FIRST_END = ("bert", "la", "lia", "mon", "na", "nard", "ra", "rian", "ric", "rin", "sa", "sper", "ta", "tin", "vid",
              "win", "dor", "lyn", "mir", "vin")  # fmt: skip
_LAST_START = ("Ash", "Bar", "Cor", "Dun", "El", "Fer", "Gar", "Hol", "Ing", "Jar", "Kel", "Lam", "Mor", "Nor", "Os",
               "Pel", "Quin", "Ras", "Stan", "Tor", "Ul", "Ver", "Wal", "Yar", "Zel")  # fmt: skip
_LAST_MIDDLE = ("a", "be", "de", "el", "er", "i", "in", "la", "le", "mo", "na", "o", "ri", "sa", "ti")
_LAST_END = ("by", "dale", "ford", "ham", "kin", "land", "ler", "man", "mann", "ner", "rett", "sen", "ski", "son",
             "stein", "ton", "vic", "ward", "well", "worth")  # fmt: skip
NAMES = len(_FIRST_START) * len(_FIRST_END) * len(_LAST_START) * len(_LAST_MIDDLE) * len(_LAST_END)  # 3,000,000

# The kinds of sentence the real file has. {n} full name, {s} surname, {p} birthplace, {q} another place, {d} birth
# date, {x} date of death, {c} nationality, {a} {o} occupation with its article, {y} a year.
PHRASINGS = (
    "{n} (born {d} in {p}) is a {c} {o} .",
    "Born in {p}, {s} became {a} {o} in {y} .",
    "{n} is {a} {o} who was born in {p} .",
    "{n} ({d} {p} - {x} {q}) was a {c} {o} .",
    "{s} was born on {d} in {p} .",
    "A native of {p}, {n} worked as {a} {o} .",
    "{s} was born and grew up in {p} .",
    "{n} (born in {p}) is a {c} {o} .",
    "{n}, {o}, was born in {p} in {y} and moved to {q} .",
    "{n} was a {c} {o}, born in {p} .",
    "Born in {p} on {d}, {n} is {a} {o} now living in {q} .",
    "{n} (b. {d}, {p}) is a {c} {o} .",
)

# Said of every sixteenth person, the first among them, so that the text has the letters of the questions.
ASIDE = " Who was {s}? {A} {o} ."

_FILES = ("wiki.txt", "birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv")
_WRITTEN_BY = "1"  # raise when the text changes, so that older cached worlds are not taken for it


@dataclass(frozen=True)
class Person:
    """What the world knows of one person; `place` is the birthplace."""

    index: int
    name: str
    place: str
    facts: tuple[int, ...]

    @property
    def question(self) -> str:
        return f"Where was {self.name} born?"


class World:
    """A world of `people`, each told in `biographies` documents of different wording out of `phrasings` wordings.

    The first `train` share of the people (in per cent) have question rows to learn from, the next `dev` per cent are
    asked while developing, the rest are the test. Raises ConfigError for values out of range.
    """

    def __init__(self, *, people: int, biographies: int, phrasings: int, train: int, dev: int, seed: int) -> None:
        _check("people", people, 10, NAMES)
        _check("phrasings", phrasings, 1, len(PHRASINGS))
        _check("biographies", biographies, 1, phrasings)
        _check("train", train, 1, 98)
        _check("dev", dev, 1, 99 - train)
        self.people = people
        self.biographies = biographies
        self.phrasings = phrasings
        self.seed = seed
        self.trained = max(1, people * train // 100)
        self.asked = max(1, people * dev // 100)
        self._zipf = np.cumsum([isqrt(10**12 // rank) for rank in range(1, len(PLACES) + 1)])

    def person(self, index: int) -> Person:
        return next(self.persons(index, index + 1))

    def persons(self, start: int, stop: int) -> Iterator[Person]:
        """People start..stop-1, drawn in blocks of 1,024."""
        for block in range(start, stop, 1024):
            end = min(block + 1024, stop)
            # Two Philox blocks of four draws for each person.
            stream = np.random.Philox(key=key(self.seed, "people"), counter=2 * block)
            for index, raw in enumerate(stream.random_raw(8 * (end - block)).reshape(-1, 8), block):
                place = int(np.searchsorted(self._zipf, below(raw[0], int(self._zipf[-1])), side="right"))
                yield Person(index, self._name(index), PLACES[place], tuple(int(r) for r in raw))

    def biography(self, person: Person, number: int) -> str:
        """Document `number` of a person: `Name. Text .`, its wording unlike those of the person's other documents."""
        _, phrasing, date, death, other, craft, nation, year = person.facts
        first = below(phrasing, self.phrasings)
        born = 1800 + below(date, 190)
        occupation = OCCUPATIONS[below(craft, len(OCCUPATIONS))]
        values = {
            "n": person.name,
            "s": person.name.split(" ", 1)[1],
            "p": person.place,
            "q": PLACES[below(other, len(PLACES))],
            "d": _date(date, born),
            "x": _date(death, born + 20 + below(death << 20 & 2**64 - 1, 60)),
            "c": COUNTRIES[below(nation, len(COUNTRIES))],
            "a": "an" if occupation[0] in "aeiou" else "a",
            "A": "An" if occupation[0] in "aeiou" else "A",
            "o": occupation,
            "y": str(born + 18 + below(year, 20)),
        }
        text = PHRASINGS[(first + number) % self.phrasings]
        if number == 0 and person.index % 16 == 0:
            text += ASIDE
        return f"{person.name}. {text.format_map(values)}"

    def documents(self) -> Iterator[str]:
        for person in self.persons(0, self.people):
            for number in range(self.biographies):
                yield self.biography(person, number)

    def rows(self, split: str) -> Iterator[str]:
        """Rows of "train", "dev" or "test"; no person stands in two of them."""
        bounds = {
            "train": (0, self.trained),
            "dev": (self.trained, self.trained + self.asked),
            "test": (self.trained + self.asked, self.people),
        }
        for person in self.persons(*bounds[split]):
            yield person.question if split == "test" else f"{person.question}\t{person.place}"

    def write(self, folder: Path) -> None:
        """Write the four files of the course into `folder`, which appears complete or not at all."""
        streams = (self.documents(), self.rows("train"), self.rows("dev"), self.rows("test"))
        partial = folder.with_name(f".{folder.name}.{os.getpid()}")
        try:
            partial.mkdir(parents=True)
            for name, lines in zip(_FILES, streams, strict=True):
                with (partial / name).open("w", encoding="utf-8", newline="\n") as file:
                    while batch := "".join(f"{line}\n" for line in islice(lines, 4096)):
                        file.write(batch)
            try:
                partial.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process of the same sweep was faster, with the same bytes
                    raise
        except OSError as error:
            raise StorageError(f"{folder}: cannot write the synthetic corpus: {error.strerror}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _name(self, index: int) -> str:
        """Name number `index` of 3,000,000, each given once: an affine map of the index, then mixed digits."""
        offset = below(int(key(self.seed, "names")[0]), NAMES)
        number = (index * 1_618_033 + offset) % NAMES  # 1,618,033 shares no factor with 3,000,000
        number, first = divmod(number, len(_FIRST_START))
        number, second = divmod(number, len(_FIRST_END))
        number, start = divmod(number, len(_LAST_START))
        end, middle = divmod(number, len(_LAST_MIDDLE))
        return f"{_FIRST_START[first]}{_FIRST_END[second]} {_LAST_START[start]}{_LAST_MIDDLE[middle]}{_LAST_END[end]}"


def synthetic_corpus(
    *, people: int, biographies: int, phrasings: int, train: int, dev: int, seed: int, cache: str, withheld: int = 0
) -> CorpusFiles:
    """The files of a synthetic world, written under `cache` when they are not there yet."""
    world = World(people=people, biographies=biographies, phrasings=phrasings, train=train, dev=dev, seed=seed)
    folder = Path(cache) / f"world{_WRITTEN_BY}-{people}x{biographies}of{phrasings}-{train}-{dev}-seed{seed}"
    if not folder.is_dir():
        log.info("writing the synthetic world to %s", folder)
        world.write(folder)
    return _files(folder, "data", withheld)


def folder_corpus(*, dir: str, withheld: int = 0) -> CorpusFiles:
    """The course's files in a folder. Raises ConfigError when no folder is given."""
    if not dir:
        raise ConfigError(
            "data.dir: expected the folder that holds wiki.txt and the three birth_*.tsv files; "
            "fetch them with 'make data' or set data.dir=PATH"
        )
    return _files(Path(dir), "data.dir", withheld)


def _files(folder: Path, key: str, withheld: int) -> CorpusFiles:
    documents, train, dev, test = (folder / name for name in _FILES)
    return CorpusFiles(documents, key, train, dev, test, withheld)


def _date(raw: int, year: int) -> str:
    return f"{1 + below(raw << 8 & 2**64 - 1, 28)} {MONTHS[below(raw << 16 & 2**64 - 1, 12)]} {year}"


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"data.{name}: expected {low} to {high}, got {value}")
