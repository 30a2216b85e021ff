"""Factorized dense synthesizer (Tay et al. 2020, "Synthesizer", section 3.1.3, equation 6).

    A = ReLU(X W1 + b1) wA + bA  (a columns),   B = ReLU(X W1 + b1) wB + bB  (b columns),   a b = block_size
    S[t, j] = A[t, j div b] B[t, j mod b],      Y = softmax(S, keys s <= t) V        for each head

Each position writes a + b numbers in place of a b. wA, wB and their biases are shared by the heads, as in our dense
synthesizer. Per layer 3 (C^2 + C) + (D + 1)(a + b) parameters.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import Attention, AttentionShape
from whence.models.attention.products import causal_softmax
from whence.models.layout import Layout


class FactorizedDenseSynthesizerAttention(Attention):
    """rows: a, a divisor of block_size; b = block_size / a. Raises ValueError for others."""

    def __init__(self, shape: AttentionShape, *, rows: int = 16) -> None:
        super().__init__(shape)
        if rows < 1 or shape.block_size % rows:
            raise ValueError(f"model.attention.rows: expected a divisor of block_size={shape.block_size}, got {rows}")
        self.w1 = nn.Linear(shape.n_embd, shape.n_embd)
        self.coarse = nn.Linear(shape.head_size, rows)
        self.fine = nn.Linear(shape.head_size, shape.block_size // rows)

    def projections(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (F.relu(self.w1(x)),)

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        (hidden,) = projected  # (B, H, T, D)
        product = self.coarse(hidden)[..., :, None] * self.fine(hidden)[..., None, :]  # (B, H, T, a, b)
        return causal_softmax(product.flatten(-2)[..., : layout.end])  # (B, H, T, S)
