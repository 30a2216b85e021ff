"""What a design costs: multiply-adds, counted while it runs, and the time of a forward pass, against the length T.

    vanilla      L (12 T d^2 + 2 T^2 d)                     projections and MLP, then scores and averages
    perceiver    12 (T + M) d^2 + 4 T M d                   down and up: queries on one side, keys on the other
                 + (L - 2) (12 M d^2 + 2 M^2 d)             the layers between, on M latents

so O(L (T d^2 + T^2 d)) and O(T d^2 + T M d + L (M d^2 + M^2 d)). Of the layers alone, without embedding and head.
Scores that the mask hides are counted: they are computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from whence.explore.claims import Claim, Curves
from whence.models.gpt import GPT
from whence.models.layout import Layout

LENGTHS = (32, 64, 128, 256, 512)
LATENTS = 64
LAYERS = 4
WIDTH = 256
_REPEATS = 3

Build = Callable[[str, int], GPT]  # a design by its name, for sequences of a length


@dataclass(frozen=True)
class Cost:
    """Of one design at one length: multiply-adds and seconds of its layers for one sequence."""

    name: str
    length: int
    multiply_adds: int
    seconds: float


def vanilla(length: int) -> int:
    return LAYERS * (12 * length * WIDTH**2 + 2 * length**2 * WIDTH)


def perceiver(length: int, latents: int) -> int:
    around = 12 * (length + latents) * WIDTH**2 + 4 * length * latents * WIDTH
    return around + (LAYERS - 2) * (12 * latents * WIDTH**2 + 2 * latents**2 * WIDTH)


def measure(name: str, length: int, build: Build) -> Cost:
    """Count and time the layers of a design at the reference size."""
    model = build(name, length).eval().requires_grad_(False)
    layers = model.layers
    seconds = min(_timed(layers, length) for _ in range(_REPEATS))
    # Fused attention is counted only where it is not computed: on the meta device.
    with FlopCounterMode(display=False) as counter:
        layers.to("meta")(*_inputs(length, "meta"))
    return Cost(name, length, counter.get_total_flops() // 2, seconds)


def growing(costs: Sequence[Cost]) -> list[Claim]:
    """The formulas against what was counted, and whether few latents pay."""
    found = {(cost.name, cost.length): cost for cost in costs}
    lengths = sorted({cost.length for cost in costs})
    claims = []
    for name, formula in (
        ("vanilla", vanilla),
        ("perceiver", lambda length: perceiver(length, min(LATENTS, length))),
    ):
        counted = [found[name, length].multiply_adds for length in lengths]
        expected = [formula(length) for length in lengths]
        claims.append(
            Claim(
                name=f"cost, {name}",
                says="multiply-adds are L (12 T d^2 + 2 T^2 d)"
                if name == "vanilla"
                else "a perceiver's are 12 (T + M) d^2 + 4 T M d + (L - 2) (12 M d^2 + 2 M^2 d)",
                quantity=f"largest relative difference of count and formula, T = {lengths[0]} to {lengths[-1]}",
                measured=max(abs(c - e) / e for c, e in zip(counted, expected, strict=True)),
                bound=1e-12,
                curves=_against_length({"counted": counted, "formula": expected}, lengths, "multiply-adds"),
            )
        )
    longest = lengths[-1]
    ratio = found["perceiver", longest].multiply_adds / found["vanilla", longest].multiply_adds
    counts = {name: [found[name, t].multiply_adds for t in lengths] for name in ("vanilla", "perceiver")}
    claims.append(
        Claim(
            name="cost, few latents",
            says=f"at T = {longest} a perceiver with M = {LATENTS} latents computes under half of vanilla attention's",
            quantity="multiply-adds, perceiver / vanilla",
            measured=ratio,
            bound=0.5,
            curves=_against_length(counts, lengths, "multiply-adds"),
        )
    )
    return claims


def times(costs: Sequence[Cost]) -> Curves:
    """The time of every design against the length."""
    lengths = sorted({cost.length for cost in costs})
    names = list(dict.fromkeys(cost.name for cost in costs))
    seconds = {name: [1000 * cost.seconds for cost in costs if cost.name == name] for name in names}
    return _against_length(seconds, lengths, "milliseconds of one sequence")


def _timed(layers: torch.nn.Module, length: int) -> float:
    inputs = _inputs(length, "cpu")
    started = time.perf_counter()
    with torch.no_grad():
        layers(*inputs)
    return time.perf_counter() - started


def _inputs(length: int, device: str) -> tuple[torch.Tensor, Layout]:
    marks = torch.zeros(1, length, dtype=torch.bool, device=device)
    return torch.zeros(1, length, WIDTH, device=device), Layout(1, length, marks)


def _against_length(lines: dict[str, list[int]] | dict[str, list[float]], lengths: list[int], y: str) -> Curves:
    return Curves("T", y, {name: (lengths, line) for name, line in lines.items()}, log_x=True, log_y=True)
