"""Progress for people: a bar on a terminal, plain lines elsewhere, and the same lines in the run's log file."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from whence.training.callbacks import log_now
from whence.vocab import PAD_ID

log = logging.getLogger(__name__)


class ProgressReport(pl.Callback):
    """Samples per second, loss, exact match and the time that is left; also logs tokens/s and the learning rate.

    `samples_per_second` is the average over the whole run, the time between interruption and resuming left out.
    """

    def __init__(self, title: str, *, every_seconds: float = 5.0) -> None:
        self.title = title
        self.every_seconds = every_seconds
        self.samples = 0
        self.seconds = 0.0
        self._seconds_before = 0.0
        self._losses_before: dict[str, float] = {}
        self._trainer: pl.Trainer | None = None
        self._bar: Progress | None = None
        self._task: Any = None
        self._tokens = torch.zeros(())
        self._mark = (0, 0.0)
        self._told_at = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"samples": self.samples, "seconds": self.seconds, "losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.samples = state_dict["samples"]
        self.seconds = self._seconds_before = state_dict["seconds"]
        self._losses_before = state_dict["losses"]

    @property
    def samples_per_second(self) -> float:
        return self.samples / self.seconds if self.seconds else 0.0

    @property
    def losses(self) -> dict[str, float]:
        """The last ones, by `train` and `validation`; those of the checkpoint where there is none since."""
        metrics = self._trainer.callback_metrics if self._trainer else {}
        found = {name: metrics[f"{name}/loss"] for name in ("train", "validation") if f"{name}/loss" in metrics}
        return self._losses_before | {name: round(float(loss), 4) for name, loss in found.items()}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._trainer = trainer
        self._started = time.monotonic()
        self._paced_from: tuple[int, float] | None = None
        self._mark = (self.samples, self._started)
        self._told_at = self._started
        self._tokens = torch.zeros((), device=pl_module.device)
        if sys.stderr.isatty() and trainer.is_global_zero:
            from rich.console import Console

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(
                self.title, total=trainer.max_steps, completed=trainer.global_step, figures=""
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.samples += len(batch.inputs) * trainer.world_size
        self._tokens += (batch.targets != PAD_ID).sum()
        last = trainer.global_step >= trainer.max_steps
        if last:
            self._tokens.item()  # so that a device has done what it was given, before its time is taken
        now = time.monotonic()
        self.seconds = self._seconds_before + now - self._started
        if self._paced_from is None:  # the first step, which may compile for a minute, tells nothing of the others
            self._paced_from = (trainer.global_step, now)
        samples, then = self._mark
        if now - then >= (0.5 if self._bar else self.every_seconds) or last:
            speed = (self.samples - samples) / (now - then)
            tokens = float(self._tokens) * trainer.world_size / (now - then)
            log_now(trainer, {"speed/samples_per_second": speed, "speed/tokens_per_second": tokens})
            self._tokens.zero_()
            self._mark = (self.samples, now)
            self._tell(trainer, speed, now)
        # As a tensor of the processor: a number would be copied to the device, which waits for it.
        rate = torch.tensor(trainer.optimizers[0].param_groups[0]["lr"])
        pl_module.log("train/lr", rate, rank_zero_only=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _tell(self, trainer: pl.Trainer, speed: float, now: float) -> None:
        metrics = trainer.callback_metrics
        figures = f"{speed:,.0f} samples/s  loss {float(metrics['train/loss']):.3f}"
        if "dev/exact_match" in metrics:
            figures += f"  dev {100 * float(metrics['dev/exact_match']):.1f}%"
        if "validation/loss" in metrics:
            figures += f"  validation {float(metrics['validation/loss']):.3f}"
        done, total = trainer.global_step, trainer.max_steps
        if self._bar:
            self._bar.update(self._task, completed=done, figures=figures)
        if now - self._told_at >= self.every_seconds or done >= total:
            self._told_at = now
            line = f"{self.title}  step {done}/{total}  {figures}{self._left(done, total, now)}"
            # On a terminal the bar shows the same; the file has the lines in either case.
            log.info("%s", line, extra={"quiet": self._bar is not None})

    def _left(self, done: int, total: int, now: float) -> str:
        first, since = self._paced_from or (done, now)
        if done == first:
            return ""
        seconds = round((now - since) / (done - first) * (total - done))
        return f"  {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"

    def _stop(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None
