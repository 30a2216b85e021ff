"""Every claim holds, with a tolerance that can fail; and each fails where its premise is taken away."""

import pytest
import torch

from whence.explore import claims, heads, mixing, order
from whence.explore.claims import attention, generator, orthonormal, relative_error, vectors
from whence.explore.cost import Cost, growing, measure, perceiver, vanilla
from whence.stages.explore import design, parameters

ALL = {
    "copying": mixing.copying,
    "averaging": mixing.averaging,
    "extracting": mixing.extracting,
    "building": mixing.building,
    "two heads": lambda: heads.spreads(positive=True),
    "two heads, all draws": lambda: heads.spreads(positive=False),
    **{f"permuting, {kind}": (lambda kind=kind: order.permuting(kind)) for kind in order.KINDS},
    "rotating": order.rotating,
    "repeating": order.repeating,
}


@pytest.mark.parametrize("name", ALL)
def test_the_claim_holds_and_is_the_same_again(name):
    claim = ALL[name]()
    assert claim.name == name
    assert claim.holds, f"{claim.quantity}: {claim.measured}, bound {claim.bound}"
    assert ALL[name]().measured == claim.measured
    for x, y in claim.curves.series.values():
        assert len(x) == len(y) > 10


def test_a_claim_that_does_not_hold_says_so():
    curves = claims.Curves("x", "y", {})
    assert not claims.Claim("a", "b", "c", 2.0, 1.0, curves).holds
    assert not claims.Claim("a", "b", "c", 1.0, 2.0, curves, at_least=True).holds
    assert claims.Claim("a", "b", "c", 2.0, 1.0, curves, at_least=True).holds


def test_attention_is_its_equation():
    draw = generator()
    query, keys, values = vectors(3, 5, draw), vectors(4, 5, draw), vectors(4, 5, draw)
    found = attention(query, keys.expand(3, 4, 5), values.expand(3, 4, 5))
    for row in range(3):
        powers = [float(torch.exp(keys[i] @ query[row])) for i in range(4)]
        expected = sum(p / sum(powers) * values[i] for i, p in enumerate(powers))
        assert torch.allclose(found[row], expected)


def test_the_error_of_copying_is_the_softmaxs():
    claim = mixing.copying()
    t, errors = claim.curves.series["copy of v_j"]
    others = mixing.KEYS - 1
    for scale, error in list(zip(t, errors, strict=True))[10:]:
        share = others / (others + torch.e**scale)  # of all other keys together, each at right angles
        assert error < 3 * share


def test_averaging_needs_keys_at_right_angles():
    draw = generator(9)
    keys, values = orthonormal(3, 16, draw), orthonormal(3, 16, draw)
    keys[2] = 1.1 * (keys[0] + keys[1]) / 2**0.5  # nearer to k_a + k_b than either
    wanted = (values[0] + values[1]) / 2
    assert relative_error(attention(40 * (keys[0] + keys[1]), keys, values), wanted) > 0.5


def test_extracting_fails_as_the_subspaces_come_close():
    degrees, errors = mixing.extracting().curves.series["M (v_a + v_b)"]
    assert list(degrees) == sorted(degrees)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.5


def test_both_ways_of_averaging_agree_on_the_average():
    averages = [sum(shares) / len(shares) for _, shares in heads.spreads(positive=True).curves.series.values()]
    assert averages == [pytest.approx(0.5, abs=0.08)] * 2


@pytest.mark.parametrize("length", [32, 128])
@pytest.mark.parametrize(("name", "formula"), [("vanilla", vanilla), ("perceiver", lambda t: perceiver(t, min(64, t)))])
def test_multiply_adds_are_counted_as_the_formula_says(name, formula, length):
    cost = measure(name, length, design)
    assert cost.multiply_adds == formula(length)
    assert cost.seconds > 0


def test_a_design_that_computes_more_fails_its_claim():
    costs = [
        Cost(name, length, formula(length) + extra, 0.1)
        for length in (64, 512)
        for name, formula, extra in (("vanilla", vanilla, 1), ("perceiver", lambda t: perceiver(t, min(64, t)), 0))
    ]
    assert [claim.holds for claim in growing(costs)] == [False, True, True]


def test_parameters_are_those_of_the_reference_size():
    assert parameters("vanilla") == 3_323_392
    assert parameters("synthesizer") == 3_076_988
