"""The contract of an attention variant.

A variant is a module built by `Variant(shape, **its own options)`, once for each layer. It maps (B, T, C) to (B, T, C)
so that position t depends on positions 0..t only, refuses nothing up to `max_length` positions, and draws itself by
`weights`, from which `forward` follows; one with a faster way to its output has a `forward` of its own. Taking its
heads by `heads`, and what it keeps of each position by `layout.recall`, it serves packed batches and decoding with a
cache (see `models/layout.py`). Everything else (norms, residuals, MLP, positions) belongs to `models/gpt.py`.

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
        mixed = average(self.weights(x, layout), self.values(x, layout), dropout=self.active_dropout)
        return self.output(mixed, layout)

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """How much each position takes from each earlier one, (B, H, T, S), rows summing to 1."""
        raise NotImplementedError

    def values(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """(B, H, S, D)."""
        return layout.recall(self, "value", self.heads(self.value(x), layout))

    def heads(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """What a projection gave for each position, by heads: (B, H, T, D)."""
        return layout.spread(x).unflatten(-1, (self.shape.n_head, self.shape.head_size)).transpose(1, 2)

    def output(self, mixed: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Averages of values, (B, H, T, D), projected; in the shape of x."""
        return self.proj_dropout(self.proj(layout.gather(mixed.transpose(1, 2).flatten(2))))

    @property
    def active_dropout(self) -> float:
        """The rate of dropout on attention weights, for functions that are not modules."""
        return self.shape.dropout if self.training else 0.0
