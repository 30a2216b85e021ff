"""Dropout (Srivastava et al. 2014) that costs little on a processor.

torch draws a random number of its own for each element, one after the other on a processor: a quarter of a training
step here. 64 drawn bits decide eight elements as well, each by 8 of them, and numpy draws those in two thirds of the
time. A rate that is no multiple of 1/256 is rounded up or down anew in each call, at random, so that every element is
dropped at exactly that rate.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

_LEVELS = 256  # of 8 bits


def dropout(x: torch.Tensor, rate: float) -> torch.Tensor:
    """x with each element zero with probability `rate`, and divided by 1 - rate otherwise."""
    if not rate:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    return x * (_opaque if torch.compiler.is_compiling() else _kept)(x.detach(), rate)


def _kept(x: torch.Tensor, rate: float) -> torch.Tensor:
    """In the shape of x: 1 / (1 - rate) for elements that stay, zero for others."""
    count = x.numel()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    drawn = torch.from_numpy(np.random.SFC64(seed).random_raw(-(-count // 8) + 1).view(np.int64))
    chance = int(drawn[-1]) / 2**64 + 0.5
    dropped = int(rate * _LEVELS + chance)  # of the levels
    stays = drawn.view(torch.int8)[:count].ge_(dropped - _LEVELS // 2)
    # Booleans become numbers slowly; zeros and ones of 16 bits become numbers in bfloat16 by a product with their bits.
    scale = torch.tensor(1 / (1 - rate), dtype=x.dtype)
    halved = x.dtype == torch.bfloat16
    bits = (scale if halved else torch.ones((), dtype=torch.bfloat16)).view(torch.int16)
    kept = stays.to(torch.int16).mul_(bits).view(torch.bfloat16).view(x.shape)
    return kept if halved else kept.to(x.dtype).mul_(scale)


# For torch.compile, which cannot look through bits taken for other numbers.
_opaque = torch.library.custom_op("whence::kept", _kept, mutates_args=())


@_opaque.register_fake
def _(x: torch.Tensor, rate: float) -> torch.Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


class Dropout(nn.Module):
    """`dropout` while training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(x, self.rate) if self.training else x
