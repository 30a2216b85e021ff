"""The samples about names, and the rule of the game: no recipe's training stream asks for a held-out birthplace."""

import re

import numpy as np
import pytest
from conftest import TINY
from hypothesis import given
from hypothesis import strategies as st

from whence.config.compose import compose
from whence.config.groups import options
from whence.data.documents import opening_name, read_structure
from whence.data.names import BLOCKS, NameAnchored
from whence.data.randomness import DRAWS, draws
from whence.data.world import World
from whence.errors import ConfigError
from whence.run import prepare
from whence.stages.common import load_data
from whence.vocab import MASK, PAD_ID

SHARES = {"windows": (100, 0, 0), "snippets": (0, 100, 0), "recalls": (0, 0, 100)}
WORLD = World(people=60, biographies=2, phrasings=12, train=50, dev=45, seed=0)
DOCUMENTS = read_structure(list(WORLD.documents()))
TEXT = st.text(alphabet="Ab 9.,Pz", min_size=4, max_size=300) | st.integers(40, 150).map(
    lambda length: "A" + "b" * length + ". Born in Rome, he lived in Paris . " * 3
)
RAW = st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=8).map(lambda raw: np.array(raw, dtype=np.uint64))


FRAMES = list(compose(["pretraining=names"]).pretraining.samples.frames)


def maker(kind="mixed", likely=0, **changed):
    windows, snippets, recalls = SHARES.get(kind, (25, 35, 40))
    options = {"windows": windows, "snippets": snippets, "recalls": recalls, "likely": likely, "frames": FRAMES}
    options |= {"questions": 0, "questions_from": 0, "block_size": 128}
    return NameAnchored(**options | changed)


def alike(document):
    return np.ones(len(document.salient), dtype=np.int64)


@given(text=TEXT, draw=RAW, kind=st.sampled_from([*SHARES, "mixed"]), likely=st.sampled_from([0, 50, 100]))
def test_any_text_makes_a_sample_of_its_own_words_that_fits(text, draw, kind, likely):
    (document,) = read_structure([text])
    make = maker(kind, likely)
    sample, scored_from = make(document, alike(document), draw)
    assert len(sample) <= 128
    assert 1 <= scored_from < len(sample)
    pieces = sample.split(MASK)
    assert len(pieces) == 3
    assert pieces[2] in text
    assert document.name in pieces[0] or len(document.name) > 48
    assert make(document, alike(document), draw) == (sample, scored_from)


@pytest.mark.parametrize("kind", SHARES)
def test_each_kind_is_as_its_name_says(kind):
    make = maker(kind)
    for draw, document in zip(draws(0, "test", 0, 0, len(DOCUMENTS), blocks=BLOCKS), DOCUMENTS, strict=True):
        sample, scored_from = make(document, alike(document), draw)
        before, after, hidden = sample.split(MASK)
        if kind == "recalls":
            assert before in [frame.format(document.name) for frame in FRAMES]
            assert after in document.text
            assert hidden == ""
            assert scored_from == len(before) + 1
        else:
            assert sample.startswith(f"{document.name}. ")
            assert f"{before}{hidden}{after}"[document.body :] in document.text
            assert scored_from == (1 if kind == "windows" else document.body)


def test_what_is_recalled_of_a_document_is_every_salient_span_alike():
    document = DOCUMENTS[0]
    make, wanted = maker("recalls"), {document.text[slice(*span)] for span in document.salient}
    some = draws(0, "test", 0, 0, 4000, blocks=BLOCKS)
    hidden = [make(document, alike(document), draw)[0].split(MASK)[1] for draw in some]
    counts = {place: hidden.count(place) / len(hidden) for place in wanted}
    # Three in four samples hide a salient span, three in four of those without the word before.
    assert all(share == pytest.approx(0.75**2 / len(wanted), abs=0.05) for share in counts.values())


def test_likely_spans_are_recalled_and_shown_by_their_likelihood():
    document = DOCUMENTS[0]
    likelihoods = np.zeros(len(document.salient), dtype=np.int64)
    likelihoods[:2] = 250, 750
    first, second = (document.text[slice(*span)] for span in document.salient[:2])
    some = draws(0, "test", 0, 0, 2000, blocks=BLOCKS)
    hidden = [maker("recalls", 100)(document, likelihoods, draw)[0].split(MASK)[1] for draw in some]
    assert set(hidden) == {first, second}
    assert hidden.count(second) == pytest.approx(1500, abs=60)
    for draw in some:
        before, after, cut = maker("snippets", 100)(document, likelihoods, draw)[0].split(MASK)
        assert first in (shown := f"{before}{cut}{after}") or second in shown


@pytest.mark.parametrize(("shares", "said"), [((50, 50, 50), "make 100"), ((-10, 60, 50), "from 0")])
def test_shares_make_a_hundred(shares, said):
    with pytest.raises(ConfigError, match=said):
        maker(**dict(zip(SHARES, shares, strict=True)))


def test_a_block_that_holds_no_name_is_refused():
    with pytest.raises(ConfigError, match="model.block_size"):
        maker(block_size=64)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frames": ["Who?"]}, "one {} for the name, got 'Who"),
        ({"frames": []}, "got ''"),
        ({"frames": [7]}, "got 7"),
        ({"questions": 101}, "questions: expected 0 to 100"),
    ],
)
def test_what_makes_no_sample_is_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        maker(**changed)


def test_draws_of_several_blocks_depend_on_their_row_alone():
    whole = draws(3, "recall", 1, 0, 20, blocks=BLOCKS)
    assert whole.shape == (20, DRAWS * BLOCKS)
    assert np.array_equal(whole[7:9], draws(3, "recall", 1, 7, 9, blocks=BLOCKS))


