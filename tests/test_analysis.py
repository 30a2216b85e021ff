"""stage=compare and stage=analyse on answers that were planted: their pages must say exactly what was planted."""

import re
import shutil
from collections import Counter

import pytest

from whence.data.documents import opening_name
from whence.data.world import PLACES, World
from whence.errors import ConfigError, DataError, MissingInput
from whence.evaluation.exact_match import most_frequent
from whence.reporting.results import Prediction, read_predictions, write_predictions
from whence.stages.common import load_data

TINY_WORLD = World(people=40, biographies=2, phrasings=12, train=50, dev=45, seed=0)


@pytest.fixture
def runs(do, make_run):
    """Two finished runs, the control first."""
    control = do("stage=finetune", "init_from=none", "trainer.max_steps=1")
    run = do("stage=finetune", "init_from=none", "trainer.max_steps=2")
    return control, run


def plant(folder, kinds):
    """Write answers of the given kinds, one a question; returns what was written."""
    given = read_predictions(folder)
    people = {person.question: person for person in TINY_WORLD.persons(0, 40)}
    known = {person.place for person in TINY_WORLD.persons(0, 20)}
    documents = {p.name: " ".join(TINY_WORLD.biography(p, n) for n in range(2)) for p in people.values()}
    written = []
    for number, (row, kind) in enumerate(zip(given, kinds, strict=True)):
        person = people[row.question]
        assert row.gold == person.place
        own = documents[person.name]
        elsewhere = next(place for place in sorted(known) if place not in own)
        answer = {
            "right": person.place,
            "made up": elsewhere,
            "nonsense": "Xyzzy",
            "abroad": next((p for p in PLACES if p in own and p != person.place), None),
        }[kind]
        if answer is None:  # no other place stands in this one's documents
            answer, kind = "Xyzzy", "nonsense"
        written.append((kind, Prediction(row.question, row.gold, answer, 0.1 + 0.8 * (number % 2))))
    write_predictions(folder, [p for _, p in written])
    return Counter(kind for kind, _ in written)


def test_the_page_says_what_was_planted(runs, do, tmp_path):
    control, run = (result["folder"] for result in runs)
    total = runs[0]["dev"]["total"]
    kinds = ["right", "made up", "nonsense", "abroad"] * total
    counts = plant(tmp_path / run, kinds[:total])
    plant(tmp_path / control, ["nonsense"] * total)
    do("stage=analyse", f"run={run}", f"against={control}")
    page = (tmp_path / run / "analysis" / "analysis.md").read_text()
    said = {
        kind: int(re.search(rf"\| {name} \| [\d.]+% \((\d+) of {total}\)", page)[1])
        for kind, name in {
            "right": "correct",
            "abroad": "a name in the person's document",
            "made up": "a known place that the document does not name",
            "nonsense": "no known place",
        }.items()
    }
    assert said == {kind: counts[kind] for kind in said}
    assert f"stands in a document that was read for {total} of {total} people (100.0%)" in page
    assert re.search(rf"\| right in .* alone \| {counts['right']} \|", page)
    # How sure: every second answer 0.9 and the others 0.1, so that the certain half is these, none of them right.
    answers = read_predictions(tmp_path / run)
    sure = [answer.right for answer in answers if answer.probability > 0.5]
    assert len(sure) == total / 2
    assert not any(sure)
    assert "| mean probability of the answers | 50.0% |" in page
    assert "| accuracy on the more certain half | 0.0% |" in page
    # Where: by how often the place stands in the training rows.
    rows = Counter(person.place for person in TINY_WORLD.persons(0, 20))
    for label, low, high in (("0", 0, 0), ("1 to 3", 1, 3)):
        group = [answer.right for answer in answers if low <= rows[answer.gold] <= high]
        share = f"{100 * sum(group) / len(group):.1f}% ({sum(group)} of {len(group)})"
        assert f"| training rows with the place | {label} | {len(group)} | {share} |" in page
    # Exact McNemar of so many against none.
    assert f"p = {2 / 2 ** counts['right']:.3f}" in page
    for name in ("where_the_answers_come_from", "how_sure_it_is", "where_knowledge_is_lost", "people_it_never_saw"):
        assert (tmp_path / run / "analysis" / f"{name}.png").stat().st_size > 5000
    assert list((tmp_path / run / "analysis" / "analysis-tb").iterdir())


