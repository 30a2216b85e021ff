"""The course's learning rate, counted in tokens there, as a pure function of the optimizer step here."""

from __future__ import annotations

import math


class WarmupCosine:
    """Factor on the learning rate: linear warm-up over `warmup_tokens`, then a cosine to `floor` over the whole run.

    The course counts tokens with padding: a row of data counts `block_size`, so an epoch of N rows counts
    N block_size, whatever its last batch holds. As there, a step uses the tokens of the steps before it (the first
    step those of its own), and unlike there, progress past the end of the run stays at the end.
    """

    def __init__(
        self,
        *,
        rows: int,
        batch_size: int,
        block_size: int,
        steps: int,
        warmup_tokens: int,
        floor: float,
    ) -> None:
        if not 0 <= floor <= 1:
            raise ValueError(f"schedule.floor: expected 0 to 1, got {floor}")
        if warmup_tokens < 0:
            raise ValueError(f"schedule.warmup_tokens: expected at least 0, got {warmup_tokens}")
        self._rows = rows
        self._batch_size = batch_size
        self._block_size = block_size
        self._steps_per_epoch = -(-rows // batch_size)
        self._warmup = warmup_tokens
        self._final = max(self.tokens(steps), warmup_tokens + 1)
        self._floor = floor

    def tokens(self, step: int) -> int:
        """Tokens that the course would have counted after `step` steps."""
        epochs, batches = divmod(step, self._steps_per_epoch)
        return (epochs * self._rows + batches * self._batch_size) * self._block_size

    def __call__(self, step: int) -> float:
        """The factor for the step after `step` finished ones."""
        tokens = self.tokens(max(step, 1))
        if tokens < self._warmup:
            return tokens / self._warmup
        progress = min(1.0, (tokens - self._warmup) / (self._final - self._warmup))
        return max(self._floor, 0.5 * (1.0 + math.cos(math.pi * progress)))
