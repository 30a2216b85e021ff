"""Random synthesizer (Tay et al. 2020, "Synthesizer", section 3.1.2): attention that does not look at the input at all.

    Y = softmax(R, keys s <= t) V        R in R^(T x T) for each head, learned or left as it was drawn

Per layer 2 (C^2 + C) parameters, and H block_size^2 more where R is learned. With `rank` it is the factorized form
(section 3.1.4), R = R1 R2^T with R1, R2 in R^(T x rank): 2 H block_size rank.
"""

from __future__ import annotations

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape
from whence.models.attention.products import causal_softmax
from whence.models.layout import Layout


class RandomSynthesizerAttention(Attention):
    """trainable: false keeps R as drawn. rank: null for the full matrix. std: of the drawn entries of R."""

    left: torch.Tensor
    right: torch.Tensor | None

    def __init__(
        self, shape: AttentionShape, *, trainable: bool = True, rank: int | None = None, std: float = 1.0
    ) -> None:
        super().__init__(shape)
        length = shape.block_size
        if rank is not None and not 1 <= rank <= length:
            raise ValueError(f"model.attention.rank: expected 1 to block_size={length}, got {rank}")
        width = length if rank is None else rank
        left = torch.randn(shape.n_head, length, width) * std
        right = None if rank is None else torch.randn(shape.n_head, length, rank) / rank**0.5
        for name, drawn in (("left", left), ("right", right)):
            if trainable and drawn is not None:
                self.register_parameter(name, nn.Parameter(drawn))
            else:
                self.register_buffer(name, drawn)  # saved: a checkpoint must bring its R along

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        scores = self.left[:, layout.start : layout.end]
        if self.right is None:
            scores = scores[..., : layout.end]
        else:
            scores = scores @ self.right[:, : layout.end].transpose(-2, -1)
        return causal_softmax(scores).expand(layout.batch, -1, -1, -1)  # (B, H, T, S)
