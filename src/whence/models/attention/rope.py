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

    turns: torch.Tensor

    def __init__(self, shape: AttentionShape, *, base: float = 10_000.0) -> None:
        super().__init__(shape)
        if shape.head_size % 2:
            raise ValueError(f"rope turns pairs: n_embd / n_head must be even, got {shape.head_size}")
        if base <= 1:
            raise ValueError(f"model.attention.base: expected more than 1, got {base}")
        cosine, sine = rotations(shape.block_size, shape.head_size, base)
        # (x1, x2) times [[cos, sin], [-sin, cos]] for each pair: one product a place is far quicker on a processor
        # than pairs taken apart, or than sums of products of every component.
        pairs = torch.stack((cosine, sine, -sine, cosine), dim=-1).unflatten(-1, (2, 2))  # (T, D/2, 2, 2)
        turns = torch.stack([torch.block_diag(*place) for place in pairs])
        self.register_buffer("turns", turns, persistent=False)  # (T, D, D)

    def compared(self, layout: Layout, query: torch.Tensor, key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super().compared(layout, self._turn(query, layout), self._turn(key, layout))

    def _turn(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        places = x.permute(2, 0, 1, 3)  # (T, B, H, D)
        turned = torch.bmm(places.flatten(1, 2), self.turns[layout.start : layout.end].to(x.dtype))
        return turned.view(places.shape).permute(1, 2, 0, 3).contiguous()


def rotations(length: int, head_size: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """cos(t theta_i) and sin(t theta_i), both (length, head_size / 2) float32."""
    theta = base ** (-torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), theta)
    return angles.cos().float(), angles.sin().float()
