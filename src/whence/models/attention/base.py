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

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.dropout import Dropout
from whence.models.dropout import dropout as drop
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


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, dropout: float, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Scaled dot-product attention; query (B, H, T, D), key and value (B, H, S, D), to (B, H, T, D).

    bias: added to the scores, (H, T, S), (B, 1, T, S) or (T, S), minus infinity for what is not seen; None: causal.
    """
    if query.device.type == "cpu" and (dropout or query.dtype == torch.bfloat16):
        # torch's kernel for processors knows no dropout, and going back in bfloat16 takes it three times as long.
        return average(dot_product_weights(query, key, bias), value, dropout=dropout)
    whole = bias is None and query.shape[2] == key.shape[2]
    if bias is None and not whole:
        bias = causal_bias(query.shape[2], key.shape[2], query)
    mask = None if bias is None else bias.to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, attn_mask=mask, is_causal=whole)


def dot_product_weights(query: torch.Tensor, key: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """The weights by which `attend` averages, (B, H, T, S)."""
    scores = query / math.sqrt(query.shape[-1]) @ key.transpose(-2, -1)
    return causal_softmax(scores) if bias is None else (scores + bias.to(scores.dtype)).softmax(dim=-1)


def average(weights: torch.Tensor, value: torch.Tensor, *, dropout: float) -> torch.Tensor:
    """Averages of values (B, H, S, D) by weights (B, H, T, S), of which some are dropped; (B, H, T, D)."""
    return drop(weights, dropout) @ value


def causal_softmax(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over the keys up to the position of each query; scores (..., T, S), of the last T of S positions."""
    queries, keys = scores.shape[-2:]
    return (scores + causal_bias(queries, keys, scores)).softmax(dim=-1)


def causal_bias(queries: int, keys: int, like: torch.Tensor) -> torch.Tensor:
    """Minus infinity for keys after the query's own position, else zero, (T, S), of the last T of S positions.

    To be added: filling scores by a mask takes longer on a processor.
    """
    return like.new_full((queries, keys), float("-inf")).triu(1 + keys - queries)
