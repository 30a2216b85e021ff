"""Exact match: how many answers equal the gold place, character for character; and what needs no model at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import binomtest

from whence.vocab import PAD_ID


@dataclass(frozen=True)
class Score:
    """`correct` of `total` questions."""

    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the accuracy (Wilson 1927)."""
        found = binomtest(self.correct, self.total).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


def exact_match(predictions: Sequence[str], gold: Sequence[str]) -> Score:
    """Raises ValueError when the numbers of rows differ."""
    if len(predictions) != len(gold):
        raise ValueError(f"{len(predictions)} predictions for {len(gold)} questions")
    return Score(sum(p == g for p, g in zip(predictions, gold, strict=True)), len(gold))


def always(place: str, gold: Sequence[str]) -> Score:
    """The score of answering the same place to every question; the course's baseline is London."""
    return Score(sum(g == place for g in gold), len(gold))


def most_frequent(places: Sequence[str]) -> str:
    """The place that stands most often in the training rows; of several, the one first in the alphabet."""
    counts = Counter(places)
    return min(counts, key=lambda place: (-counts[place], place))


@torch.no_grad()
def teacher_forced_matches(
    logits: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Which rows greedy decoding would answer exactly, (B,) bool, from one forward pass over the gold rows.

    inputs, targets: (B, T) as in training. Greedy decoding writes the gold answer if and only if every scored target
    is the most probable character after the gold ones before it.
    """
    chosen = logits(inputs).argmax(dim=-1)
    return ((chosen == targets) | (targets == PAD_ID)).all(dim=1)
