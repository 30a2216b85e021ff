"""Causal multi-head self-attention (Vaswani et al. 2017, "Attention Is All You Need", equation 1).

    Y = softmax(Q K^T / sqrt(D), keys s <= t) V        for each head, Q = X Wq, K = X Wk, V = X Wv

Positions come from the embedding. Per layer 4 (C^2 + C) parameters.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import Attention, AttentionShape, causal_softmax


class VanillaAttention(Attention):
    def __init__(self, shape: AttentionShape) -> None:
        super().__init__(shape)
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = (self.split_heads(layer(x)) for layer in (self.query, self.key, self.value))
        dropout = self.shape.dropout if self.training else 0.0
        return self.output(F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True))

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        query, key = self.split_heads(self.query(x)), self.split_heads(self.key(x))  # (B, H, T, D)
        return causal_softmax(query @ key.transpose(-2, -1) / math.sqrt(self.shape.head_size))
