"""Attention to a window and to the MASK positions (after Beltagy et al. 2020, "Longformer", sections 3.1 and 3.2).

    t sees s <= t where  t - s < window,  or s is a MASK,  or t is a MASK        else as vanilla

Characters see their neighbourhood; the MASKs, which mark what is asked and where the answer begins, see and are seen by
all. Longformer gives its global positions projections of their own; here there is one set. Parameters as vanilla.
"""

from __future__ import annotations

import torch

from whence.models.attention.base import AttentionShape
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout


class SlidingWindowAttention(VanillaAttention):
    """window: positions each sees, its own among them."""

    def __init__(self, shape: AttentionShape, *, window: int = 32) -> None:
        super().__init__(shape)
        if window < 1:
            raise ValueError(f"model.attention.window: expected at least 1, got {window}")
        self.window = window

    def bias(self, layout: Layout, dtype: torch.dtype) -> torch.Tensor:
        """Zero for what is seen, minus infinity elsewhere, (B, 1, T, S)."""
        places = torch.arange(layout.end, device=layout.marks.device)
        distance = places[layout.start :, None] - places  # (T, S)
        near = distance < self.window
        seen = (near | layout.marks[:, None, :] | layout.marks[:, layout.start :, None]) & (distance >= 0)  # (B, T, S)
        return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, float("-inf"))[:, None]