def test_compare_counts_what_only_one_answered(runs, do, tmp_path, capsys):
    control, run = (result["folder"] for result in runs)
    total = runs[0]["dev"]["total"]
    plant(tmp_path / run, ["right"] * 9 + ["nonsense"] * (total - 9))
    plant(tmp_path / control, ["nonsense"] * (total - 2) + ["right"] * 2)
    do("stage=compare", f"runs=[{run},{control}]")
    page = (tmp_path / "outputs" / "compare" / "compare.md").read_text()
    assert f"| {100 * 7 / total:+.1f} |" in page
    assert "| 9/2 |" in page
    assert "p = 0.065" in page  # exact McNemar: 2 * (1 + 11 + 55) / 2^11
    assert "cannot be told apart" in page


def test_compare_lets_three_runs_vote(runs, do, tmp_path):
    control, run = (result["folder"] for result in runs)
    third = do("stage=finetune", "init_from=none", "trainer.max_steps=3")["folder"]
    total = runs[0]["dev"]["total"]
    plant(tmp_path / control, ["nonsense"] * total)
    plant(tmp_path / run, ["right"] * 9 + ["nonsense"] * (total - 9))
    plant(tmp_path / third, ["right"] * 5 + ["nonsense"] * (total - 5))
    do("stage=compare", f"runs=[{run},{control},{third}]")
    page = (tmp_path / "outputs" / "compare" / "compare.md").read_text()
    assert f"A vote of all 3 runs answers 5 of {total} questions" in page


def test_the_report_says_whether_the_difference_is_real(runs, do, tmp_path, capsys):
    control, run = (result["folder"] for result in runs)
    total = runs[0]["dev"]["total"]
    plant(tmp_path / run, ["right"] * 9 + ["nonsense"] * (total - 9))
    plant(tmp_path / control, ["nonsense"] * total)
    do("stage=report")
    said = (tmp_path / "outputs" / "report.md").read_text()
    assert "## Is the difference real?" in said


def test_people_withheld_from_pretraining_are_not_read_and_told_apart(do, make_run, tmp_path):
    pretrained = do("stage=pretrain", "data.withheld=50")
    finetuned = do("stage=finetune", "data.withheld=50")
    assert finetuned["source"] == pretrained["folder"]
    data = load_data(make_run("stage=pretrain", "data.withheld=50"))
    names = {person.name for person in TINY_WORLD.persons(0, 40)}
    read = {opening_name(text) for text in data.to_read(data.documents)}
    withheld = names - read
    assert len(withheld) == 9  # half of 18 dev people
    assert withheld <= {person.name for person in TINY_WORLD.persons(20, 38)}
    assert len(data.dataset) == 2 * len(read)
    # A perfect memory: right about those it read of, and for others the place that is most frequent, which is no help.
    rows = load_data(make_run("stage=finetune", "data.withheld=50")).train
    folder, frequent, answers = tmp_path / finetuned["folder"], most_frequent([row.answer for row in rows]), []
    for row in read_predictions(folder):
        unread = any(name in row.question for name in withheld)
        answers.append(Prediction(row.question, row.gold, frequent if unread else row.gold, 0.25 if unread else 0.75))
    write_predictions(folder, answers)
    lucky = sum(row.gold == row.text == frequent for row in answers if row.probability == 0.25)
    do("stage=analyse", f"run={finetuned['folder']}", "data.withheld=50")
    page = (folder / "analysis" / "analysis.md").read_text()
    luck = f"{100 * lucky / 9:.1f}% ({lucky} of 9)"
    for line in (
        f"| document in pretraining | withheld | 9 | {luck} |",
        "| document in pretraining | read | 9 | 100.0% (9 of 9) |",
        f"| right | {luck} | 100.0% (9 of 9) |",
        f"| always {frequent} would be | {luck} |",
        "| given a place of the training rows | 100.0% (9 of 9) |",
        "| mean probability of the answers | 25.0% | 75.0% |",
        f"| said most often | {frequent} (9) |",
    ):
        assert line in page
    with pytest.raises(DataError, match="another documents file .* and its data.withheld"):
        do("stage=analyse", f"run={finetuned['folder']}")


