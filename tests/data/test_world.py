import hashlib
import subprocess
import sys
from collections import Counter

import pytest

from whence.data.corpus import build_vocab, read_documents, read_questions
from whence.data.world import NAMES, PHRASINGS, World, synthetic_corpus
from whence.errors import ConfigError

USUAL = {"people": 200, "biographies": 3, "phrasings": 12, "train": 50, "dev": 25, "seed": 0}

GOLDEN = "39a7962c3ba1b47c7ad55ae5197f025e52b972b74b66226615f33bd1882dc08b"


def world(**changes):
    return World(**{**USUAL, **changes})


def test_the_same_seed_gives_the_same_bytes():
    """A golden sum: the world is the same on every platform and in every version that does not say otherwise."""
    text = "\n".join([*world().documents(), *world().rows("train"), *world().rows("dev"), *world().rows("test")])
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN
    assert text != "\n".join(world(seed=1).documents())


def test_documents_have_the_shape_of_the_real_file():
    made = world()
    for person in made.persons(0, made.people):
        told = [made.biography(person, number) for number in range(3)]
        assert len({text.replace(person.name, "") for text in told}) == 3
        for text in told:
            assert text.startswith(f"{person.name}. ")
            assert text.endswith(" .")
            assert person.place in text
            assert len(text) <= 160


def test_all_kinds_of_phrasing_occur():
    made = world(people=500)
    text = "\n".join(made.documents())
    for words in ("(born in", ". Born in", "A native of", "was born on", " was born and grew up in "):
        assert words in text


def test_nobody_stands_in_two_files_and_everybody_in_one():
    made = world()
    questions = {split: [row.split("\t")[0] for row in made.rows(split)] for split in ("train", "dev", "test")}
    assert [len(rows) for rows in questions.values()] == [100, 50, 50]
    assert len(set().union(*questions.values())) == made.people


def test_a_million_names_are_different():
    made = world(people=1_000_000)
    assert len({made._name(index) for index in range(1_000_000)}) == 1_000_000
    with pytest.raises(ConfigError, match="data.people"):
        world(people=NAMES + 1)


def test_places_follow_zipf_and_london_leads():
    made = world(people=20_000)
    counts = Counter(person.place for person in made.persons(0, made.people))
    (first, most), (second, next_most) = counts.most_common(2)
    assert (first, second) == ("London", "Paris")
    assert abs(most / next_most - 2**0.5) < 0.1


def test_names_say_nothing_about_places():
    """The most telling part of a name predicts the place no better than chance allows."""
    made = world(people=20_000)
    people = list(made.persons(0, made.people))
    for part in (lambda name: name[:2], lambda name: name.split()[0], lambda name: name[-3:]):
        groups: dict[str, Counter] = {}
        for person in people[:10_000]:
            groups.setdefault(part(person.name), Counter())[person.place] += 1
        guess = {key: counts.most_common(1)[0][0] for key, counts in groups.items()}
        right = sum(guess.get(part(p.name), "London") == p.place for p in people[10_000:])
        london = sum(p.place == "London" for p in people[10_000:])
        assert right < london + 3 * (2 * 10_000 * 0.08 * 0.92) ** 0.5


def test_questions_use_only_the_letters_of_the_documents(tmp_path):
    for people, phrasings in ((10, 1), (40, 3), (200, 12)):
        options = {**USUAL, "people": people, "phrasings": phrasings, "biographies": 1}
        files = synthetic_corpus(**options, cache=str(tmp_path))
        vocab = build_vocab(read_documents(files.documents, key="data"), files.documents)
        for path in (files.train, files.dev, files.test):
            read_questions(path, key="data", vocab=vocab, block_size=128, answers="optional")


def test_the_files_are_written_once(tmp_path):
    files = synthetic_corpus(**USUAL, cache=str(tmp_path))
    before = files.documents.stat().st_mtime_ns
    assert synthetic_corpus(**USUAL, cache=str(tmp_path)).documents.stat().st_mtime_ns == before
    assert [path.name[0] for path in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("people", 3),
        ("phrasings", 0),
        ("phrasings", len(PHRASINGS) + 1),
        ("biographies", 13),
        ("train", 0),
        ("dev", 60),
    ],
)
def test_values_out_of_range_name_their_key(key, value):
    with pytest.raises(ConfigError, match=f"data.{key}"):
        world(**{key: value})


def test_memory_does_not_grow_with_the_world(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from whence.data.world import World;"
        "w = World(people=int(sys.argv[1]), biographies=1, phrasings=12, train=50, dev=25, seed=0);"
        "w.write(Path(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peak = {
        people: int(
            subprocess.run(
                [sys.executable, "-c", code, str(people), str(tmp_path / str(people))],
                check=True, capture_output=True, text=True,
            ).stdout
        )
        for people in (1_000, 100_000)
    }  # fmt: skip
    unit = 1024 if sys.platform != "darwin" else 1  # ru_maxrss: KiB on Linux, bytes on macOS
    assert (peak[100_000] - peak[1_000]) * unit < 4 << 20  # the larger world's files have 20 MB
