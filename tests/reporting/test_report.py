import csv
import json
import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams

from whence.config.compose import compose
from whence.config.naming import settings
from whence.errors import DataError
from whence.reporting.report import labels, summarise
from whence.reporting.results import find_results


def result(
    attention="vanilla", seed=0, correct=50, *, pretrained=True, stage="finetune", folder=None, settings=(), **more
):
    folder = folder or f"{stage}/{attention}-{seed}-{pretrained}-{'-'.join(settings)}"
    return {
        "stage": stage, "attention": attention, "seed": seed, "pretrained": pretrained, "data": "cs224n",
        "settings": list(settings), "folder": folder, "weights": folder, "finished": "2026",
        "inputs": {"dev": "0123"}, "source": None, "parameters": 1000, "samples_per_second": 10.0,
        "dev": {"correct": correct, "total": 500, "accuracy": correct / 500},
        "baseline": {"london": 0.05, "most_frequent": 0.06, "most_frequent_place": "Paris"},
    } | more  # fmt: skip


def test_seeds_are_averaged_with_students_interval():
    (row,) = summarise([result(seed=seed, correct=correct) for seed, correct in enumerate((100, 110, 120))]).rows
    low, high = row.interval
    assert row.mean == pytest.approx(0.22)
    # by hand: standard deviation 0.02, standard error 0.02 / sqrt(3), t(0.975; 2) = 4.30265
    reach = 4.30265 * 0.02 / math.sqrt(3)
    assert (low, high) == pytest.approx((0.22 - reach, 0.22 + reach), abs=1e-6)


def test_a_single_run_has_wilsons_interval():
    (row,) = summarise([result(correct=25)]).rows
    # Wilson 1927 for 25 of 500: centre (p + z^2/2n) / (1 + z^2/n)
    z, n, p = 1.959964, 500, 0.05
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert row.interval == pytest.approx((centre - reach, centre + reach), abs=1e-5)


def test_seeds_that_agree_have_the_interval_of_one():
    """Their questions are the same: asking them again tells nothing of other ones."""
    (one,), (three,) = (summarise([result(seed=seed) for seed in range(count)]).rows for count in (1, 3))
    assert three.interval == one.interval


def test_a_model_evaluated_under_several_seeds_is_one_model():
    (row,) = summarise([result(stage="evaluate", seed=seed, weights="file") for seed in range(3)]).rows
    assert len(row.accuracies) == 1


def test_a_model_evaluated_twice_counts_once():
    finetuned = result()
    again = result(stage="evaluate", weights=finetuned["weights"])
    copied = finetuned | {"folder": "elsewhere"}
    alone = result(stage="evaluate", seed=1)
    (row,) = summarise([again, finetuned, copied, alone]).rows
    assert len(row.accuracies) == 2


def test_one_seed_counts_once_and_the_newer():
    old, new = result(correct=10), result(correct=20, weights="other", finished="2027")
    (row,) = summarise([new, old]).rows
    assert row.accuracies == (0.04,)


def test_settings_of_one_stage_are_not_those_of_the_other(make_run):
    """Or two designs would count as seeds of one."""
    runs = [make_run("stage=finetune", f"recipe.{stage}.epochs=7") for stage in ("pretrain", "finetune")]
    told = [settings(run.config, compose) for run in runs]
    assert told[0] != told[1]
    assert "pretrain.epochs-7" in told[0]
    assert "finetune.epochs-7" in told[1]


def test_other_questions_are_another_data_set():
    report = summarise([result(), result(seed=1, inputs={"dev": "9876"})])
    assert sorted(row.data for row in report.rows) == ["cs224n 0123", "cs224n 9876"]
    assert len(report.baselines) == 2


def test_what_all_runs_share_is_not_repeated_and_what_differs_is_told():
    same = summarise([result(settings=["long"]), result("synthesizer", settings=["long"])])
    assert [row.label for row in same.rows] == ["vanilla", "synthesizer"]
    other = summarise([result(settings=["long"]), result(settings=["n_layer-2"])])
    assert sorted(row.label for row in other.rows) == ["vanilla long", "vanilla n_layer-2"]


