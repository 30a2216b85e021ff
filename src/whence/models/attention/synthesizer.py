"""Dense synthesizer (Tay et al. 2020, "Synthesizer: Rethinking Self-Attention", equation 4), as in CS224N 2021-2022.

    S = ReLU(X W1 + b1) w2 + b2,   Y = softmax(S, keys s <= t) V        for each head, without scaling

Each position writes its own row of attention weights without looking at the others, so a layer cannot search by
content. The course's code has one w2 (D, columns) and b2 (columns) for all heads; `per_head` gives each its own, as the
paper and the course's handout write it. A row has one column for each position it can attend to, hence a longest
sequence of `columns`; the course's data never fills more than block_size - 1. Per layer 3 (C^2 + C) + (D + 1) columns
parameters, or 3 (C^2 + C) + H (D + 1) columns.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import Attention, AttentionShape
from whence.models.attention.products import causal_softmax
from whence.models.layout import Layout


class SynthesizerAttention(Attention):
    """columns: width of the synthesized rows, null for block_size - 1. per_head: whether heads have w2, b2 apart."""

    def __init__(self, shape: AttentionShape, *, columns: int | None = None, per_head: bool = False) -> None:
        super().__init__(shape)
        columns = shape.block_size - 1 if columns is None else columns
        if not 1 <= columns <= shape.block_size:
            raise ValueError(f"model.attention.columns: expected 1 to block_size={shape.block_size}, got {columns}")
        self.max_length = columns
        self.w1 = nn.Linear(shape.n_embd, shape.n_embd)
        heads = (shape.n_head,) if per_head else ()
        self.w2 = nn.Parameter(torch.empty(*heads, shape.head_size, columns).uniform_(-0.001, 0.001))
        self.b2 = nn.Parameter(torch.zeros(*heads, columns))

    def projections(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (F.relu(self.w1(x)),)

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        return causal_softmax(self.scores(layout, *projected))

    def scores(self, layout: Layout, hidden: torch.Tensor) -> torch.Tensor:
        """S before mask and softmax, (B, H, T, S), for hidden (B, H, T, D)."""
        return hidden @ self.w2[..., : layout.end] + self.b2[..., None, : layout.end].to(hidden.dtype)
