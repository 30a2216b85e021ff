"""How a sequence learns the order of its tokens before the first layer; attention variants may add their own way."""

from __future__ import annotations

import torch
from torch import nn


class LearnedPositions(nn.Module):
    """A trained vector for each position, added to the token's; starts at zero. block_size C parameters."""

    def __init__(self, *, block_size: int, n_embd: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(block_size, n_embd))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C)."""
        return x + self.table[: x.shape[1]]
