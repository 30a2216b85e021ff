"""What one attention operation can do: copy a value, average two, and what a projection gets back out of a sum."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from whence.explore.claims import Claim, Curves, attention, generator, orthonormal, relative_error, vectors

SIZE = 64
KEYS = 8


def copying() -> Claim:
    """q = t k_j makes c approach v_j: the other keys' shares fall as exp(-t (|k_j|^2 - k_i . k_j))."""
    draw = generator(1)
    keys, values = orthonormal(KEYS, SIZE, draw), vectors(KEYS, SIZE, draw)
    return _approaching(
        lambda t: max(relative_error(attention(t * keys[j], keys, values), values[j]) for j in range(KEYS)),
        name="copying",
        says="q = t k_j copies v_j: c approaches it as t grows",
        quantity=f"|c - v_j| / |v_j|, the worst of {KEYS} keys",
        line="copy of v_j",
    )


def averaging() -> Claim:
    """q = t (k_a + k_b) shares all weight between a and b, where keys are at right angles."""
    draw = generator(2)
    keys, values = orthonormal(KEYS, SIZE, draw), vectors(KEYS, SIZE, draw)
    wanted = (values[0] + values[1]) / 2
    return _approaching(
        lambda t: relative_error(attention(t * (keys[0] + keys[1]), keys, values), wanted),
        name="averaging",
        says="q = t (k_a + k_b) averages: c approaches (v_a + v_b) / 2",
        quantity="relative error of c",
        line="average of v_a, v_b",
    )


def _approaching(error: Callable[[float], float], *, name: str, says: str, quantity: str, line: str) -> Claim:
    """An error that vanishes as the query's length t grows from 0 to 40."""
    scales = [float(t) for t in torch.linspace(0, 40, 41)]
    errors = [error(t) for t in scales]
    return Claim(
        name=name,
        says=says,
        quantity=f"{quantity} at t = {scales[-1]:g}",
        measured=errors[-1],
        bound=1e-12,
        curves=Curves("t", "relative error of c", {line: (scales, errors)}, log_y=True),
    )


def extracting() -> Claim:
    """M = sum_i a_i a_i^T takes v_a out of v_a + v_b, for v_a in span(a), v_b in span(b), the spans at right angles."""
    draw = generator(3)
    basis = orthonormal(8, SIZE, draw)
    first, second = basis[:4], basis[4:]
    parts = torch.randn(2, 4, generator=draw, dtype=torch.float64)
    wanted = parts[0] @ first
    project = first.T @ first  # M
    degrees = [float(d) for d in range(5, 91, 5)]
    errors = []
    for angle in degrees:  # the second span leans towards the first
        leaning = math.cos(math.radians(angle)) * first + math.sin(math.radians(angle)) * second
        errors.append(relative_error(project @ (wanted + parts[1] @ leaning), wanted))
    return Claim(
        name="extracting",
        says="M = sum a_i a_i^T takes v_a out of v_a + v_b when the two lie in orthogonal subspaces",
        quantity="|M (v_a + v_b) - v_a| / |v_a| at 90 degrees",
        measured=errors[-1],
        bound=1e-12,
        curves=Curves("angle between the subspaces, degrees", "relative error", {"M (v_a + v_b)": (degrees, errors)}),
    )


def building() -> Claim:
    """Self-attention with K = I, V = (u_b u_b^T - u_c u_c^T) / beta^2, Q = (u_d u_a^T + u_c u_d^T) / beta^2.

    With x1 = u_d + u_b, x2 = u_a, x3 = u_c + u_b and |u| = beta: q1 = u_c finds x3, whose value is u_b - u_c; q2 = u_d
    finds x1, whose value is u_b.
    """
    lengths = [1 + 0.25 * step for step in range(21)]
    curves: dict[str, list[float]] = {"c1 to u_b - u_c": [], "c2 to u_b": []}
    for beta in lengths:
        a, b, c, d = beta * orthonormal(4, SIZE, generator(4))
        inputs = torch.stack([d + b, a, c + b])
        value = (torch.outer(b, b) - torch.outer(c, c)) / beta**2
        query = (torch.outer(d, a) + torch.outer(c, d)) / beta**2
        out = attention(inputs @ query.T, inputs.expand(3, -1, -1), (inputs @ value.T).expand(3, -1, -1))
        curves["c1 to u_b - u_c"].append(relative_error(out[0], b - c))
        curves["c2 to u_b"].append(relative_error(out[1], b))
    return Claim(
        name="building",
        says="x1 = u_d + u_b, x2 = u_a, x3 = u_c + u_b: a choice of V, K, Q gives c1 near u_b - u_c and c2 near u_b",
        quantity=f"the larger relative error at |u| = {lengths[-1]:g}",
        measured=max(errors[-1] for errors in curves.values()),
        bound=1e-12,
        curves=Curves("|u|", "relative error", {k: (lengths, v) for k, v in curves.items()}, log_y=True),
    )
