from whence.data.documents import read_structure
from whence.data.people import asked_name, by_name, invented_names, names_in
from whence.data.world import World

WORLD = World(people=60, biographies=2, phrasings=12, train=50, dev=45, seed=0)


def test_a_question_asks_about_somebody():
    assert asked_name("Where was Lawrence E. Kahn born?") == "Lawrence E. Kahn"
    assert asked_name("Who is that?") == "Who is that?"


def test_documents_are_found_by_the_name_in_the_question():
    people = by_name(list(WORLD.documents()))
    for person in WORLD.persons(0, 60):
        documents = people[asked_name(person.question)]
        assert len(documents) == 2
        assert all(person.place in names_in(document) for document in documents)


def test_dates_are_no_names():
    (document,) = read_structure(["Ada Byrne. She was born on 3 May 1900 in Rome, Italy ."])
    assert [n for n in names_in(document) if n != "She"] == ["Rome", "Italy"]


def test_invented_people_are_nobody_and_always_the_same():
    known = [person.name for person in WORLD.persons(0, 60)]
    grid = invented_names(known, side=10, seed=0)
    names = [name for row in grid for name in row]
    assert len(set(names)) == 100
    assert not set(names) & set(known)
    assert {name.split()[0] for name in names} <= {name.split()[0] for name in known}
    assert grid == invented_names(list(reversed(known)), side=10, seed=0)
    assert grid != invented_names(known, side=10, seed=1)


def test_too_few_names_make_fewer_people():
    known = [f"{first} {last}" for first, last in zip("ABCD", "WXYZ", strict=True)]
    grid = invented_names(known, side=20, seed=0)
    assert [len(row) for row in grid] == [2, 2]
    assert not {name for row in grid for name in row} & set(known)
    assert invented_names(known[:3], side=20, seed=0) == []
    assert invented_names(["Plato"], side=10, seed=0) == []
