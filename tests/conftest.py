"""What the tests share: the real configuration, shrunk; a small made-up corpus; the real one where it is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from whence.config.compose import compose
from whence.run import Run, execute, prepare

ROOT = Path(__file__).resolve().parents[1]
TINY = (
    "model.n_layer=3",
    "model.n_head=2",
    "model.n_embd=16",
    "data.people=40",
    "data.biographies=2",
    "trainer.threads=1",
    "trainer.max_steps=6",
    "recipe.pretrain.batch_size=16",
    "recipe.finetune.batch_size=8",
)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums depend on the number of threads, and small models are slower on two."""
    torch.set_num_threads(1)


@pytest.fixture
def make_run(tmp_path):
    """Prepare a run of the real configuration at a tiny size under the test's own folder."""

    def make(*overrides: str) -> Run:
        tiny = [word for word in TINY if not ("data=cs224n" in overrides and word.startswith("data."))]
        words = [*tiny, f"run_root={tmp_path / 'outputs'}", *overrides]
        return prepare(compose(words), words)

    return make


@pytest.fixture
def do(make_run):
    """Prepare and execute a tiny run; returns its result."""
    return lambda *overrides: execute(make_run(*overrides))


@pytest.fixture
def command(tmp_path):
    """Call train.py as a user does, at a tiny size under the test's own folder; returns the finished process."""

    def call(*overrides: str) -> subprocess.CompletedProcess[str]:
        words = [*TINY, f"run_root={tmp_path / 'outputs'}", *overrides]
        return subprocess.run(
            [sys.executable, str(ROOT / "train.py"), *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call


@pytest.fixture
def house(tmp_path):
    """A copy of the project that a test may change; call Python there with `at_home(house)` as its environment."""
    folder = tmp_path / "house"
    for part in ("src", "conf", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("train.py", "pyproject.toml"):
        shutil.copy(ROOT / part, folder)
    return folder


def at_home(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder / "src")}


@pytest.fixture(scope="session")
def cs224n() -> Path:
    """The folder of the course's corpus, which is not part of the project."""
    folder = os.environ.get("WHENCE_CS224N")
    if not folder:
        pytest.skip("the course's corpus is not here; set WHENCE_CS224N to its folder ('make data' fetches it)")
    return Path(folder)
