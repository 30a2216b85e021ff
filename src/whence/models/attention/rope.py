"""Rotary position embedding (Su et al. 2021, "RoFormer", equation 34), as in CS224N 2024-2025.

    q_t -> q_t e^(i t theta), k_s -> k_s e^(i s theta),   theta_i = base^(-2 (i - 1) / D), i = 1..D/2

Neighbouring components (x1, x2), (x3, x4), ... are the real and imaginary parts of the complex numbers that are turned,
in every layer, for queries and keys only. A score then depends on the distance t - s and not on the places, and there
is no position table. Written with real sines and cosines, so that it runs on Apple silicon too.
"""

from __future__ import annotations

import torch

from whence.models.attention.base import AttentionShape
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout


class RotaryAttention(VanillaAttention):
    """base: wavelengths run from 2 pi to 2 pi base. Raises ValueError when the head size is odd."""

    cosine: torch.Tensor
    sine: torch.Tensor
    quarter: torch.Tensor

    def __init__(self, shape: AttentionShape, *, base: float = 10_000.0) -> None:
        super().__init__(shape)
        if shape.head_size % 2:
            raise ValueError(f"rope turns pairs: n_embd / n_head must be even, got {shape.head_size}")
        if base <= 1:
            raise ValueError(f"model.attention.base: expected more than 1, got {base}")
        tables = (table.repeat_interleave(2, dim=1) for table in rotations(shape.block_size, shape.head_size, base))
        for name, table in zip(("cosine", "sine"), tables, strict=True):
            self.register_buffer(name, table, persistent=False)  # (T, D)
        # A quarter turn of all pairs, (x1, x2) to (-x2, x1), as a product: pairs taken apart are slow to work on.
        quarter = torch.block_diag(*[torch.tensor([[0.0, 1.0], [-1.0, 0.0]])] * (shape.head_size // 2))
        self.register_buffer("quarter", quarter, persistent=False)  # (D, D)

    def compared(self, layout: Layout, query: torch.Tensor, key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super().compared(layout, self._turn(query, layout), self._turn(key, layout))

    def _turn(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        cosine, sine = (table[layout.start : layout.end].to(x.dtype) for table in (self.cosine, self.sine))
        return x * cosine + x @ self.quarter.to(x.dtype) * sine  # (B, H, T, D)


def rotations(length: int, head_size: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """cos(t theta_i) and sin(t theta_i), both (length, head_size / 2) float32."""
    theta = base ** (-torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), theta)
    return angles.cos().float(), angles.sin().float()
