"""Batches: samples padded to their longest, and cut into parts of similar lengths.

Shapes: B samples, T their longest, rounded up to a multiple of 8; PAD fills the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from whence.vocab import PAD_ID

_WORTH_PARTING = 100_000  # pairs of positions: what a part of its own costs
_ROWS = 32  # parts are cut, and widths rounded, to multiples: shapes that come again are quicker
_WIDTH = 8

Sequences = tuple[np.ndarray, np.ndarray]  # input and target ids, both (T,)


@dataclass(frozen=True)
class Batch:
    """Input and target ids, both (B, T) int64, and the numbers of the samples, (B,)."""

    inputs: torch.Tensor
    targets: torch.Tensor
    numbers: torch.Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Batch:
        return Batch(*(t.to(device, non_blocking=non_blocking) for t in (self.inputs, self.targets, self.numbers)))

    def by_length(self) -> list[Batch]:
        """Parts of samples of similar lengths, where that leaves far fewer pairs of positions to attend to."""
        lengths, order = (self.inputs != PAD_ID).sum(dim=1).sort(descending=True)
        parts, first = [], 0
        for size in _sizes(lengths):
            rows, width = order[first : first + size], -(-int(lengths[first]) // _WIDTH) * _WIDTH
            parts.append(Batch(self.inputs[rows, :width], self.targets[rows, :width], self.numbers[rows]))
            first += size
        return parts

    def pin_memory(self) -> Batch:
        return Batch(*(t.pin_memory() for t in (self.inputs, self.targets, self.numbers)))


def _sizes(lengths: torch.Tensor) -> list[int]:
    """The sizes of the parts into which samples, longest first, are best cut; each part is as wide as its longest."""
    count = len(lengths)
    cuts = torch.arange(_ROWS, max(count, _ROWS), _ROWS)
    saved = (count - cuts) * (lengths[0] ** 2 - lengths[cuts] ** 2)  # pairs of positions
    if not len(cuts) or saved.max() < _WORTH_PARTING:
        return [count]
    cut = int(cuts[saved.argmax()])
    return [*_sizes(lengths[:cut]), *_sizes(lengths[cut:])]


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
