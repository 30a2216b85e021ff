"""Batches: samples padded to their longest.

Shapes: B samples, T their longest, rounded up to a multiple of 8; PAD fills the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from whence.vocab import PAD_ID

_WIDTH = 8

Sequences = tuple[np.ndarray, np.ndarray]  # input and target ids, both (T,)


@dataclass(frozen=True)
class Batch:
    """Input and target ids, both (B, T) int64, and the numbers of the samples, (B,)."""

    inputs: torch.Tensor
    targets: torch.Tensor
    numbers: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Ids on the device, without waiting for pinned ones to arrive; the numbers stay, for messages."""
        inputs, targets = (t.to(device, non_blocking=t.is_pinned()) for t in (self.inputs, self.targets))
        return Batch(inputs, targets, self.numbers)

    def pin_memory(self) -> Batch:
        return Batch(self.inputs.pin_memory(), self.targets.pin_memory(), self.numbers)


def collate(samples: Sequence[tuple[int, Sequences]], *, longest: int | None = None) -> Batch:
    """Pad the samples to their longest. Rounding up to 8, but not beyond `longest`, keeps the shapes few."""
    needed = max(len(inputs) for _, (inputs, _) in samples)
    rounded = -(-needed // _WIDTH) * _WIDTH
    width = rounded if longest is None else max(needed, min(rounded, longest))
    padded = np.full((2, len(samples), width), PAD_ID, dtype=np.int64)
    for row, (_, sequences) in enumerate(samples):
        for side, sequence in enumerate(sequences):
            padded[side, row, : len(sequence)] = sequence
    inputs, targets = torch.from_numpy(padded)
    return Batch(inputs, targets, torch.tensor([number for number, _ in samples]))
