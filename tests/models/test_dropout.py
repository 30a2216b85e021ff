"""Dropout from eight bits an element: the rate it says, the scale it says, and the same elements on the way back."""

import pytest
import torch
from torch.nn import functional as F

from whence.models.attention.products import attend, average, causal_bias, dot_product_weights
from whence.models.dropout import Dropout, dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.003])
def test_elements_are_dropped_at_the_rate_and_the_others_scaled(rate, dtype):
    torch.manual_seed(0)
    calls, count = 300, 10_007  # no multiple of eight
    dropped = 0
    for _ in range(calls):
        y = dropout(torch.ones(count, dtype=dtype), rate)
        dropped += int((y == 0).sum())
        assert set(y.unique().tolist()) <= {0.0, torch.tensor(1 / (1 - rate), dtype=dtype).item()}
    # The rate of a call is a multiple of 1/256, above or below at random: that is most of the spread of their mean.
    spread = (rate * (1 - rate) / count + 1 / 256**2 / 4) ** 0.5 / calls**0.5
    assert abs(dropped / calls / count - rate) < 4 * spread


def test_what_is_dropped_has_no_order():
    torch.manual_seed(1)
    kept = dropout(torch.ones(512, 512), 0.5) != 0
    for along in (0, 1):
        means = kept.double().mean(dim=along)
        assert (means - 0.5).abs().max() < 5 * 0.5 / 512**0.5
    both = (kept[:, 1:] & kept[:, :-1]).double().mean()
    assert abs(both - 0.25) < 0.01


def test_gradients_pass_where_elements_stay():
    torch.manual_seed(0)
    x = torch.randn(30, 40, requires_grad=True)
    y = dropout(x.transpose(0, 1), 0.3)
    y.backward(torch.ones_like(y))
    assert torch.allclose(x.grad * x, y.transpose(0, 1))
    assert (x.grad == 0).any()


def test_the_same_seed_drops_the_same():
    def drawn():
        torch.manual_seed(3)
        return dropout(torch.ones(99), 0.2)

    assert torch.equal(drawn(), drawn())


def test_nothing_is_dropped_when_not_training_or_at_rate_zero():
    x = torch.randn(5)
    assert Dropout(0.9).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("queries", [1, 3, 7])
@pytest.mark.parametrize("biased", [False, True])
def test_plain_products_attend_as_torch_s_kernel_does(queries, biased):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, t, 4, dtype=torch.float64) for t in (queries, 7, 7))
    bias = torch.randn(3, queries, 7) + causal_bias(queries, 7, query) if biased else None
    plain = average(dot_product_weights(query, key, bias), value, dropout=0.0)
    assert torch.allclose(attend(query, key, value, dropout=0.0, bias=bias), plain, atol=1e-12)
    halved = attend(query.bfloat16(), key.bfloat16(), value.bfloat16(), dropout=0.0, bias=bias)
    assert torch.allclose(halved.double(), plain, atol=0.05)


def test_attention_weights_are_dropped_while_training():
    torch.manual_seed(0)
    query, key = (torch.randn(2, 2, 16, 4) for _ in range(2))
    ones = torch.ones(2, 2, 16, 4)
    sums = attend(query, key, ones, dropout=0.25)[..., 0]  # of the weights that stay
    assert sums.std() > 0.05
    assert abs(sums.mean() - 1) < 0.1
    assert torch.allclose(F.scaled_dot_product_attention(query, key, ones, is_causal=True), ones)
