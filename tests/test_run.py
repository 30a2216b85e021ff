"""Whole runs at a tiny size: what each stage leaves behind and hands on."""

import json
import re
import shutil

import pytest
import torch

from whence.errors import ConfigError, DataError, MissingInput, StorageError
from whence.reporting.results import find_results
from whence.stages.common import load_data
from whence.training import devices
from whence.training.checkpoints import newest_checkpoint, read_model


def test_the_whole_experiment(do, make_run, tmp_path, capsys):
    result = do("trainer.max_steps=8")
    folders = [path.relative_to(tmp_path / "outputs").as_posix() for path in map(type(tmp_path), result["runs"])]
    assert [folder.split("/")[0] for folder in folders] == ["finetune", "pretrain", "finetune", "evaluate"]
    control, pretrain, finetune, evaluate = (
        json.loads((tmp_path / "outputs" / folder / "result.json").read_text()) for folder in folders
    )
    assert (control["pretrained"], finetune["pretrained"]) == (False, True)
    assert evaluate["weights"] == finetune["weights"] != control["weights"]
    assert finetune["source"].endswith(folders[1])
    assert evaluate["source"].endswith(folders[2])
    assert evaluate["dev"] == finetune["dev"], "evaluating again must give what finetuning told"
    assert "dev" not in pretrain
    for name in ("predictions.txt", "predictions.tsv"):
        one, two = ((tmp_path / "outputs" / folder / name).read_bytes() for folder in folders[2:])
        assert one == two
    for key in ("stage", "attention", "seed", "data", "parameters", "seconds", "samples_per_second", "versions", "git",
                "command", "device"):  # fmt: skip
        assert evaluate[key] is not None
    assert evaluate["command"].startswith("python train.py ")
    assert set(evaluate["baseline"]) == {"london", "most_frequent", "most_frequent_place"}
    assert (
        evaluate["dev"]["total"]
        == len((tmp_path / "outputs" / folders[3] / "predictions.txt").read_text().split("\n")) - 1
    )
    table = capsys.readouterr().out
    for words in ("always London", "vanilla", "yes", "no"):
        assert words in table
    assert do("trainer.max_steps=8")["runs"] == result["runs"]


def test_weights_are_handed_from_stage_to_stage(do, make_run):
    do("stage=pretrain")
    run = make_run("stage=finetune", "recipe.finetune.lr=1e-12", "optimizer.weight_decay=0")
    from whence.run import execute

    execute(run)
    before = read_model(newest_checkpoint(make_run("stage=pretrain").checkpoints)).weights
    after = read_model(newest_checkpoint(run.checkpoints)).weights
    assert all((before[key] - after[key]).abs().max() < 1e-6 for key in before)


def test_a_model_is_taught_by_models_of_other_seeds(do, make_run):
    words = ("stage=pretrain", "recipe.pretrain.teachers=[1,2]")
    for stage in ("pretrain", "pipeline"):
        with pytest.raises(MissingInput, match=r"-m .*stage=pretrain .*teachers=\[\].* seed=1,2"):
            do(f"stage={stage}", words[1])
    assert not find_results(make_run().folder.parent.parent), "told before anything is trained"
    made = [do("stage=pretrain", f"seed={seed}") for seed in (1, 2)]
    taught = do(*words)
    assert [taught["inputs"][f"teacher {n}"] for n in (1, 2)] == [teacher["weights"] for teacher in made]
    assert taught["weights"] != do("stage=pretrain")["weights"]
    assert "pretrain.teachers-[1, 2]" in taught["settings"]
    folder = made[0]["folder"]
    assert do("stage=pretrain", f"recipe.pretrain.teachers=[{folder},2]")["weights"] == taught["weights"]
    do(*words, "recipe.pretrain.taught=0.7")  # by the same teachers
    small = do("stage=pretrain", "model.block_size=96")["folder"]
    with pytest.raises(ConfigError, match=r"teachers: .*block_size-96.* takes 96 positions, samples have up to 127"):
        do("stage=pretrain", f"recipe.pretrain.teachers=[{small}]")
    tuned = do("stage=finetune", words[1])
    assert tuned["source"] == taught["folder"]
    do("stage=pretrain", "seed=1", "rerun=true", "recipe.pretrain.lr=1e-3", f"run_dir={folder}")
    with pytest.raises(DataError, match=r"made from another teacher 1.*rerun=true"):
        do("stage=pretrain", f"recipe.pretrain.teachers=[{folder},2]")


