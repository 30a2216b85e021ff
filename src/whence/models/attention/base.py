"""The contract of an attention variant.

A variant is a module built by `Variant(shape, **its own options)`, once for each layer. It maps (B, T, C) to (B, T, C)
so that position t depends on positions 0..t only, refuses nothing up to `max_length` positions, and draws itself by
`weights`. Everything else (norms, residuals, MLP, positions) belongs to `models/gpt.py`.

Legend of shapes: B batch, T query length, S key length, H heads, D head size, C model width (C = H D).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


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
        self.proj_dropout = nn.Dropout(shape.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the positions of x, (B, T, C), causally."""
        raise NotImplementedError

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """How much each position takes from each earlier one, (B, H, T, T), rows summing to 1; for pictures."""
        raise NotImplementedError

    def split_heads(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        return x.view(batch, length, self.shape.n_head, self.shape.head_size).transpose(1, 2)  # (B, H, T, D)

    def merge_heads(self, x: torch.Tensor) -> torch.Tensor:
        batch, _, length, _ = x.shape
        return x.transpose(1, 2).reshape(batch, length, self.shape.n_embd)  # (B, T, C)

    def output(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj_dropout(self.proj(self.merge_heads(x)))


def causal_softmax(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over the keys s <= t of scores, (..., T, T)."""
    length = scores.shape[-1]
    future = torch.ones(length, length, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)
