"""What a user sees who types something wrong: one line that says what to do, a code that is not zero, nothing left."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY

from whence.cli import one_line
from whence.config.compose import compose
from whence.config.groups import CONF, options
from whence.errors import DataError, WhenceError
from whence.run import prepare

ROOT = Path(__file__).resolve().parents[1]


def one_error(process):
    lines = [line for line in process.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, process.stderr
    assert "Traceback" not in process.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["model.n_emdb=3"], 2, "unknown key model.n_emdb (did you mean model.n_embd?)", id="typo"),
        pytest.param(["+model.n_emdb=3"], 2, "unknown key model.n_emdb (did you mean model.n_embd?)", id="typo with +"),
        pytest.param(["atention=vanilla"], 2, "(did you mean attention?)", id="typo in a group"),
        pytest.param(["attention=synthesiser"], 2, "(did you mean synthesizer?)", id="unknown variant"),
        pytest.param(["stage=pretrian"], 2, "(did you mean pretrain?)", id="unknown stage"),
        pytest.param(["attention.columns=3"], 2, "did you mean model.attention.columns?", id="dot not slash"),
        pytest.param(["name=a, b [c"], 2, "quote", id="unquoted text"),
        pytest.param(["question=Where"], 2, "only with stage=ask", id="key of another stage"),
        pytest.param(["pretraining.samples.likely=3"], 2, "with pretraining=likely or", id="key of another choice"),
        pytest.param(["trainer.max_steps=many"], 2, "trainer.max_steps: expected a whole number", id="wrong type"),
        pytest.param(["stage=pretrain", "init_from=/no/such"], 66, "neither a file", id="no such run"),
    ],
)
def test_a_mistake_gets_one_line(command, tmp_path, words, code, said):
    process = command(*words)
    assert said in one_error(process)
    assert process.returncode == code
    assert {path.name for path in tmp_path.glob("outputs/*")} <= {"data"}, "a mistake left something behind"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=-1"], "seed: expected a whole number from 0"),
        (["seed=1.5"], "seed: expected a whole number"),
        (["trainer.precision=fp16"], "trainer.precision: expected one of auto, 32-true"),
        (["trainer.precision=16-mixed", "trainer=cpu"], "needs a GPU"),
        (["trainer.accelerator=tpu"], "trainer.accelerator: expected one of auto, cpu, gpu, mps"),
        (["trainer.max_steps=0"], "trainer.max_steps: expected a whole number of at least 1"),
        (["recipe.pretrain.lr=-1"], "recipe.pretrain.lr: expected a number"),
        (["recipe.pretrain.lr=nan"], "recipe.pretrain.lr: expected a number"),
        (["recipe.finetune.batch_size=0"], "recipe.finetune.batch_size"),
        (["model.n_embd=wide"], "model.n_embd: expected a whole number"),
        (["model.dropout=true"], "model.dropout: expected a number"),
        (["model=128"], "Config group override must be a string"),
        (["model.attention=synthesizer"], "write model/attention=synthesizer"),
        (["+trainer.max_epoch=3"], "unknown key trainer.max_epoch"),
        (["+recipe.pretrain.epoch=3"], "did you mean recipe.pretrain.epochs?"),
        (["+sed=3"], "did you mean seed?"),
        (["+data.peple=3"], "did you mean data.people?"),
        (["data=cs224n", "data.dir=null"], "data.dir: expected text"),
        (["model._target_=os.system"], "expected a name under whence."),
        (["stage.action=os.system"], "expected a name under whence."),
        (["optimizer._target_=subprocess.run"], "expected a name under whence."),
        (["+logger.evil._target_=builtins.open"], "expected a name under whence."),
        (["data._target_=whence.data.world.nothing"], "has no nothing"),
        (["trainer=ddp", "trainer.accelerator=mps"], "Apple silicon"),
        (["trainer.strategy=foo"], "trainer.strategy: expected one of auto"),
        (["recipe.pretrain.teachers=3"], "recipe.pretrain.teachers: expected a list, got 3"),
        (["recipe.pretrain.teachers=[1.5]"], "expected whole numbers or texts in the list, got 1.5"),
        (["recipe.pretrain.teachers=[-1]"], "recipe.pretrain.teachers: expected whole numbers of at least 0"),
        (["recipe.pretrain.taught=2"], "recipe.pretrain.taught: expected a number from 0 to 1"),
    ],
)
def test_a_wrong_value_names_its_key(words, said):
    with pytest.raises(Exception) as caught:
        run = prepare(compose(words), words)
        from whence.build import locate

        locate(run.config.stage.action)
    assert said in one_line(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_is_told(command):
    process = command("trainer=gpu", "stage=pretrain")
    assert "no CUDA GPU is visible" in one_error(process)
    assert process.returncode == 69


def test_a_typo_in_a_yaml_file_is_told(house, monkeypatch):
    """An experiment's file can hold what the command line could not."""
    monkeypatch.setattr("whence.config.compose.CONF", house / "conf")
    for text, said in (
        ("model: {n_emdb: 64}", "did you mean model.n_embd?"),
        ("recipe: {pretrain: {epoch: 3}}", "did you mean recipe.pretrain.epochs?"),
    ):
        number = len(list((house / "conf/experiment").iterdir()))  # a name of its own: configurations are remembered
        (house / f"conf/experiment/typo{number}.yaml").write_text(f"# @package _global_\nname: typo\n{text}\n")
        with pytest.raises(Exception) as caught:
            prepare(compose([f"experiment=typo{number}"]), [])
        assert said in one_line(caught.value)