def test_the_table_has_baselines_controls_and_models(tmp_path, capsys):
    report = summarise([result(), result(pretrained=False, correct=5), result("synthesizer", correct=40)])
    report.print("Title")
    said = capsys.readouterr().out
    for words in ("always London", "5.0%", "most frequent place", "10.0%", "1.0%", "8.0%", "1,000"):
        assert words in said
    paths = report.write(tmp_path / "new")
    assert [path.name for path in paths] == ["report.md", "report.png"]
    assert paths[0].read_text().count("\n|") == 2 + 2 + 2
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def test_a_damaged_result_is_told(tmp_path):
    (tmp_path / "run").mkdir()
    for text in ("{", "[]", '{"a": 1}'):
        (tmp_path / "run" / "result.json").write_text(text)
        with pytest.raises(DataError, match=r"result.json: not a result"):
            find_results(tmp_path)


def test_report_reads_any_folder(do, tmp_path, capsys):
    (tmp_path / "theirs" / "run").mkdir(parents=True)
    (tmp_path / "theirs" / "run" / "result.json").write_text(json.dumps(result()))
    do("stage=report", f"report.runs={tmp_path}/theirs")
    assert "vanilla" in capsys.readouterr().out
    assert (tmp_path / "theirs" / "report.md").is_file()


def test_the_dashboard_has_what_it_promises(do, tmp_path):
    do("stage=pretrain", "trainer.max_steps=30")
    finetuned = do("stage=finetune", "trainer.max_steps=34", "recipe.finetune.epochs=30")
    folder = finetuned["folder"]
    events = EventAccumulator(f"{folder}/tb", size_guidance={"tensors": 0})
    events.Reload()
    tags = events.Tags()
    wanted = {"train/loss", "train/lr", "train/grad_norm", "speed/tokens_per_second", "speed/samples_per_second",
              "dev/exact_match"}  # fmt: skip
    assert wanted == set(tags["scalars"])
    assert {"attention/question 1", "attention/question 2"} <= set(tags["images"])
    assert any("dev/predictions" in tag for tag in tags["tensors"])
    start = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    session = hparams.parse_session_start_info_plugin_data(start)
    assert session.hparams["attention"].string_value == "vanilla"
    assert "seed" not in session.group_name, "seeds of one variant must form one group"
    measured = events.Scalars("dev/exact_match")
    assert [event.step for event in measured] == [*range(2, 33, 3), 33], "each measurement once, the last one too"
    assert measured[-1].value == pytest.approx(finetuned["dev"]["accuracy"])


def test_a_resumed_dashboard_has_no_step_twice(make_run, monkeypatch):
    from whence.run import execute
    from whence.training.module import LanguageModel

    words = ("stage=pretrain", "trainer.max_steps=60", "recipe.pretrain.epochs=20", "checkpoint.every_seconds=0")
    run = make_run(*words, "logger=csv")
    real = LanguageModel.training_step

    def dies(self, batch, batch_idx):
        if batch_idx == 35:
            raise RuntimeError("power cut")
        return real(self, batch, batch_idx)

    monkeypatch.setattr(LanguageModel, "training_step", dies)
    with pytest.raises(RuntimeError, match="power cut"):
        execute(run)
    monkeypatch.undo()
    execute(make_run(*words, "logger=csv"))
    with (run.folder / "csv" / "metrics.csv").open() as lines:
        rows = [int(row["step"]) for row in csv.DictReader(lines) if row["train/loss"]]
    events = EventAccumulator(f"{run.folder}/tb")
    events.Reload()
    steps = [event.step for event in events.Scalars("train/loss")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 59
    assert rows == steps


def test_long_settings_are_shortened_while_labels_stay_apart():
    paths = [f"init_from-/somewhere/pretrain/vanilla-seed0-cs224n-{end}" for end in ("aaaa1111", "bbbb2222")]
    results = [{"attention": "vanilla", "settings": [path], "pretrained": True} for path in paths]
    assert labels(results) == ["vanilla init_from-/som...-aaaa1111", "vanilla init_from-/som...-bbbb2222"]
    alike = [path.replace("-cs", f"-{n}-cs").replace("bbbb2222", "aaaa1111") for n, path in enumerate(paths)]
    results = [{"attention": "vanilla", "settings": [path], "pretrained": True} for path in alike]
    assert labels(results) == [f"vanilla {path}" for path in alike]
