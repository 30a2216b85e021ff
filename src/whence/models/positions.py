"""How a sequence learns the order of its tokens before the first layer; attention variants may add their own way."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class LearnedPositions(nn.Module):
    """A trained vector for each position, added to the token's; starts at zero. block_size C parameters."""

    def __init__(self, *, block_size: int, n_embd: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(block_size, n_embd))

    def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) and places (T,), or packed (N, C) and (N,)."""
        return x + F.embedding(places, self.table)


class SinusoidalPositions(nn.Module):
    """Fixed sinusoids added to the tokens' vectors (Vaswani et al. 2017, section 3.5). No parameters.

    P[t, 2i] = sin(t / 10000^(2i/C)),  P[t, 2i + 1] = cos(t / 10000^(2i/C))
    """

    table: torch.Tensor

    def __init__(self, *, block_size: int, n_embd: int) -> None:
        super().__init__()
        if n_embd % 2:
            raise ValueError(f"sinusoids come in pairs: n_embd must be even, got {n_embd}")
        rates = 10_000.0 ** (-torch.arange(0, n_embd, 2, dtype=torch.float64) / n_embd)
        angles = torch.outer(torch.arange(block_size, dtype=torch.float64), rates)  # (T, C/2)
        table = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2).float()
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) and places (T,), or packed (N, C) and (N,)."""
        return x + self.table[places].to(x.dtype)


class NoPositions(nn.Module):
    """Nothing: the attention variant sees distances by itself, or the causal mask has to do. No parameters."""

    def __init__(self, *, block_size: int, n_embd: int) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return x