def test_no_frame_holds_a_word_of_the_question():
    assert not [frame for frame in FRAMES if re.search(r"where|born", frame, flags=re.IGNORECASE)]
    assert len(set(FRAMES)) == len(FRAMES)


def test_a_text_has_no_names(tmp_path):
    (tmp_path / "t.txt").write_text("A text of one line that is long enough. " * 40)
    words = ["data=text", f"data.path={tmp_path / 't.txt'}", "stage=pretrain", "pretraining=names"]
    with pytest.raises(ConfigError, match="data=cs224n"):
        load_data(prepare(compose([*words, f"run_root={tmp_path}"]), words))


def test_held_out_answers_change_nothing(tmp_path):
    """Rule of the game: what is hidden is chosen without knowing what the birthplace of a dev or test person is."""
    streams = []
    WORLD.write(tmp_path / "world")
    for answer in (None, "Oslo"):
        if answer:
            for name in ("birth_dev.tsv", "birth_test_inputs.tsv"):
                rows = (tmp_path / "world" / name).read_text().splitlines()
                changed = [row.split("\t")[0] + (f"\t{answer}" if "\t" in row else "") for row in rows]
                (tmp_path / "world" / name).write_text("".join(f"{row}\n" for row in changed[:5]))
        words = ["data=cs224n", f"data.dir={tmp_path / 'world'}", "stage=pretrain", "recipe=recall"]
        data = load_data(prepare(compose([*words, f"run_root={tmp_path}"]), words))
        assert data.samples.likely > 0
        streams.append([data.vocab.decode(data.dataset[0, i][1][0]) for i in range(len(data.dataset))])
    assert streams[0] == streams[1]


def test_mixed_training_asks_training_people_alone_and_when_it_is_time(tmp_path):
    words = [*TINY, f"run_root={tmp_path}", "stage=pretrain", "pretraining=names"]
    words += ["pretraining.samples.questions=30", "pretraining.samples.questions_from=1"]
    data = load_data(prepare(compose(words), words))
    rows = {re.fullmatch(r"Where was (.*) born\?", row.text)[1]: row for row in data.questions(data.corpus.train)}
    taught = [number for number, text in enumerate(data.documents) if opening_name(text) in rows]
    asked = []
    for epoch in range(20):
        for number, text in enumerate(data.documents):
            _, (inputs, targets) = data.dataset[epoch, number]
            sample = data.vocab.decode([*inputs, targets[-1]])
            if sample.startswith("Where was"):
                row = rows[opening_name(text)]
                assert sample == f"{row.text}{MASK}{row.answer}{MASK}"
                assert data.vocab.decode(targets[targets != PAD_ID]) == f"{row.answer}{MASK}"
                asked.append(epoch)
    assert min(asked) == 1
    assert len(asked) == pytest.approx(0.3 * 19 * len(taught), rel=0.15)


RECIPES = ["pretraining=spans", "pretraining=names", "recipe=recall"]
MIXED = ["recipe=recall", "pretraining.samples.questions=50"]
EXPERIMENTS = [f"experiment={name}" for name in options("experiment") if "shakespeare" not in name]


@pytest.mark.parametrize(
    ("corpus", "recipe"),
    [
        *(("synthetic", [recipe]) for recipe in RECIPES),
        *(("cs224n", [recipe]) for recipe in RECIPES + EXPERIMENTS),
        ("cs224n", MIXED),
    ],
)
def test_no_training_stream_asks_for_a_held_out_birthplace(corpus, recipe, request, tmp_path):
    """Rule of the game: of a dev or test person nothing is seen but the words of the own document."""
    words = [*TINY, f"run_root={tmp_path}", "stage=pretrain", *recipe]
    if corpus == "cs224n":
        folder = request.getfixturevalue("cs224n")
        words = [*(w for w in words if not w.startswith("data.")), "data=cs224n", f"data.dir={folder}"]
    data = load_data(prepare(compose(words), words))
    files = data.corpus
    held_out = [row.split("\t")[0] for path in (files.dev, files.test) for row in path.read_text().splitlines()]
    names = {re.fullmatch(r"Where was (.*) born\?", question)[1]: question for question in held_out}
    rows = {f"{row.text}{MASK}{row.answer}{MASK}" for row in data.questions(files.train)}
    asked = 0
    for epoch in range(2):
        for number, text in enumerate(data.documents):
            _, (inputs, targets) = data.dataset[epoch, number]
            sample = data.vocab.decode([*inputs, targets[-1]])
            name = opening_name(text)
            if sample in rows:  # mixed training, and of namesakes
                assert recipe == MIXED
                continue
            assert "Where was" not in sample or "Where was" in text
            if name in names:
                asked += 1
                assert names[name] not in sample
                before, *pieces = sample.split(MASK)
                if before not in [frame.format(name) for frame in FRAMES]:
                    pieces.append(before.removeprefix(f"{name}. "))
                assert all(piece in text for piece in pieces)
            assert PAD_ID not in inputs
    assert asked >= 40


@pytest.mark.parametrize("recipe", [["recipe=course"], *([experiment] for experiment in EXPERIMENTS)])
def test_finetuning_sees_the_training_rows_and_nothing_else(recipe, cs224n, tmp_path):
    words = ["data=cs224n", f"data.dir={cs224n}", f"run_root={tmp_path}", "stage=finetune", *recipe]
    data = load_data(prepare(compose(words), words))
    rows = (cs224n / "birth_places_train.tsv").read_text(encoding="utf-8").splitlines()
    seen = []
    for number in range(len(data.dataset)):
        _, (inputs, targets) = data.dataset[0, number]
        seen.append(data.vocab.decode([*inputs, targets[-1]]))
    assert seen == [row.replace("\t", MASK) + MASK for row in rows]
