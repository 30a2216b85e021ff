"""Attention with linear biases (Press et al. 2022, "Train Short, Test Long", section 3).

    score(t, s) = q_t . k_s / sqrt(D) - m_h (t - s),   m_h = 2^(-8 h / H) for head h = 1..H

Distance alone lowers a score, by a slope that each head has for itself and that is not learned; no position table.
"""

from __future__ import annotations

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape, Layout, attend, dot_product_weights


class AlibiAttention(Attention):
    """steepest: the exponent range of the slopes; 8 gives 2^(-8/H) to 2^-8 as in the paper."""

    bias: torch.Tensor

    def __init__(self, shape: AttentionShape, *, steepest: float = 8.0) -> None:
        super().__init__(shape)
        if steepest <= 0:
            raise ValueError(f"model.attention.steepest: expected more than 0, got {steepest}")
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)
        slopes = 2.0 ** (-steepest * torch.arange(1, shape.n_head + 1) / shape.n_head)
        places = torch.arange(shape.block_size)
        distance = (places[:, None] - places).clamp(min=0)  # (T, T)
        self.register_buffer("bias", -slopes[:, None, None] * distance, persistent=False)  # (H, T, T)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        query, key, value = (self.split_heads(layer(x)) for layer in (self.query, self.key, self.value))
        return self.output(attend(query, key, value, dropout=self.active_dropout, bias=self._bias(layout)))

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        return dot_product_weights(self.split_heads(self.query(x)), self.split_heads(self.key(x)), self._bias(layout))

    def _bias(self, layout: Layout) -> torch.Tensor:
        return self.bias[:, : layout.length, : layout.length]
