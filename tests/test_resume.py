"""A run that was stopped, however and wherever, ends with the bits of a run that never was."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partialmethod
from pathlib import Path

import pytest
import torch

from whence import cli
from whence.errors import Interrupted, StorageError, TrainingError
from whence.run import execute
from whence.stages import train as train_stage
from whence.training.checkpoints import manifest, newest_checkpoint, read_checkpoint
from whence.training.module import LanguageModel
from whence.training.watch import ON_DEVICES, Watch

ROOT = Path(__file__).resolve().parents[1]
STEPS = 9  # pretraining: 5 steps an epoch, finetuning: 3, so that stops fall within and between epochs
LONG = (f"trainer.max_steps={STEPS}", "recipe.finetune.epochs=5", "checkpoint.every_seconds=0", "logger=none")


def digest(folder: Path) -> dict[str, str]:
    """Sums of all that a run computed: weights, optimizer, schedule, position, predictions."""
    state = read_checkpoint(newest_checkpoint(folder / "checkpoints"))
    found = {name: _sum(state[name]) for name in ("state_dict", "optimizer_states", "lr_schedulers", "global_step")}
    if (folder / "predictions.tsv").exists():
        found["predictions"] = hashlib.sha256((folder / "predictions.tsv").read_bytes()).hexdigest()
    return found


def _sum(value) -> str:
    if isinstance(value, torch.Tensor):
        return hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()
    if isinstance(value, dict):
        return _sum([f"{key}={_sum(value[key])}" for key in sorted(value, key=str)])
    if isinstance(value, list | tuple):
        return hashlib.sha256("|".join(map(_sum, value)).encode()).hexdigest()
    return repr(value)


@pytest.fixture
def stop_after(monkeypatch):
    """Send this process a signal in the middle of a step, as a user or a cluster does."""

    def arrange(step, number=signal.SIGTERM):
        real = LanguageModel.training_step

        def training_step(self, batch, batch_idx):
            if batch_idx + 1 == step:
                os.kill(os.getpid(), number)
            return real(self, batch, batch_idx)

        monkeypatch.setattr(LanguageModel, "training_step", training_step)

    return arrange


def uninterrupted(make_run, *words):
    run = make_run("run_root=" + str(make_run().config.run_root) + "-whole", *words)
    execute(run)
    return digest(run.folder)


@pytest.mark.parametrize(
    ("attention", "precision"), [("vanilla", "32-true"), ("vanilla", "bf16-mixed"), ("synthesizer", "auto")]
)
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_stop_at_any_step_changes_nothing(make_run, stop_after, monkeypatch, stage, attention, precision):
    words = (f"stage={stage}", f"attention={attention}", f"trainer.precision={precision}", "init_from=none", *LONG)
    expected = uninterrupted(make_run, *words)
    for step in (1, 3, 5, 6, STEPS - 1):
        again = make_run(f"run_dir={make_run().config.run_root}/stop-{step}", *words)
        stop_after(step)
        with pytest.raises(Interrupted, match=f"after step {step}"):
            execute(again)
        assert not (again.folder / "result.json").exists()
        monkeypatch.undo()
        torch.manual_seed(999)  # whatever state the process is in
        execute(again)
        assert digest(again.folder) == expected, f"stopped after step {step}"


def test_a_taught_run_resumes_with_the_same_bits(make_run, stop_after, monkeypatch):
    execute(make_run("stage=pretrain", "seed=1"))
    words = ("stage=pretrain", f"recipe.pretrain.teachers=[{make_run('stage=pretrain', 'seed=1').folder}]", *LONG)
    expected = uninterrupted(make_run, *words)
    again = make_run(*words)
    stop_after(4)
    with pytest.raises(Interrupted, match="after step 4"):
        execute(again)
    monkeypatch.undo()
    execute(again)
    assert digest(again.folder) == expected


def test_accumulated_batches_resume_at_whole_steps(make_run, stop_after, monkeypatch):
    words = ("stage=pretrain", "trainer.accumulate_grad_batches=2", *LONG)
    expected = uninterrupted(make_run, *words)
    again = make_run(*words)
    stop_after(7)  # the first half of step 4
    with pytest.raises(Interrupted, match="after step 4"):
        execute(again)
    monkeypatch.undo()
    execute(again)
    assert digest(again.folder) == expected


def test_workers_change_nothing(make_run):
    words = ("stage=pretrain", *LONG)
    expected = uninterrupted(make_run, *words)
    again = make_run("trainer.num_workers=2", *words)
    execute(again)
    assert digest(again.folder) == expected


def test_a_finished_run_is_reported_and_not_repeated(make_run, monkeypatch):
    run = make_run("stage=pretrain", *LONG)
    result = execute(run)
    monkeypatch.setattr(train_stage, "fit", lambda *_: pytest.fail("trained again"))
    assert execute(make_run("stage=pretrain", *LONG)) == result
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        execute(make_run("stage=pretrain", "rerun=true", *LONG))


def test_a_run_killed_between_its_last_step_and_its_result_tells_the_same(make_run):
    run = make_run("stage=finetune", "init_from=none", *LONG)
    before = execute(run)
    (run.folder / "result.json").unlink()
    after = execute(make_run("stage=finetune", "init_from=none", *LONG))
    assert before["loss"].keys() == {"train"}
    assert all(before[key] == after[key] for key in ("loss", "weights", "dev", "seconds"))


def test_a_job_that_a_cluster_gives_back_goes_on_even_where_it_was_to_begin_anew(make_run, monkeypatch):
    words = ("stage=pretrain", "rerun=true", *LONG)
    execute(make_run(*words))
    monkeypatch.setattr(train_stage, "fit", lambda *_: pytest.fail("trained again"))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    execute(make_run(*words))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "0")
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        execute(make_run(*words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stage=pretrain"], "; the same command goes on from there"),
        (["rerun=true"], "; the same command without rerun=true goes on from there"),
    ],
)
def test_what_goes_on_is_not_what_begins_anew(words, said, monkeypatch, capsys):
    def stopped():
        raise Interrupted("stopped by SIGTERM after step 5")

    monkeypatch.setattr(cli, "_hydra_main", stopped)
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    monkeypatch.delitem(sys.modules, "whence.sweep", raising=False)
    assert cli.main() == 75
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("looks", [1, ON_DEVICES], ids=["processor", "device"])
@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_never_saved(make_run, monkeypatch, what, value, looks):
    run = make_run("stage=pretrain", *LONG)
    monkeypatch.setattr(Watch, "__init__", partialmethod(Watch.__init__, every_steps=looks))
    real = LanguageModel.training_step

    def broken(self, batch, batch_idx):
        loss = real(self, batch, batch_idx)
        if batch_idx != 4:
            return loss
        if what == "loss":
            with torch.no_grad():
                self.model.head.weight[:] = value
            return real(self, batch, batch_idx)
        self.model.head.weight.register_hook(lambda gradient: gradient * value)
        return loss

    monkeypatch.setattr(LanguageModel, "training_step", broken)
    with pytest.raises(TrainingError, match=rf"{what} became (nan|inf) at step 5 \(.*wiki.txt samples \d+"):
        execute(run)
    state = read_checkpoint(newest_checkpoint(run.checkpoints))
    assert state["global_step"] == 4
    assert all(tensor.isfinite().all() for tensor in state["state_dict"].values())


def test_a_stop_that_cannot_save_still_stops(make_run, stop_after, monkeypatch):
    """In a sweep an ordinary error would start the next job, which is not what Ctrl-C asks for."""
    run = make_run("stage=pretrain", *LONG, "checkpoint.every_seconds=1000")

    def full(*_):
        raise StorageError("the disk is full")

    monkeypatch.setattr("whence.training.checkpoints.write_atomically", full)
    stop_after(3)
    with pytest.raises(Interrupted, match=r"after step 3, which could not be saved \(the disk is full\)"):
        execute(run)


def test_signal_handlers_are_put_back_whatever_happens(make_run, monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    execute(make_run("stage=pretrain", *LONG))
    assert {number: signal.getsignal(number) for number in before} == before

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(LanguageModel, "training_step", broken)
    with pytest.raises(RuntimeError, match="broken"):
        execute(make_run("stage=pretrain", *LONG, "seed=1"))
    assert {number: signal.getsignal(number) for number in before} == before


def start(folder: Path, *words: str, cache: Path | None = None) -> subprocess.Popen:
    """cache: where torch.compile keeps what it compiled, for a process that is to find nothing there."""
    env = None if cache is None else os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
    )  # fmt: skip


def wait_for_checkpoint(folder: Path, process: subprocess.Popen, beyond: str = "") -> str:
    deadline = time.monotonic() + 300  # compiling on a busy machine
    while time.monotonic() < deadline and process.poll() is None:
        # A file that the manifest does not name yet is none: killed between the two, a run begins anew.
        if (names := [entry["file"] for entry in manifest(folder)]) and names[-1] > beyond:
            return names[-1]
        time.sleep(0.01)
    pytest.fail(f"no checkpoint beyond {beyond!r}: {process.stdout.read() if process.stdout else ''}")


@pytest.mark.parametrize(
    ("trainer", "kills"),
    [
        ("auto", 3),
        pytest.param("fast", 1, marks=pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")),
    ],
)
def test_killed_and_still_the_same(make_run, tmp_path, trainer, kills):
    """kill -9 of the real process; the same command each time, compiled anew each time if at all."""
    from conftest import TINY

    words = ["stage=pretrain", f"trainer={trainer}", "model.n_layer=2", *LONG]  # of which compiling takes a minute
    words += ["trainer.max_steps=60", "recipe.pretrain.epochs=20"]
    expected = uninterrupted(make_run, *words)
    run = make_run(*words)
    command = [*TINY, f"run_root={run.config.run_root}", *words]
    seen = ""
    for number in range(kills):
        process = start(tmp_path, *command, cache=tmp_path / f"compiled-{number}")
        seen = wait_for_checkpoint(run.checkpoints, process, seen)
        process.kill()
        process.wait()
        assert not (run.folder / "result.json").exists()
    process = start(tmp_path, *command, cache=tmp_path / "compiled")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "going on from step" in said
    assert any((tmp_path / "compiled").rglob("*.so")) == (trainer == "fast")
    assert digest(run.folder) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_with_a_word_and_a_code(make_run, tmp_path, number):
    from conftest import TINY

    words = ["stage=pretrain", *LONG, "trainer.max_steps=4000", "recipe.pretrain.epochs=2000"]
    run = make_run(*words)
    process = start(tmp_path, *TINY, f"run_root={run.config.run_root}", *words)
    wait_for_checkpoint(run.checkpoints, process)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 75
    assert number.name in said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
