"""A claim about attention: what is said, what was measured, and whether it holds; with the curve that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Curves:
    """Series of (x, y) by name; `points` draws them without lines."""

    x: str
    y: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    log_x: bool = False
    log_y: bool = False
    points: bool = False


@dataclass(frozen=True)
class Claim:
    """`measured`, which is a `quantity`, is to be at most `bound`; at least where `at_least`. `name` names files."""

    name: str
    says: str
    quantity: str
    measured: float
    bound: float
    curves: Curves = field(repr=False)
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def attention(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """c = sum_i softmax(k_i . q)_i v_i, without scaling; query (..., D), keys and values (..., N, D)."""
    shares = (keys @ query[..., None])[..., 0].softmax(dim=-1)
    return (shares[..., None, :] @ values)[..., 0, :]


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """|found - wanted| / |wanted|, the largest over the leading dimensions."""
    return float(((found - wanted).norm(dim=-1) / wanted.norm(dim=-1)).max())


def generator(seed: int = 0) -> torch.Generator:
    """Each claim draws its own vectors, always the same."""
    return torch.Generator().manual_seed(seed)


def vectors(count: int, size: int, draw: torch.Generator) -> torch.Tensor:
    """`count` random vectors of about unit length, (count, size)."""
    return torch.randn(count, size, generator=draw, dtype=torch.float64) / size**0.5


def orthonormal(count: int, size: int, draw: torch.Generator) -> torch.Tensor:
    """`count` random vectors of unit length, each at right angles to the others, (count, size)."""
    return torch.linalg.qr(torch.randn(size, count, generator=draw, dtype=torch.float64)).Q.T
