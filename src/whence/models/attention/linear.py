"""Causal linear attention (Katharopoulos et al. 2020, "Transformers are RNNs", equations 8 and 9).

    y_t = sum_{s<=t} phi(q_t).phi(k_s) v_s / sum_{s<=t} phi(q_t).phi(k_s),   phi(x) = elu(x) + 1

Written with the T x T matrix of weights and not as the recurrence: the same sums, and cheaper while T is under D^2, as
it is here. Dropout acts on the weights. Parameters as vanilla.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from whence.models.attention.base import Attention
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout


class LinearAttention(VanillaAttention):
    mix = Attention.mix  # from the weights: they are no softmax

    def weights(self, layout: Layout, *projected: torch.Tensor) -> torch.Tensor:
        # torch.compile expects elu to keep the order of a turned tensor in memory, which it does not.
        query, key = (F.elu(turned.contiguous()) + 1 for turned in self.compared(layout, *projected))
        scores = (query @ key.transpose(-2, -1)).tril(layout.start)  # (B, H, T, S), none below zero
        return scores / (scores.sum(dim=-1, keepdim=True) + 1e-6)