def test_what_is_missing_or_does_not_fit_is_told(runs, do, tmp_path):
    control, run = (result["folder"] for result in runs)
    with pytest.raises(ConfigError, match="runs: expected two runs or more, got 1"):
        do("stage=compare", f"runs=[{run}]")
    with pytest.raises(ConfigError, match="run: expected the run to analyse"):
        do("stage=analyse")
    with pytest.raises(MissingInput, match=r"against: nobody is neither a finished run nor the name of one .*there: "):
        do("stage=analyse", f"run={run}", "against=nobody")
    with pytest.raises(DataError, match="answered other questions than .* name the data it was made from"):
        do("stage=analyse", f"run={run}", "data.seed=5")
    path = tmp_path / run / "predictions.tsv"
    good = path.read_text()
    path.write_text(good.replace("question\t", "ask\t"))
    with pytest.raises(DataError, match=r"predictions.tsv:1: expected the headings"):
        do("stage=compare", f"runs=[{run},{control}]")
    path.write_text(good + "only one field\n")
    with pytest.raises(DataError, match=r"predictions.tsv:\d+: expected question, .* got 1 fields"):
        do("stage=compare", f"runs=[{run},{control}]")
    path.write_text("\n".join(good.splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="answered other questions"):
        do("stage=compare", f"runs=[{run},{control}]")
    with pytest.raises(DataError, match=r"predictions.tsv: not the questions of .*birth_dev.tsv"):
        do("stage=analyse", f"run={run}")
    path.write_text(good.splitlines()[0] + "\n")
    with pytest.raises(DataError, match="holds no predictions"):
        do("stage=compare", f"runs=[{run},{control}]")
    path.unlink()
    with pytest.raises(MissingInput, match="has no predictions.tsv"):
        do("stage=compare", f"runs=[{run},{control}]")
    with pytest.raises(ConfigError, match="stands there twice"):
        do("stage=compare", f"runs=[{run},{run}]")
    with pytest.raises(ConfigError, match="runs: expected texts in the list, got 0"):
        do("stage=compare", "runs=[0,1]")
    with pytest.raises(ConfigError, match="into: expected a folder, got nothing"):
        do("stage=explore", "into=null")


def test_runs_without_scored_answers_are_not_compared(do):
    finetuned = do("stage=finetune", "init_from=none")["folder"]
    predicted = do("stage=predict", "abstain_below=0.5", f"init_from={finetuned}")["folder"]
    with pytest.raises(MissingInput, match="is a predict run and has no scored answers"):
        do("stage=compare", f"runs=[{finetuned},{predicted}]")


@pytest.mark.filterwarnings("error:constrained_layout")
def test_two_seeds_of_one_design_are_told_apart_by_their_names(do, tmp_path):
    first, second = (do("stage=finetune", "init_from=none", f"seed={seed}")["folder"] for seed in (0, 1))
    total = len(read_predictions(tmp_path / first))
    plant(tmp_path / first, ["right"] * 3 + ["nonsense"] * (total - 3))
    plant(tmp_path / second, ["nonsense"] * (total - 1) + ["right"])
    do("stage=analyse", f"run={first}", f"against={second}")
    page = (tmp_path / first / "analysis" / "analysis.md").read_text()
    assert re.search(r"\| right in vanilla.*seed0.* alone \| 3 \|", page)
    assert re.search(r"\| right in vanilla.*seed1.* alone \| 1 \|", page)
    do("stage=compare", f"runs=[{first},{second}]")
    assert "| 3/1 |" in (tmp_path / "outputs" / "compare" / "compare.md").read_text()


def test_the_page_is_written_when_the_model_is_gone(do, tmp_path, caplog):
    folder = do("stage=finetune", "init_from=none")["folder"]
    shutil.rmtree(tmp_path / folder / "checkpoints")
    do("stage=analyse", f"run={folder}")
    assert "people it never saw are left out" in caplog.text
    assert "## How sure it is" in (tmp_path / folder / "analysis" / "analysis.md").read_text()


def test_predictions_are_read_as_they_were_written(tmp_path):
    written = [
        Prediction("Where was Ada born?", "Rome", "Rome", 0.5),
        Prediction("Where was Ida born?", "", "two\nlines, a\ttab, a \\n", 1e-7),
    ]
    write_predictions(tmp_path, written)
    assert read_predictions(tmp_path) == written
    assert (tmp_path / "predictions.txt").read_text() == "Rome\ntwo\\nlines, a\\ttab, a \\\\n\n"