@pytest.mark.parametrize("pretraining", ["spans", "names", "likely"])
def test_a_recipe_goes_with_any_pretraining(do, pretraining):
    assert do("stage=pretrain", "recipe=recall", f"pretraining={pretraining}", "corruption=long")["steps"] == 6


def test_predict_answers_the_test_questions_in_order(do, tmp_path):
    do("stage=pretrain")
    do("stage=finetune")
    folder = tmp_path / do("stage=predict")["folder"]
    rows = (folder / "predictions.tsv").read_text().splitlines()
    questions = next((tmp_path / "outputs" / "data").glob("*/birth_test_inputs.tsv")).read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == questions
    assert len((folder / "predictions.txt").read_text().splitlines()) == len(questions)
    chances = sorted(float(row.split("\t")[3]) for row in rows[1:])
    least = (chances[0] + chances[1]) / 2
    certain = do("stage=predict", f"abstain_below={least}")
    assert certain["folder"] != str(folder.relative_to(tmp_path))
    assert certain["abstained"] == 1
    assert (tmp_path / certain["folder"] / "predictions.txt").read_text().splitlines().count("") == 1


def test_questions_of_ones_own(do, tmp_path):
    do("stage=pretrain")
    do("stage=finetune")
    person = next((tmp_path / "outputs" / "data").glob("*/birth_dev.tsv")).read_text().splitlines()[0]
    (tmp_path / "mine.tsv").write_text(person + "\n")
    assert do("stage=evaluate", f"questions={tmp_path}/mine.tsv")["dev"]["total"] == 1
    (tmp_path / "inputs.txt").write_text(person.split("\t")[0] + "\n")
    assert do("stage=predict", f"questions={tmp_path}/inputs.txt")["questions"] == 1


def test_ask_answers_and_says_how_sure(do, command, capsys):
    do("stage=pretrain")
    do("stage=finetune")
    capsys.readouterr()
    do("stage=ask", 'question="Where was London born?"')
    assert re.match(r"(?!I do not know).*% sure\)", capsys.readouterr().out)
    do("stage=ask", 'question="Where was London born?"', "abstain_below=1")
    assert capsys.readouterr().out.startswith("I do not know; at best: ")
    with pytest.raises(Exception, match="never seen: '✈'"):
        do("stage=ask", 'question="Where was ✈ born?"')


def test_preview_shows_both_kinds_of_samples(do, capsys):
    do("stage=preview", "samples=4")
    said = capsys.readouterr().out
    assert said.count("⁇") == 4 * 2 + 4 * 2
    assert "born?⁇" in said


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("schedule", ["cosine", "constant", "linear"])
def test_choices_train(do, optimizer, schedule):
    result = do("stage=pretrain", f"optimizer={optimizer}", f"schedule={schedule}", "logger=none")
    assert result["steps"] == 6


def test_samples_about_names_train(do):
    assert "-names" in do("stage=pretrain", "pretraining=names")["folder"]


def test_norms_and_biases_alone_are_trained_where_that_is_wanted(do, tmp_path):
    before = read_model(newest_checkpoint(tmp_path / do("stage=pretrain")["folder"] / "checkpoints")).weights
    result = do("stage=finetune", "recipe.finetune.trains=norms_and_biases", "recipe.finetune.lr=1e-2")
    after = read_model(newest_checkpoint(tmp_path / result["folder"] / "checkpoints")).weights
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(after[name].ndim == 1 for name in changed)
    for stage in ("stage=finetune", "stage=pipeline"):  # told before anything is trained
        with pytest.raises(ConfigError, match=r"optimizer: muon needs matrices"):
            do(stage, "recipe.finetune.trains=norms_and_biases", "optimizer=muon", "name=never")
    assert not list(tmp_path.rglob("*never*"))
    with pytest.raises(ConfigError, match=r"recipe.finetune.trains: expected one of all, norms_and_biases"):
        do("stage=finetune", "recipe.finetune.trains=norms")


def test_a_model_from_nothing_trains_all_of_itself(do, tmp_path):
    result = do("stage=finetune", "init_from=none", "recipe.finetune.trains=norms_and_biases")
    trained = read_model(newest_checkpoint(tmp_path / result["folder"] / "checkpoints")).weights
    again = do("stage=finetune", "init_from=none")
    assert all(
        torch.equal(trained[name], weight)
        for name, weight in read_model(newest_checkpoint(tmp_path / again["folder"] / "checkpoints")).weights.items()
    )


