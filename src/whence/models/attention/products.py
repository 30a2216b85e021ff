"""The arithmetic of attention that designs share: weights from products or scores, and averages by weights.

Legend of shapes: B batch, H heads, T queries, S keys, D head size.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from whence.models.dropout import dropout as drop


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
    rows, (queries, keys) = query.shape[:2], (query.shape[2], key.shape[2])
    bias = causal_bias(queries, keys, query) if bias is None else bias.to(query.dtype)
    # One for all rows is added by the product itself, which saves a walk over the scores.
    added = bias if bias.dim() == 2 else bias.expand(*rows, queries, keys).flatten(0, 1)
    products = torch.baddbmm(
        added, query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2), alpha=query.shape[-1] ** -0.5
    )
    return products.softmax(dim=-1).unflatten(0, rows)


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
