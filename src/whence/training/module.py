"""The one LightningModule: a GPT, its loss and its optimizer, for every stage and every attention variant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from whence.data.batches import Batch
from whence.data.randomness import step_seed
from whence.models.gpt import GPT
from whence.models.layout import Layout
from whence.training.distillation import Teachers
from whence.training.watch import ON_DEVICES, Watch
from whence.vocab import PAD_ID, CharVocab

FORMAT = 1  # of the checkpoint; raise it when older ones can no longer be read


class LanguageModel(pl.LightningModule):
    """Next-character training: cross-entropy on every target that is not PAD.

    spec: the model's configuration as plain values; it travels in the checkpoint with the vocabulary.
    packed: whether the layers work on the real positions of a batch alone; the loss is the same, the dropout another.
    compiled: whether it goes through torch.compile; the same to rounding, on a processor with dropout drawn alike.
    teachers: models whose mean prediction is learned too.
    where: names the samples of a batch for an error message.
    """

    def __init__(
        self,
        *,
        model: GPT,
        spec: dict[str, Any],
        vocab: CharVocab,
        seed: int,
        optimizer: Optimizer,
        factor: Callable[[int], float],
        clip: float = 1.0,
        packed: bool = False,
        compiled: bool = False,
        teachers: Teachers | None = None,
        where: Callable[[list[int]], str] = str,
    ) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.vocab = vocab
        self.seed = seed
        self.clip = clip
        self.packed = packed
        self.compiled = compiled
        if compiled:  # jobs of a sweep share a process, in which torch would compile eight models and no more
            torch.compiler.reset()
        # Of the function and not of the module, which would be registered, and saved, twice.
        self._logits = torch.compile(model.forward, dynamic=True) if compiled else model.forward
        self._optimizer = optimizer
        self._factor = factor
        self._teachers = teachers
        self._watch = Watch(where)
        self._numbers = torch.empty(0)  # of the samples of the batch at hand

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.model(ids)

    def on_fit_start(self) -> None:
        if self.device.type != "cpu":
            self._watch.every_steps = ON_DEVICES
        if self._teachers is not None:
            self._teachers.to(self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Keyed by the position in the run, so that dropout is the same after a resume as without one.
        torch.manual_seed(step_seed(self.seed, batch_idx, self.global_rank))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.global_step % self._watch.every_steps == 0:
            self._watch.look()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self._numbers = batch.numbers
        logits, targets, layout = self._read(batch)
        loss = next_character_loss(logits, targets)
        self.log("train/loss", loss.detach())
        if self._teachers is not None:
            divergence = self._teachers.divergence(logits, self._teachers.probabilities(batch.inputs, layout), targets)
            self.log("train/divergence", divergence.detach())
            loss = torch.lerp(loss, divergence, self._teachers.share)
        self._watch.note("loss", loss, self.global_step + 1, batch.numbers)
        return loss

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy over the targets of a batch."""
        logits, targets, _ = self._read(batch)
        return next_character_loss(logits, targets)

    def _read(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, Layout | None]:
        """Logits (..., V) and targets (...) of a batch, in the layout in which they stand."""
        if not self.packed:
            return self._logits(batch.inputs), batch.targets, None
        layout = Layout.packed(batch.inputs, batch.targets)
        return self._logits(batch.inputs, layout), layout.only_asked(layout.gather(batch.targets)), layout

    def configure_gradient_clipping(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        # With 16-bit loss scaling an infinite gradient is legal: the scaler skips the step and lowers the scale.
        if self.trainer.precision != "16-mixed":
            self._watch.note("gradient", norm, self.global_step + 1, self._numbers)
        self.log("train/grad_norm", norm)

    def configure_optimizers(self) -> Any:
        optimizer = self._optimizer
        # A fused optimizer would undo 16-bit loss scaling in its step, after the gradients were clipped.
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        scheduler = LambdaLR(optimizer, lambda step: self._factor(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._watch.look()
        checkpoint["whence"] = {"format": FORMAT, "model": self.spec, "vocab": self.vocab.characters}


@torch.no_grad()
def sample_losses(
    logits: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of each sample, (B,), the mean over its targets; inputs and targets (B, T)."""
    predicted = logits(inputs).float().transpose(1, 2)  # (B, V, T)
    losses = F.cross_entropy(predicted, targets, ignore_index=PAD_ID, reduction="none")
    return losses.sum(dim=1) / (targets != PAD_ID).sum(dim=1)


def next_character_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the targets that are not PAD; logits (..., V), targets (...)."""
    return F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=PAD_ID)
