"""Each variant against a naive reference: its equation in float64, one number at a time."""

import cmath
import math

import pytest
import torch

from whence.models.attention.alibi import AlibiAttention
from whence.models.attention.base import AttentionShape
from whence.models.attention.linear import LinearAttention
from whence.models.attention.rope import RotaryAttention
from whence.models.attention.sliding_window import SlidingWindowAttention
from whence.models.attention.synthesizer import SynthesizerAttention
from whence.models.attention.synthesizer_factorized_dense import FactorizedDenseSynthesizerAttention
from whence.models.attention.synthesizer_mixture import SynthesizerMixtureAttention
from whence.models.attention.synthesizer_random import RandomSynthesizerAttention
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout
from whence.models.positions import LearnedPositions, SinusoidalPositions

SHAPE = AttentionShape(n_embd=12, n_head=3, block_size=10, dropout=0.0)
D = SHAPE.head_size


def ramp(module):
    """Fixed weights, the same on every machine and version; tables that follow from an equation stay."""
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            values = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * 0.7 + number)
            parameter.copy_(values.view_as(parameter) * 0.5)
    return module.double().eval()


def x(length):
    return torch.cos(torch.arange(2 * length * 12, dtype=torch.float64) * 0.3).view(2, length, 12)


def layout(length):
    """The first sequence has a MASK at its places 1 and 6, the second none."""
    marks = torch.zeros(2, length, dtype=torch.bool)
    marks[0, [place for place in (1, 6) if place < length]] = True
    return Layout(2, length, marks)


def linear(layer, vector):
    return [
        sum(float(layer.weight[o, i]) * vector[i] for i in range(len(vector))) + float(layer.bias[o])
        for o in range(layer.out_features)
    ]


def head_of(vector, head):
    return vector[head * D : (head + 1) * D]


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def relu(vector):
    return [max(0.0, value) for value in vector]


def vanilla(layer, rows, head, t, s):
    query, key = head_of(linear(layer.query, rows[t]), head), head_of(linear(layer.key, rows[s]), head)
    return dot(query, key) / math.sqrt(D)


