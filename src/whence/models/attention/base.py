"""The contract of an attention variant.

A variant is a module built by `Variant(shape, **its own options)`, once for each layer. It maps (B, T, C) to (B, T, C)
so that position t depends on positions 0..t only, and refuses nothing up to `max_length` positions. It has two steps:
`projections` are what each position says by itself, and `weights` is how positions take from each other; one with a
faster way to its averages has a `mix` of its own. Taking what it keeps of each position by `layout.recall`, it serves
packed batches and decoding with a cache (see `models/layout.py`). Everything else (norms, residuals, MLP, positions)
belongs to `models/gpt.py`.

Legend of shapes: B batch, T new positions, S all positions (T, and those in a cache), H heads, D head size, C model
width (C = H D).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from whence.models.attention.products import average
from whence.models.dropout import Dropout
from whence.models.layout import Layout


@dataclass(frozen=True)
class AttentionShape:
    """The sizes an attention layer is built for: width C, number of heads H, longest sequence, dropout rate."""

    n_embd: int
    n_head: int
    block_size: int
    dropout: float

    @property
    def head_size(self) -> int:
        return self.n_embd // self.n_head


class Attention(nn.Module):
    """Base of all variants: the heads' bookkeeping, values and output projection, which every variant has."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__()
        self.shape = shape
        self.max_length = shape.block_size
        self.value = nn.Linear(shape.n_embd, shape.n_embd)
        self.proj = nn.Linear(shape.n_embd, shape.n_embd)
        self.proj_dropout = Dropout(shape.dropout)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Mix the positions of x, (B, T, C) or packed (N, C), causally."""
        projected = [map(self.heads, layout.spread(p)) for p in (self.value(x), *self.projections(x))]
        mixed = [self.mix(piece, *own) for piece, *own in zip(layout.pieces, *projected, strict=True)]
        return self.proj_dropout(self.proj(layout.join([by_head.transpose(1, 2).flatten(2) for by_head in mixed])))

    def projections(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What weights follow from, position by position: each (..., C) for x (..., C)."""
        return ()

    def mix(self, layout: Layout, value: torch.Tensor, *projected: torch.Tensor) -> torch.Tensor:
        """Averages of values, (B, H, T, D), from values and projections of new positions, (B, H, T, D)."""
        weights = self.weights(layout, *projected).to(value.dtype)
        return average(weights, layout.recall(self, "value", value), dropout=self.active_dropout)

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        """How much each position takes from each earlier one, (B, H, T, S), rows summing to 1."""
        raise NotImplementedError

    def picture(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """The weights while x, (B, T, C), is read."""
        return self.weights(layout, *map(self.heads, self.projections(x)))

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) by heads: (B, H, T, D)."""
        return x.unflatten(-1, (self.shape.n_head, self.shape.head_size)).transpose(1, 2)

    @property
    def active_dropout(self) -> float:
        """The rate of dropout on attention weights, for functions that are not modules."""
        return self.shape.dropout if self.training else 0.0
