"""Causal linear attention (Katharopoulos et al. 2020, "Transformers are RNNs", equations 8 and 9).

    y_t = sum_{s<=t} phi(q_t).phi(k_s) v_s / sum_{s<=t} phi(q_t).phi(k_s),   phi(x) = elu(x) + 1

Written with the T x T matrix of weights and not as the recurrence: the same sums, and cheaper while T is under D^2, as
it is here. Dropout acts on the weights. Parameters as vanilla.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import Attention, AttentionShape, Layout


class LinearAttention(Attention):
    def __init__(self, shape: AttentionShape) -> None:
        super().__init__(shape)
        self.query = nn.Linear(shape.n_embd, shape.n_embd)
        self.key = nn.Linear(shape.n_embd, shape.n_embd)

    def weights(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        query = F.elu(self.split_heads(self.query(x))) + 1
        key = F.elu(self.split_heads(self.key(x))) + 1
        scores = (query @ key.transpose(-2, -1)).tril()  # (B, H, T, T), none below zero
        return scores / (scores.sum(dim=-1, keepdim=True) + 1e-6)
