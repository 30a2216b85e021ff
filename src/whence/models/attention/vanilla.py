"""Causal multi-head self-attention (Vaswani et al. 2017, "Attention Is All You Need", equation 1).

    Y = softmax(Q K^T / sqrt(D), keys s <= t) V        for each head, Q = X Wq, K = X Wk, V = X Wv

Positions come from the embedding. Per layer 4 (C^2 + C) parameters.
"""

from __future__ import annotations

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape, Layout, attend, dot_product_weights


class VanillaAttention(Attention):
    def __init__(self, shape: AttentionShape) -> None:
        super().__init__(shape)
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        query, key, value = (self.split_heads(layer(x)) for layer in (self.query, self.key, self.value))
        return self.output(attend(query, key, value, dropout=self.active_dropout))

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        return dot_product_weights(self.split_heads(self.query(x)), self.split_heads(self.key(x)))
