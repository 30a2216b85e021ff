import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.training.schedules import WarmupDecay


def course(rows, batch_size, block_size, epochs, warmup=10_240):
    """The course's Trainer: the rate of each step, from tokens counted with padding after the step before."""
    final, tokens, rate, rates = rows * epochs * block_size, 0, 1.0, []
    for _ in range(epochs):
        for start in range(0, rows, batch_size):
            rates.append(rate)
            tokens += min(batch_size, rows - start) * block_size
            if tokens < warmup:
                rate = tokens / warmup
            else:
                progress = (tokens - warmup) / max(1, final - warmup)
                rate = max(0.1, 0.5 * (1 + math.cos(math.pi * progress)))
    return rates


@pytest.mark.parametrize(("rows", "batch_size", "epochs"), [(2937, 128, 20), (2000, 256, 10), (2000, 256, 75)])
def test_it_is_the_courses_schedule(rows, batch_size, epochs):
    expected = course(rows, batch_size, 128, epochs)
    schedule = WarmupDecay(
        rows=rows, batch_size=batch_size, block_size=128, steps=len(expected), warmup_tokens=10_240, floor=0.1
    )
    factors = [schedule(step) for step in range(len(expected))]
    assert factors[1:] == pytest.approx(expected[1:], abs=1e-9)
    assert factors[0] == pytest.approx(1.0, abs=1e-3)  # the course has no schedule yet in its very first step


@given(st.integers(1, 500), st.integers(1, 64), st.integers(1, 300), st.integers(0, 100_000), st.floats(0, 1))
def test_it_stays_between_its_bounds(rows, batch_size, steps, warmup, floor):
    schedule = WarmupDecay(
        rows=rows, batch_size=batch_size, block_size=32, steps=steps, warmup_tokens=warmup, floor=floor
    )
    factors = [schedule(step) for step in range(steps + 5)]
    assert all(0 <= f <= 1 for f in factors)
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_a_long_warm_up_is_linear():
    schedule = WarmupDecay(rows=1000, batch_size=10, block_size=10, steps=1000, warmup_tokens=10_000, floor=0.1)
    assert [schedule(step) for step in (1, 10, 50, 99)] == pytest.approx([0.01, 0.1, 0.5, 0.99])
