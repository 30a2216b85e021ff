"""Attention to a window and to the MASK positions (after Beltagy et al. 2020, "Longformer", sections 3.1 and 3.2).

    t sees s <= t where  t - s < window,  or s is a MASK,  or t is a MASK        else as vanilla, Q, K shared by both

Characters see their neighbourhood; the MASKs, which mark what is asked and where the answer begins, see and are seen by
all. Longformer gives its global positions projections of their own; here there is one set. Parameters as vanilla.
"""

from __future__ import annotations

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape, Layout, attend, dot_product_weights


class SlidingWindowAttention(Attention):
    """window: positions each sees, its own among them."""

    def __init__(self, shape: AttentionShape, *, window: int = 32) -> None:
        super().__init__(shape)
        if window < 1:
            raise ValueError(f"model.attention.window: expected at least 1, got {window}")
        self.window = window
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        query, key, value = (self.split_heads(layer(x)) for layer in (self.query, self.key, self.value))
        return self.output(attend(query, key, value, dropout=self.active_dropout, bias=self._bias(x, layout)))

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        query, key = self.split_heads(self.query(x)), self.split_heads(self.key(x))
        return dot_product_weights(query, key, self._bias(x, layout))

    def _bias(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Zero for what is seen, minus infinity elsewhere, (B, 1, T, T)."""
        places = torch.arange(layout.length, device=x.device)
        near = places[:, None] - places < self.window
        seen = near | layout.marks[:, None, :] | layout.marks[:, :, None]  # (B, T, T)
        return torch.zeros_like(seen, dtype=x.dtype).masked_fill(~seen, float("-inf"))[:, None]