def test_a_run_pretrained_in_another_way_is_not_taken(do):
    do("stage=pretrain")
    for other in ("pretraining=names", "corruption=long", "recipe.pretrain.lr=1e-3"):
        with pytest.raises(MissingInput, match="there is no finished pretrain run"):
            do("stage=finetune", other)
    assert do("stage=finetune", "trainer.max_steps=4")["pretrained"]  # a shorter finetuning of the same model


def test_rows_are_carved_from_the_training_rows_to_choose_recipes_by(do, tmp_path):
    result = do("stage=finetune", "init_from=none", "recipe.finetune.held_out=25")
    assert result["held_out"]["total"] == 5  # of 20 training rows
    assert result["dev"]["total"] == 18
    with pytest.raises(ConfigError, match="held_out: expected a whole number from 0 to 90"):
        do("stage=finetune", "init_from=none", "recipe.finetune.held_out=100")


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_recipe_that_does_not_shuffle_keeps_the_order_of_the_file(make_run, stage):
    data = load_data(make_run(f"stage={stage}", f"recipe.{stage}.shuffle=false"))
    data.plan(2, lambda: 0)
    numbers = [batch.numbers.tolist() for batch in data.train_dataloader()]
    assert sum(numbers, []) == list(range(2 * data.batch_size))


def test_bfloat16_learns_what_float32_does(do):
    words = ("stage=finetune", "init_from=none", "trainer.max_steps=20")
    exact, halved = (do(*words, f"trainer.precision={precision}") for precision in ("32-true", "bf16-mixed"))
    assert halved["loss"]["train"] == pytest.approx(exact["loss"]["train"], rel=0.02)
    assert halved["dev"]["total"] == exact["dev"]["total"] > 0


def test_auto_takes_bfloat16_where_it_is_fast_and_says_so(do, monkeypatch):
    for fast, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device, fast=fast: fast)
        assert do("stage=pretrain", "trainer.max_steps=1", "rerun=true")["precision"] == precision


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_learns_what_an_eager_one_does(do):
    words = ("stage=pretrain", "model.dropout=0", "trainer.max_steps=4", "trainer.precision=32-true")
    eager, compiled = (do(*words, f"trainer={trainer}") for trainer in ("auto", "fast"))
    assert (eager["compiled"], compiled["compiled"]) == (False, True)
    assert compiled["loss"]["train"] == pytest.approx(eager["loss"]["train"], rel=1e-3)


def test_real_corpus_shortened(do, make_run, cs224n, tmp_path):
    """The course's data, a few steps of each stage: counts, baseline, files; and one step at the course's size."""
    words = ["data=cs224n", f"data.dir={cs224n}", "trainer.max_steps=2"]
    result = do(*words)
    assert result["dev"]["total"] == 500
    assert result["baseline"]["london"] == 0.05
    assert len((tmp_path / result["folder"] / "predictions.txt").read_text().splitlines()) == 500
    assert len(find_results(tmp_path / "outputs")) == 4
    full = ["model.n_layer=4", "model.n_head=8", "model.n_embd=256", "trainer.max_steps=1"]
    assert do("stage=pretrain", *words, *full)["parameters"] == 3_323_392


def test_marks_stand_in_no_question(do):
    tuned = do("stage=finetune", "init_from=none")["folder"]
    with pytest.raises(DataError, match="question: characters that the model has never seen: '⁇'"):
        do("stage=ask", f"init_from={tuned}", 'question="Where was ⁇ born?"')


def test_what_export_cannot_take_or_write_is_told(do, tmp_path):
    run = do("stage=pretrain")["folder"]
    with pytest.raises(ConfigError, match=r"into: expected the file to write, got the folder"):
        do("stage=export", f"run={run}", "format=safetensors", f"into={tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"into: .*file cannot be made"):
        do("stage=export", f"run={run}", "format=safetensors", f"into={tmp_path}/file/x")
    do("stage=export", f"run={run}", "format=safetensors", f"into={tmp_path}/m.safetensors")
    with pytest.raises(ConfigError, match=r"run: expected a run or a checkpoint .* got .*m.safetensors"):
        do("stage=export", f"run={tmp_path}/m.safetensors", "format=safetensors")
