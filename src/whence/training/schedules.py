"""Learning rates, counted in tokens as the course does, as pure functions of the optimizer step."""

from __future__ import annotations

import math


class WarmupDecay:
    """Factor on the learning rate: linear warm-up over `warmup_tokens`, then down to `floor` over the whole run.

    shape: `cosine`, the course's, which does not go below the floor; or `linear`, which reaches it at the end.

    The course counts tokens with padding: a row of data counts `block_size`, so an epoch of N rows counts
    N block_size, whatever its last batch holds. As there, a step uses the tokens of the steps before it (the first
    step those of its own), and unlike there, progress past the end of the run stays at the end.
    """

    SHAPES = ("cosine", "linear")

    def __init__(
        self,
        *,
        rows: int,
        batch_size: int,
        block_size: int,
        steps: int,
        warmup_tokens: int,
        floor: float,
        shape: str = "cosine",
    ) -> None:
        if shape not in self.SHAPES:
            raise ValueError(f"schedule.shape: expected one of {', '.join(self.SHAPES)}, got {shape}")
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
        self._shape = shape

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
        if self._shape == "linear":
            return 1.0 - (1.0 - self._floor) * progress
        return max(self._floor, 0.5 * (1.0 + math.cos(math.pi * progress)))
