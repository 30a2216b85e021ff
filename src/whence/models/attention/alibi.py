"""Attention with linear biases (Press et al. 2022, "Train Short, Test Long", section 3).

    score(t, s) = q_t . k_s / sqrt(D) - m_h (t - s),   m_h = 2^(-8 h / H) for head h = 1..H

Distance alone lowers a score, by a slope that each head has for itself and that is not learned; no position table.
"""

from __future__ import annotations

import torch

from whence.models.attention.base import AttentionShape
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout


class AlibiAttention(VanillaAttention):
    """steepest: the exponent range of the slopes; 8 gives 2^(-8/H) to 2^-8 as in the paper."""

    falling: torch.Tensor

    def __init__(self, shape: AttentionShape, *, steepest: float = 8.0) -> None:
        super().__init__(shape)
        if steepest <= 0:
            raise ValueError(f"model.attention.steepest: expected more than 0, got {steepest}")
        slopes = 2.0 ** (-steepest * torch.arange(1, shape.n_head + 1) / shape.n_head)
        places = torch.arange(shape.block_size)
        distance = places[:, None] - places  # (T, T)
        falling = (-slopes[:, None, None] * distance).masked_fill(distance < 0, float("-inf"))
        self.register_buffer("falling", falling, persistent=False)  # (H, T, T)

    def bias(self, layout: Layout, dtype: torch.dtype) -> torch.Tensor:
        return self.falling[:, layout.start : layout.end, : layout.end]
