"""How attention learns of order: without positions it cannot, sinusoids and rotations tell it."""

from __future__ import annotations

import math

import torch

from whence.explore.claims import Claim, Curves, generator
from whence.models.attention.base import AttentionShape
from whence.models.attention.rope import RotaryAttention
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout
from whence.models.positions import SinusoidalPositions

SHAPE = AttentionShape(n_embd=64, n_head=4, block_size=128, dropout=0.0)
LENGTH = 32
KINDS = ("none", "sinusoids", "rotations")
_SAYS = {
    "none": "without positions and mask, attention and MLP of permuted inputs are the permuted outputs",
    "sinusoids": "sinusoids added to the inputs break that symmetry",
    "rotations": "rotary positions break that symmetry",
}


def permuting(kind: str) -> Claim:
    """How far f(P X) is from P f(X) for a random permutation P; kind: the positions in use."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        layer = (RotaryAttention if kind == "rotations" else VanillaAttention)(SHAPE).double().eval()
        mlp = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 64)).double()
    draw = generator(6)
    x = torch.randn(1, LENGTH, 64, generator=draw, dtype=torch.float64)
    order = torch.randperm(LENGTH, generator=draw)
    table = SinusoidalPositions(block_size=LENGTH, n_embd=64)
    layout = _unmarked(LENGTH)

    @torch.no_grad()
    def f(x: torch.Tensor) -> torch.Tensor:
        x = table(x, layout.places) if kind == "sinusoids" else x
        value, *compared = map(layer.heads, (layer.value(x), *layer.projections(x)))
        query, key = layer.compared(layout, *compared)
        shares = (query @ key.mT / math.sqrt(SHAPE.head_size)).softmax(dim=-1)  # every position sees all
        return mlp(layer.proj((shares @ value).transpose(1, 2).flatten(2)))

    distance = (f(x[:, order]) - f(x)[:, order]).norm(dim=-1)[0] / f(x)[:, order].norm(dim=-1)[0]
    return Claim(
        name=f"permuting, {kind}",
        says=_SAYS[kind],
        quantity="|f(P X) - P f(X)| / |f(X)|, the largest of all positions",
        measured=float(distance.max()),
        bound=1e-12 if kind == "none" else 0.01,
        at_least=kind != "none",
        curves=Curves(
            "position", "relative difference", {kind: (list(range(LENGTH)), (distance + 1e-18).tolist())}, log_y=True
        ),
    )


def rotating() -> Claim:
    """Rotary scores of one query and one key, put at all places: they depend on t1 - t2 alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        layer = RotaryAttention(SHAPE).double().eval()
    x = torch.randn(1, 1, 64, generator=generator(7), dtype=torch.float64).expand(1, SHAPE.block_size, 64)
    layout = _unmarked(SHAPE.block_size)
    with torch.no_grad():
        query, key = layer.compared(layout, *map(layer.heads, layer.projections(x)))
    scores = (query @ key.mT / math.sqrt(SHAPE.head_size))[0]  # (H, T, T)
    distances = range(-SHAPE.block_size + 1, SHAPE.block_size)
    spread = 0.0
    for distance in distances:
        along = scores.diagonal(-distance, dim1=-2, dim2=-1)  # (H, places)
        spread = max(spread, float((along.amax(dim=-1) - along.amin(dim=-1)).max()))
    lines = {
        f"head {head + 1}": (
            list(distances),
            [float(scores[head].diagonal(-distance)[0]) for distance in distances],
        )
        for head in range(SHAPE.n_head)
    }
    size = float(scores.max() - scores.min())
    return Claim(
        name="rotating",
        says="rotary scores depend on the distance t1 - t2 and not on the places",
        quantity="spread of the scores at one distance / range of all scores (float32 angles)",
        measured=spread / size,
        bound=1e-4,
        curves=Curves("t1 - t2", "score of the same query and key", lines),
    )


def repeating() -> Claim:
    """Sinusoids give every place of the block a vector of its own."""
    table = SinusoidalPositions(block_size=128, n_embd=256).table
    distance = torch.cdist(table, table).fill_diagonal_(math.inf).amin(dim=1)
    return Claim(
        name="repeating",
        says="sinusoids never repeat within the block",
        quantity="distance of the two nearest of 128 places (vectors of length 11.3)",
        measured=float(distance.min()),
        bound=0.1,
        at_least=True,
        curves=Curves("position", "distance to the nearest other place", {"d = 256": (range(128), distance.tolist())}),
    )


def _unmarked(length: int) -> Layout:
    """Of one sequence without a MASK."""
    return Layout(1, length, torch.zeros(1, length, dtype=torch.bool))
