"""Whether losses and gradients are numbers, asked without making a device wait for its host at every step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from whence.errors import TrainingError

ON_DEVICES = 10  # steps, as many as Lightning's between two looks at what is logged


class Watch:
    """Takes note of figures on their device and reads them at a `look`; at once where there is one every step.

    where: names the samples of a batch for an error message.
    """

    def __init__(self, where: Callable[[list[int]], str] = str, *, every_steps: int = 1) -> None:
        self.every_steps = every_steps
        self._where = where
        self._noted: list[tuple[str, torch.Tensor, int, torch.Tensor]] = []

    def note(self, what: str, figure: torch.Tensor, step: int, numbers: torch.Tensor) -> None:
        """figure: (), of optimizer step `step` (from 1), whose batch has the samples `numbers`, (B,)."""
        self._noted.append((what, figure.detach(), step, numbers))
        if self.every_steps == 1:
            self.look()

    def look(self) -> None:
        """Raise TrainingError for the first figure that is none; for every few steps, and before a state is saved."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        values = torch.stack([figure.float() for _, figure, _, _ in noted]).tolist()  # one wait for all of them
        for (what, _, step, numbers), value in zip(noted, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {what} became {value} at step {step} ({self._where(numbers.tolist())}); nothing was "
                    "saved since and the last checkpoint is intact; lower the learning rate or use "
                    "trainer.precision=32-true"
                )