def test_help_is_a_page_to_read_and_comes_at_once():
    for words in (["--help"], ["--cfg", "job"]):
        process = subprocess.run(
            [sys.executable, "-X", "importtime", str(ROOT / "train.py"), *words],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        heavy = (" torch", "pytorch_lightning", *([" hydra"] if words == ["--help"] else []))
        assert not [line for line in process.stderr.splitlines() if line.endswith(heavy)]
    page = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--help"], capture_output=True, text=True, check=True
    )
    for words in ("stage=finetune", "attention: alibi, linear", "data=cs224n", "trainer.precision"):
        assert words in page.stdout


def test_debug_shows_the_traceback(command):
    process = command("stage=evaluate", "debug=true")
    assert "Traceback" in process.stderr
    assert process.returncode == 66


def test_a_missing_pretrained_run_says_how_to_make_it(do, make_run):
    do("stage=pretrain", "seed=5")
    with pytest.raises(WhenceError, match=r"make it: \S*python\S* train.py .*stage=pretrain") as caught:
        do("stage=finetune", "seed=6")
    assert "vanilla-seed5" in str(caught.value)
    assert "init_from=none" in str(caught.value)
    assert not make_run("stage=finetune", "seed=6").folder.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["attention=synthesizer"], "was trained with attention=vanilla"),
        (["model.n_embd=32"], "model.n_embd=16"),
        (["model.block_size=96"], "model.block_size=128"),
        (["data.phrasings=12"], "another text"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(do, words, said):
    source = do("stage=pretrain", "data.phrasings=3")["folder"]
    with pytest.raises(WhenceError, match=said) as caught:
        do("stage=finetune", f"init_from={source}", "data.phrasings=3", *words)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    """A real small file system that is full after some checkpoints, then has room again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    from conftest import TINY

    words = [*TINY, f"run_root={disk}/outputs", "stage=pretrain", "trainer.max_steps=12", "model.n_embd=64",
             "checkpoint.every_seconds=0", "logger=none"]  # fmt: skip
    python = f"{sys.executable} {ROOT / 'train.py'} {' '.join(words)}"
    # Inside a mount namespace of its own: nothing of it outlives the shell.
    script = (
        f"mount -t tmpfs -o size=4m tmpfs {disk} && dd if=/dev/zero of={disk}/ballast bs=1k count=2600 2>/dev/null;"
        f"{python}; echo first $?; ls -a {disk}/outputs/pretrain/*/checkpoints 2>/dev/null; rm {disk}/ballast;"
        f"mount -o remount,size=64m {disk}; {python}; echo second $?"
    )
    process = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True, check=False)
    if "first" not in process.stdout:
        pytest.skip(f"this machine does not let a test mount a small disk: {process.stderr.strip()[:100]}")
    assert "first 74" in process.stdout, process.stderr
    assert "No space left" in one_error(process) or "disk is full" in one_error(process)
    assert ".partial" not in process.stdout
    assert "second 0" in process.stdout, process.stderr


def test_experiments_override_the_short_group():
    """`override /model/attention` in an experiment would silently beat attention= on the command line."""
    for path in (CONF / "experiment").glob("*.yaml"):
        assert "/model/attention" not in path.read_text(), path


@pytest.mark.parametrize("spelling", ["attention=synthesizer", "model/attention=synthesizer"])
def test_both_spellings_name_the_same_run(make_run, spelling):
    run = make_run("stage=pretrain", spelling)
    assert run.config.model.name == "synthesizer"
    assert run.folder.name.startswith("synthesizer-seed0")


def test_every_choice_of_every_group_composes_and_is_valid():
    from omegaconf import OmegaConf

    from whence import build
    from whence.config.validate import validate

    seen = 0
    for group in ("attention", "corruption", "data", "model", "optimizer", "recipe", "schedule", "stage", "trainer",
                  "logger", "experiment"):  # fmt: skip
        for option in options(group):
            config = compose([f"{group}={option}", "run_dir=here"])
            optional = {"wandb", "mlflow"} & set(OmegaConf.to_container(config.logger, resolve=True))
            if not optional:
                validate(OmegaConf.to_container(config, resolve=True), build.locate)
            seen += 1
    assert seen > 30


def test_runs_are_named_by_what_they_are(make_run, tmp_path):
    def name(*words):
        return prepare(compose(words), words).folder.relative_to("outputs").as_posix()

    assert name("stage=pretrain") == "pretrain/vanilla-seed0"
    assert name("stage=pretrain", "data=synthetic", "trainer=auto", "debug=true") == "pretrain/vanilla-seed0"
    assert name("stage=pretrain", "attention=synthesizer", "seed=3") == "pretrain/synthesizer-seed3"
    assert name("stage=pretrain", "data=cs224n", "data.dir=/a") == name("stage=pretrain", "data=cs224n", "data.dir=/b")
    assert name("stage=pretrain", "recipe.finetune.lr=1") == "pretrain/vanilla-seed0"
    assert name("stage=pretrain", "recipe.pretrain.taught=0.7") == "pretrain/vanilla-seed0", "by nobody"
    assert name("stage=pretrain", "trainer.max_steps=5") == "pretrain/vanilla-seed0-max_steps-5"
    different = {
        name("stage=pretrain", word)
        for word in ("recipe.pretrain.epochs=3", "recipe.pretrain.lr=3e-3", "model.n_layer=3", "corruption=long",
                     "data.people=50", "data.seed=1", "optimizer=adamw", "model=gpt", "data=cs224n", "trainer=cpu")
    }  # fmt: skip
    assert len(different) >= 9


def test_a_directory_of_another_run_is_not_mixed(do, make_run, tmp_path):
    do("stage=pretrain", f"run_dir={tmp_path}/mine")
    with pytest.raises(WhenceError, match=r"holds a run with model.n_layer=3, this one has model.n_layer=1"):
        do("stage=pretrain", f"run_dir={tmp_path}/mine", "model.n_layer=1")
    do("stage=pretrain", f"run_dir={tmp_path}/mine", "model.n_layer=1", "rerun=true")
    assert json.loads((tmp_path / "mine" / "result.json").read_text())["model"]["n_layer"] == 1
    shutil.rmtree(tmp_path / "mine")


def test_a_foreign_folder_is_never_cleared(do, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    with pytest.raises(WhenceError, match=r"holds 1 files that are no run of whence \(thesis.txt\)"):
        do("stage=pretrain", f"run_dir={tmp_path}/precious", "rerun=true")
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["thesis.txt"]


@pytest.fixture
def course(do, tmp_path):
    """A stand-in for the course's folder, to be changed."""
    do("stage=preview", "samples=1")
    source = next((tmp_path / "outputs" / "data").iterdir())
    shutil.copytree(source, tmp_path / "course")
    return tmp_path / "course"


def test_data_that_changed_is_noticed(do, course):
    words = ["data=cs224n", f"data.dir={course}", "logger=none"]
    do("stage=pretrain", *words)
    do("stage=finetune", *words)
    dev = course / "birth_dev.tsv"
    dev.write_text("".join(dev.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(WhenceError, match="made from another dev than there is now"):
        do("stage=finetune", *words)
    assert do("stage=evaluate", *words)["dev"]["total"] == 3
    do("stage=pretrain", "recipe=recall", *words)
    train = course / "birth_places_train.tsv"
    train.write_text("".join(train.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(WhenceError, match="made from another train"):
        do("stage=pretrain", "recipe=recall", *words)
    with pytest.raises(WhenceError, match="was made from another train file"):
        do("stage=finetune", "recipe=recall", *words)
    wiki = course / "wiki.txt"
    wiki.write_text(wiki.read_text().replace("London", "Mondon") + "London Paris .\n")
    with pytest.raises(WhenceError, match="made from another documents"):
        do("stage=pretrain", *words)
    with pytest.raises(WhenceError, match="was made from another documents file"):
        do("stage=finetune", *words, "rerun=true")


def test_what_a_worker_process_refuses_is_one_line():
    told = (
        "Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "lines.py", line 1, in f\nwhence.errors.DataError: wiki.txt: changed while it was in use'
    )
    assert one_line(DataError(told)) == "wiki.txt: changed while it was in use"
    assert one_line(DataError("two\nlines")) == "two lines"


def test_a_result_of_weights_that_are_gone_is_not_reported(do):
    do("stage=pretrain")
    folder = Path(do("stage=finetune")["folder"])
    inputs = json.loads((folder / "inputs.json").read_text())
    (folder / "inputs.json").write_text(json.dumps(inputs | {"initial weights": "of another pretraining"}))
    with pytest.raises(WhenceError, match="made from another initial weights than there is now; rerun=true"):
        do("stage=finetune")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.n_layer=0"], "n_layer: expected at least 1"),
        (["model.n_head=0"], "n_head: expected at least 1"),
        (["model.n_embd=-8"], "n_embd: expected at least 1"),
        (["model.dropout=1"], "dropout: expected 0 or more and under 1"),
        (["optimizer.weight_decay=-1"], "optimizer.weight_decay: expected at least 0"),
        (["optimizer.betas=[0.9]"], "optimizer.betas: expected two numbers"),
        (["trainer.accumulate_grad_batches=64"], "cannot be split into 64 parts"),
        (["attention=synthesizer", "model.attention.columns=50"], "it takes 50 positions"),
        (["schedule.floor=2"], "schedule.floor"),
        (["stage=pipeline", "init_from=none"], "init_from: the whole experiment makes its own"),
        (["stage=pipeline", "run_dir=here"], "run_dir: the whole experiment has several runs"),
        (["init_from=/etc/passwd", "stage=finetune"], "not a readable file of weights"),
        (["init_from=auto"], "init_from: no stage comes before stage=pretrain"),
        (["recipe.pretrain.teachers=[0]"], r"make it: \S*python train.py .*stage=pretrain .*teachers=\[\]. seed=0$"),
        (["recipe.pretrain.teachers=[nobody]"], "recipe.pretrain.teachers: nobody is neither a file"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_written(do, make_run, words, said):
    with pytest.raises(WhenceError, match=said):
        do("stage=pretrain", *words)
    run = make_run("stage=pretrain", *words)
    assert not run.folder.exists()


def test_a_reader_that_has_enough_is_no_error(do, tmp_path):
    """As with `| head -1`."""
    do("stage=pretrain")
    words = [*TINY, f"run_root={tmp_path / 'outputs'}", "stage=sample"]
    with subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 128 + signal.SIGPIPE
    assert "error" not in said.lower(), said


@pytest.mark.parametrize("block_size", [37, 60, 128])
@pytest.mark.parametrize("attention", ["vanilla", "synthesizer"])
def test_any_block_size_trains(do, block_size, attention):
    assert do("stage=pretrain", f"model.block_size={block_size}", f"attention={attention}")["steps"] == 6


def test_multirun_may_stand_anywhere(command):
    process = command("stage=preview", "samples=1", "seed=0,1", "-m")
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(
    "text",
    [
        "O God, O God!",
        'say "hi"',
        "a\\b",
        "end\\",
        'x\\"y',
        "[a,b]",
        "Where was X born?",
        "a=b",
        "it's",
        "{x: 1}",
        "${seed}",
    ],
)
def test_a_prompt_is_taken_as_it_was_typed(text):
    from whence.cli import quoted

    assert compose(["stage=sample", quoted(f"prompt={text}")]).prompt == text


def test_only_free_text_is_quoted():
    from whence.cli import quoted

    for word in ("seed=0,1", "prompt=null", "prompt=", 'question="Where was X born?"', "-m", "name=a,b"):
        assert quoted(word) == word
