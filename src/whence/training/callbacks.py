"""What happens beside a step: saving, stopping on a signal, asking the dev questions."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from whence.data.batches import Batch
from whence.errors import Interrupted, WhenceError
from whence.training.watch import ON_DEVICES

log = logging.getLogger(__name__)


SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Put the signal handlers back afterwards: after an error Lightning leaves its own, and the callback below its."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def log_now(trainer: pl.Trainer, measured: dict[str, float]) -> None:
    """Write to the loggers what is measured now and then: Lightning would repeat it at every tenth step, and leave out
    what was measured after the last of them."""
    for logger in trainer.loggers:
        logger.log_metrics(measured, trainer.global_step - 1)


class Checkpoints(pl.Callback):
    """Saves the state every `every_seconds`, at the end, and when a signal asks the run to stop.

    Only between optimizer steps: a state in the middle of an accumulation has gradients that no checkpoint holds.
    A signal sets a flag; the state is saved at the next such moment, then `Interrupted` ends the run. A second one
    ends it at once. To be used within `handlers_kept`.
    """

    def __init__(self, folder: Path, *, every_seconds: float) -> None:
        self.folder = folder
        self.every_seconds = every_seconds
        self._received: signal.Signals | None = None
        self._saved_at = 0.0
        self._saved_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._saved_at = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        apart = trainer.world_size > 1
        if apart and trainer.strategy.root_device.type != "cpu" and trainer.global_step % ON_DEVICES:
            return  # agreeing takes GPUs several waits for each other
        due = time.monotonic() - self._saved_at >= self.every_seconds
        stop = self._received is not None
        if apart:  # all processes save together or not at all
            due, stop = (trainer.strategy.reduce_boolean_decision(flag, all=False) for flag in (due, stop))
        if stop:
            raise Interrupted(self._leave(trainer))
        if due:
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def _leave(self, trainer: pl.Trainer) -> str:
        """Save, and say how far the run came; a state that cannot be saved must not keep a run from stopping."""
        why = self._received.name if self._received else "a signal to another process"
        said = f"stopped by {why} after step {trainer.global_step}"
        try:
            self._save(trainer)
        except (WhenceError, OSError) as error:
            return f"{said}, which could not be saved ({error})"
        return f"{said}, saved in {self.folder}"

    def _receive(self, number: int, frame: Any) -> None:
        if self._received is not None:
            raise KeyboardInterrupt
        self._received = signal.Signals(number)

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.global_step == self._saved_step:
            return
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.folder / f"step-{trainer.global_step:08d}.ckpt", weights_only=False)
        self._saved_step = trainer.global_step
        self._saved_at = time.monotonic()


Measure = Callable[[Callable[[torch.Tensor], torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]


class Monitor(pl.Callback):
    """Measures the model on held-out samples after every `every_steps` optimizer steps and at the end.

    measure: from (logits, inputs, targets) one figure a sample, (B,); their mean is logged as `name`.
    """

    def __init__(self, name: str, measure: Measure, batch: Batch, *, every_steps: int) -> None:
        self.name = name
        self.measure = measure
        self.batch = batch
        self.every_steps = every_steps
        self._asked_at = -1

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        last = trainer.global_step >= trainer.max_steps
        if trainer.global_step != self._asked_at and (trainer.global_step % self.every_steps == 0 or last):
            self._asked_at = trainer.global_step
            pl_module.eval()
            figures = []
            for part in torch.arange(len(self.batch.inputs)).split(256):
                inputs, targets = self.batch.inputs[part], self.batch.targets[part]
                device = pl_module.device
                with trainer.precision_plugin.forward_context():
                    figures.append(self.measure(pl_module, inputs.to(device), targets.to(device)))
            pl_module.train()
            mean = torch.cat(figures).float().mean()
            pl_module.log(self.name, mean, rank_zero_only=True, logger=False)
            log_now(trainer, {self.name: mean.item()})
