"""The same experiment through Whence's own stages, measured as a user's run is: by its result.json."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from whence import build
from whence.config.compose import compose
from whence.data.corpus import Question
from whence.data.modules import BirthPlaceData
from whence.models.gpt import GPT
from whence.run import execute, prepare
from whence.stages.answers import answer
from whence.stages.common import load_data
from whence.training.checkpoints import newest_checkpoint, read_model

_SCHOOLING = 30  # steps of 32 question rows, after which answers are as long as places are


class Ours:
    """Runs of a kind at the reference size on the files of a folder, in the directory `into`.

    trainer: a choice of conf/trainer; `fast` compiles in its first run and finds that again in later ones.
    """

    def __init__(self, kind: str, folder: Path, into: Path, trainer: str, precision: str) -> None:
        self.words = [
            f"attention={kind}", "data=cs224n", f"data.dir={folder}", f"trainer={trainer}", "trainer.accelerator=cpu",
            f"trainer.precision={precision}", f"run_root={into}", "rerun=true", "checkpoint.every_seconds=3600",
            "logger=none",
        ]  # fmt: skip

    def train(self, steps: int, batch_size: int, *, stage: str) -> dict[str, Any]:
        """The result of a run of so many steps; for finetuning, without its questions being asked at the end."""
        words = [
            *self.words, f"stage={stage}", f"trainer.max_steps={steps}", "init_from=none",
            f"recipe.{stage}.batch_size={batch_size}",
        ]  # fmt: skip
        return execute(prepare(compose(words), words))

    def speed(self, steps: int, batch_size: int, *, stage: str) -> float:
        """Samples a second of the steps after the first, without what a run does once at its end."""
        first, all_of_them = (self.train(n, batch_size, stage=stage) for n in (1, 1 + steps))
        samples = [r["samples_per_second"] * r["seconds"] for r in (first, all_of_them)]
        return (samples[1] - samples[0]) / (all_of_them["seconds"] - first["seconds"])

    def first_step(self, batch_size: int) -> float:
        """Seconds from the composed configuration to the end of the first step, its checkpoint included."""
        started = time.perf_counter()
        self.train(1, batch_size, stage="pretrain")
        return time.perf_counter() - started

    def asked(self) -> tuple[GPT, list[Question], BirthPlaceData, dict[str, Any]]:
        """A model that has learned what answers look like, the dev questions, their data, and what the model is."""
        folder = Path(self.train(_SCHOOLING, 32, stage="finetune")["folder"])
        checkpoint = newest_checkpoint(folder / "checkpoints")
        assert checkpoint is not None
        stored = read_model(checkpoint)
        data = load_data(prepare(compose([*self.words, "stage=evaluate"]), self.words))
        assert isinstance(data, BirthPlaceData)
        model = build.build_model(stored.spec, vocab_size=len(data.vocab))
        model.load_state_dict(stored.weights)
        return model, data.dev, data, stored.spec


def answer_all(model: GPT, questions: list[Question], data: BirthPlaceData) -> tuple[list[str], float]:
    """The answers, and how many a second."""
    started = time.perf_counter()
    said = answer(model, questions, data, "cpu")
    return [a.text for a in said], len(questions) / (time.perf_counter() - started)


if __name__ == "__main__":  # KIND FOLDER BATCH: many steps, then the most memory they took, in kB
    kind, folder, batch = sys.argv[1:]
    with tempfile.TemporaryDirectory() as into:
        Ours(kind, Path(folder), Path(into), "auto", "auto").train(200, int(batch), stage="pretrain")
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
