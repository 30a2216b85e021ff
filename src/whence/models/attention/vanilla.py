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

    def projections(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.query(x), self.key(x)

    def mix(self, layout: Layout, value: torch.Tensor, *projected: torch.Tensor) -> torch.Tensor:
        query, key = self.compared(layout, *projected)
        value = layout.recall(self, "value", value)
        return attend(query, key, value, dropout=self.active_dropout, bias=self.bias(layout, query.dtype))

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        query, key = self.compared(layout, *projected)
        return dot_product_weights(query, key, self.bias(layout, query.dtype))

    def compared(self, layout: Layout, query: torch.Tensor, key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries, (B, H, T, D), and the keys of all positions, (B, H, S, D), as they are multiplied."""
        return query, layout.recall(self, "key", key)

    def bias(self, layout: Layout, dtype: torch.dtype) -> torch.Tensor | None:
        """Added to the scores, (H, T, S) or (B, 1, T, S); minus infinity for what is not seen. None: causal."""
        return None
