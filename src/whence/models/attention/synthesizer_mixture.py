"""Mixture of a dense synthesizer and dot-product attention (Tay et al. 2020, "Synthesizer", section 3.2).

    Y = softmax(alpha_1 S_dense + alpha_2 Q K^T / sqrt(D), keys s <= t) V,   alpha = softmax of two learned numbers

S_dense as in `synthesizer.py`. The weights of the mixture are one pair a layer. Per layer 5 (C^2 + C) + (D + 1) columns
+ 2 parameters.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from whence.models.attention.base import AttentionShape
from whence.models.attention.products import causal_softmax
from whence.models.attention.synthesizer import SynthesizerAttention
from whence.models.layout import Layout


class SynthesizerMixtureAttention(SynthesizerAttention):
    """columns, per_head: as in the dense synthesizer."""

    def __init__(self, shape: AttentionShape, *, columns: int | None = None, per_head: bool = False) -> None:
        super().__init__(shape, columns=columns, per_head=per_head)
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)
        self.mixture = nn.Parameter(torch.zeros(2))

    def projections(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return *super().projections(x), self.query(x), self.key(x)

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        hidden, query, key = projected  # (B, H, T, D) each
        key = layout.recall(self, "key", key)
        dot_product = query @ key.transpose(-2, -1) / math.sqrt(self.shape.head_size)
        alpha = self.mixture.softmax(dim=0)
        return causal_softmax(alpha[0] * self.scores(layout, hidden) + alpha[1] * dot_product)  # (B, H, T, S)
