"""The README's commands, run as they stand there at a tiny size; its example variant, put through the contract."""

import itertools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY, at_home
from course_gpt import CourseGPT

from whence.cli import quoted
from whence.config.compose import compose
from whence.data.world import synthetic_corpus
from whence.errors import WhenceError
from whence.run import execute, prepare
from whence.vocab import CharVocab

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.S)


def lines(language):
    for kind, text in BLOCKS:
        if kind == language:
            for line in text.splitlines():
                if words := shlex.split(line, comments=True):
                    yield words


def train_commands():
    found = [words[2:] for words in lines("bash") if words[1:2] == ["train.py"]]
    assert len(found) >= 7
    return found


def make_targets():
    found = sorted({words[1] for words in lines("bash") if words[0] == "make"})
    assert {"run", "test", "data", "report", "dashboard"} <= set(found)
    return found


@pytest.fixture
def place(tmp_path):
    """One folder for all commands, as a reader has one, with a stand-in for the course's corpus."""
    folder = tmp_path
    files = synthetic_corpus(
        people=40, biographies=2, phrasings=12, train=50, dev=40, seed=0, cache=str(folder / "world")
    )
    course = folder / "cs224n"
    shutil.copytree(files.documents.parent, course)
    with (course / "wiki.txt").open("a") as wiki:
        wiki.write("Walter Gretzky. Walter Gretzky was born in Canning .\n")
    vocab = CharVocab.from_text((course / "wiki.txt").read_text(encoding="utf-8"))
    size = {"vocab": len(vocab), "layers": 3, "heads": 2, "width": 16, "block": 128, "bottleneck": 64}
    for name in ("vanilla.finetune", "perceiver.pretrain"):
        torch.save(CourseGPT(name.split(".")[0], **size).state_dict(), folder / f"{name}.params")
    for text in (folder / "my_diary.txt", folder / "data" / "tinyshakespeare" / "input.txt"):
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("O God, O God! How weary, stale, flat and unprofitable\n" * 60, encoding="utf-8")
    for name in ("vanilla-seed0", "vanilla-seed0-init_from-none", "synthesizer-seed0"):  # runs of the usual names
        words = [*TINY, "stage=finetune", f"attention={name.split('-')[0]}", "init_from=none"]
        words += [f"run_dir={folder / 'outputs' / 'finetune' / name}", f"run_root={folder / 'outputs'}"]
        execute(prepare(compose(words), words))
    return folder


def single_runs(words):
    """The jobs of a command: one, or with -m one for each combination of values."""
    if words[0] != "-m":
        return [words]
    options = [[f"{word.split('=')[0]}={value}" for value in word.split("=")[1].split(",")] for word in words[1:]]
    return [list(job) for job in itertools.product(*options)]


def shrunk(place, words):
    """The jobs of a README command, at a tiny size, on files that stand in for the real ones."""
    words = [quoted(word) for word in words]
    own_text = any("shakespeare" in word or "data=text" in word for word in words)
    real = any("cs224n" in word or word == "experiment=recall" for word in words)
    tiny = [word for word in TINY if not ((real or own_text) and word.startswith("data."))]
    tiny += ["trainer.max_steps=2", f"run_root={place}/outputs"]
    tiny += [f"data.dir={place}/cs224n"] if real else []
    return [[*job, *tiny] for job in single_runs(words)[:3]]


def test_train_commands_run_one_after_the_other(place, monkeypatch):
    """In the order of the page, as a reader types them: a later command may need what an earlier one made."""
    monkeypatch.chdir(place)
    for words in train_commands():
        for job in shrunk(place, words):
            try:
                execute(prepare(compose(job), job))
            except WhenceError as error:
                pytest.fail(f"python train.py {shlex.join(words)}: {error}")


@pytest.mark.parametrize("target", make_targets())
def test_make_targets_exist(target):
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_help_of_make_lists_all_targets():
    said = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in ("run", "test", "install", "data", "dashboard", "report", "lint", "clean"):
        assert re.search(rf"^  {target}\s+\w", said, flags=re.M)


def test_the_example_variant_passes_the_contract(house):
    for kind in ("python", "yaml"):
        (text,) = [text for language, text in BLOCKS if language == kind]
        path = house / re.search(r"# ((?:src|conf)/\S+)", text)[1]
        assert not path.exists()
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-k", "uniform and not by_heart", "tests/contract"],
        cwd=house, env=at_home(house), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"\.{12,}", done.stdout), done.stdout


def test_files_that_the_readme_names_exist():
    for path in re.findall(r"\]\(((?:docs|src|conf|tests)/[^)]+)\)", README):
        assert (ROOT / path).exists(), path
