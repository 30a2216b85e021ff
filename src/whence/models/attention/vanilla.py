"""Causal multi-head self-attention (Vaswani et al. 2017, "Attention Is All You Need", equation 1).

    Y = softmax(Q K^T / sqrt(D) + bias, keys s <= t) V        for each head, Q = X Wq, K = X Wk, V = X Wv, no bias here

Positions come from the embedding. Per layer 4 (C^2 + C) parameters.
"""

from __future__ import annotations

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape
from whence.models.attention.products import attend, dot_product_weights
from whence.models.layout import Layout


class VanillaAttention(Attention):
    """Other designs with queries and keys say how theirs differ."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__(shape)
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        query, key, value = self.queries(x, layout), self.keys(x, layout), self.values(x, layout)
        mixed = attend(query, key, value, dropout=self.active_dropout, bias=self.bias(x, layout))
        return self.output(mixed, layout)

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        return dot_product_weights(self.queries(x, layout), self.keys(x, layout), self.bias(x, layout))

    def queries(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """(B, H, T, D)."""
        return self.heads(self.query(x), layout)

    def keys(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """(B, H, S, D)."""
        return layout.recall(self, "key", self.heads(self.key(x), layout))

    def bias(self, x: torch.Tensor, layout: Layout) -> torch.Tensor | None:
        """Added to the scores, (H, T, S) or (B, 1, T, S); minus infinity for what is not seen. None: causal."""
        return None