def rope(layer, rows, head, t, s):
    query, key = head_of(linear(layer.query, rows[t]), head), head_of(linear(layer.key, rows[s]), head)
    total = 0.0
    for i in range(D // 2):
        theta = 10_000 ** (-2 * i / D)
        turned_query = complex(query[2 * i], query[2 * i + 1]) * cmath.exp(1j * t * theta)
        turned_key = complex(key[2 * i], key[2 * i + 1]) * cmath.exp(1j * s * theta)
        total += (turned_query * turned_key.conjugate()).real
    return total / math.sqrt(D)


def alibi(layer, rows, head, t, s):
    return vanilla(layer, rows, head, t, s) - 2 ** (-8 * (head + 1) / SHAPE.n_head) * (t - s)


def synthesizer(layer, rows, head, t, s):
    hidden = relu(head_of(linear(layer.w1, rows[t]), head))
    return sum(hidden[d] * float(layer.w2[d, s]) for d in range(D)) + float(layer.b2[s])


def synthesizer_per_head(layer, rows, head, t, s):
    hidden = relu(head_of(linear(layer.w1, rows[t]), head))
    return sum(hidden[d] * float(layer.w2[head, d, s]) for d in range(D)) + float(layer.b2[head, s])


def mixture(layer, rows, head, t, s):
    one, two = (math.exp(float(value)) for value in layer.mixture)
    parts = one * synthesizer(layer, rows, head, t, s) + two * vanilla(layer, rows, head, t, s)
    return parts / (one + two)


def random(layer, rows, head, t, s):
    return float(layer.left[head, t, s])


def factorized_random(layer, rows, head, t, s):
    return dot(layer.left[head, t].tolist(), layer.right[head, s].tolist())


def factorized_dense(layer, rows, head, t, s):
    hidden = relu(head_of(linear(layer.w1, rows[t]), head))
    width = layer.fine.out_features
    return linear(layer.coarse, hidden)[s // width] * linear(layer.fine, hidden)[s % width]


def softmax(score, limited=False):
    def weights(layer, rows, head, t, marks):
        seen = [s for s in range(t + 1) if not limited or t - s < 3 or marks[s] or marks[t]]
        scores = [score(layer, rows, head, t, s) if s in seen else -math.inf for s in range(t + 1)]
        powers = [math.exp(value - max(scores)) for value in scores]
        return [power / sum(powers) for power in powers]

    return weights


def feature_map(layer, rows, head, t, marks):
    def phi(vector):
        return [value + 1 if value > 0 else math.exp(value) for value in vector]

    query = phi(head_of(linear(layer.query, rows[t]), head))
    scores = [dot(query, phi(head_of(linear(layer.key, rows[s]), head))) for s in range(t + 1)]
    return [score / sum(scores) for score in scores]


VARIANTS = [
    pytest.param(VanillaAttention, {}, softmax(vanilla), id="vanilla"),
    pytest.param(RotaryAttention, {}, softmax(rope), id="rope"),
    pytest.param(AlibiAttention, {}, softmax(alibi), id="alibi"),
    pytest.param(SynthesizerAttention, {}, softmax(synthesizer), id="synthesizer"),
    pytest.param(SynthesizerAttention, {"per_head": True}, softmax(synthesizer_per_head), id="synthesizer per head"),
    pytest.param(SynthesizerMixtureAttention, {}, softmax(mixture), id="mixture"),
    pytest.param(SlidingWindowAttention, {"window": 3}, softmax(vanilla, limited=True), id="sliding window"),
    pytest.param(RandomSynthesizerAttention, {}, softmax(random), id="random"),
    pytest.param(RandomSynthesizerAttention, {"trainable": False}, softmax(random), id="fixed random"),
    pytest.param(RandomSynthesizerAttention, {"rank": 3}, softmax(factorized_random), id="factorized random"),
    pytest.param(FactorizedDenseSynthesizerAttention, {"rows": 5}, softmax(factorized_dense), id="factorized dense"),
    pytest.param(LinearAttention, {}, feature_map, id="linear"),
]


@pytest.mark.parametrize(("variant", "options", "weights"), VARIANTS)
@pytest.mark.parametrize("length", [1, 2, 9])
def test_it_is_its_equation(variant, options, weights, length):
    layer, data, seen = ramp(variant(SHAPE, **options)), x(length), layout(length)
    expected = torch.zeros_like(data)
    for b in range(2):
        rows = data[b].tolist()
        values = [linear(layer.value, row) for row in rows]
        for t in range(length):
            mixed = []
            for head in range(SHAPE.n_head):
                shares = weights(layer, rows, head, t, seen.marks[b].tolist())
                picture = layer.picture(data, seen)[b, head, t].tolist()
                assert picture == pytest.approx([*shares, *[0.0] * (length - t - 1)], abs=1e-5)
                columns = zip(*(head_of(value, head) for value in values[: t + 1]), strict=True)
                mixed += [dot(shares, column) for column in columns]
            expected[b, t] = torch.tensor(linear(layer.proj, mixed), dtype=torch.float64)
    # alibi, rope and linear keep small float32 constants
    assert torch.allclose(layer(data, seen), expected, atol=1e-5 if variant in FLOAT32 else 1e-10)


FLOAT32 = (AlibiAttention, RotaryAttention, LinearAttention)


def test_rope_scores_depend_on_distance_only():
    layer = ramp(RotaryAttention(SHAPE))
    query, key = (torch.sin(torch.arange(3.0 * D) + shift).double().view(1, 3, 1, D) for shift in (0, 5))
    turned = [layer._turn(vector.expand(1, 3, 10, D), layout(10)) for vector in (query, key)]
    scores = (turned[0] @ turned[1].transpose(-2, -1))[0]  # the same query and key at every place
    for offset in range(-9, 10):
        diagonal = scores.diagonal(offset, dim1=-2, dim2=-1)
        assert torch.allclose(diagonal, diagonal[:, :1].expand_as(diagonal), atol=1e-5)
    assert (scores[:, 5, 0] - scores[:, 6, 0]).abs().max() > 0.1, "the distance must matter"


def test_sinusoids_follow_the_formula_and_never_repeat():
    table = SinusoidalPositions(block_size=128, n_embd=256).table
    for t, i in ((0, 0), (1, 0), (5, 3), (127, 127), (77, 60)):
        angle = t / 10_000 ** (2 * i / 256)
        assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
        assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    distance = torch.cdist(table, table).fill_diagonal_(math.inf)
    assert distance.min() > 0.1


def test_learned_positions_start_at_zero_and_are_added():
    positions = LearnedPositions(block_size=10, n_embd=12)
    places = torch.arange(4)
    assert torch.equal(positions(x(4).float(), places), x(4).float())
    with torch.no_grad():
        positions.table += torch.arange(10)[:, None]
    assert torch.equal(positions(x(4).float(), places), x(4).float() + places[:, None])
    packed = positions(x(4)[0].float(), places + 3)
    assert torch.equal(packed, x(4)[0].float() + (places + 3)[:, None])


def test_a_fixed_random_synthesizer_brings_its_matrix_along():
    one, two = (RandomSynthesizerAttention(SHAPE, trainable=False) for _ in range(2))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.left, two.left)
    assert not [name for name, _ in one.named_parameters() if name in ("left", "right")]


@pytest.mark.parametrize(
    ("variant", "options", "said"),
    [
        (RotaryAttention, {"base": 1.0}, "base"),
        (AlibiAttention, {"steepest": 0.0}, "steepest"),
        (RandomSynthesizerAttention, {"rank": 0}, "rank"),
        (FactorizedDenseSynthesizerAttention, {"rows": 3}, "divisor of block_size=10"),
        (SynthesizerAttention, {"columns": 11}, "columns"),
        (SlidingWindowAttention, {"window": 0}, "window"),
    ],
)
def test_impossible_options_name_their_key(variant, options, said):
    with pytest.raises(ValueError, match=said):
        variant(SHAPE, **options)
