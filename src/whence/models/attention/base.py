"""The contract of an attention variant.

A variant is a module built by `Variant(shape, **its own options)`, once for each layer. It maps (B, T, C) to (B, T, C)
so that position t depends on positions 0..t only, refuses nothing up to `max_length` positions, and draws itself by
`weights`, from which `forward` follows; one with a faster way to its output has a `forward` of its own. Everything else
(norms, residuals, MLP, positions) belongs to `models/gpt.py`.

Legend of shapes: B batch, T query length, S key length, H heads, D head size, C model width (C = H D).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Layout:
    """What a layer is told of a batch besides x, (B, T, C): `marks`, (B, T) booleans, says where MASK stands."""

    batch: int
    length: int
    marks: torch.Tensor


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

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Mix the positions of x, (B, T, C), causally."""
        weights = F.dropout(self.weights(x, layout), self.active_dropout)
        return self.output(weights @ self.split_heads(self.value(x)))

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """How much each position takes from each earlier one, (B, H, T, T), rows summing to 1."""
        raise NotImplementedError

    def split_heads(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        return x.view(batch, length, self.shape.n_head, self.shape.head_size).transpose(1, 2)  # (B, H, T, D)

    def merge_heads(self, x: torch.Tensor) -> torch.Tensor:
        batch, _, length, _ = x.shape
        return x.transpose(1, 2).reshape(batch, length, self.shape.n_embd)  # (B, T, C)

    @property
    def active_dropout(self) -> float:
        """The rate of dropout on attention weights, for functions that are not modules."""
        return self.shape.dropout if self.training else 0.0

    def output(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj_dropout(self.proj(self.merge_heads(x)))


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, dropout: float, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Causal scaled dot-product attention by torch's fused kernels; all (B, H, T, D).

    bias: added to the scores, (H, T, T) or (B, 1, T, T).
    """
    if bias is None:
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
    bias = mask_future(bias).to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, attn_mask=bias)


def dot_product_weights(query: torch.Tensor, key: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """The weights that `attend` uses and does not give away, (B, H, T, T)."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return causal_softmax(scores if bias is None else scores + bias)


def causal_softmax(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over the keys s <= t of scores, (..., T, T)."""
    return mask_future(scores).softmax(dim=-1)


def mask_future(scores: torch.Tensor) -> torch.Tensor:
    """Scores (..., T, T) with minus infinity for the keys s > t."""
    length = scores.shape[-1]
    future = torch.ones(length, length, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf"))
