"""The perceivers against their equations in float64, and which input reaches which output."""

import math

import pytest
import torch
from torch.nn import functional as F

from whence.models.attention.base import AttentionShape
from whence.models.attention.vanilla import VanillaAttention
from whence.models.layout import Layout
from whence.models.perceiver import PerceiverStack

SHAPE = AttentionShape(n_embd=12, n_head=3, block_size=16, dropout=0.0)
M = 8


def stack(**options):
    torch.manual_seed(1)
    made = PerceiverStack(shape=SHAPE, n_layer=3, attention=VanillaAttention, bottleneck=M, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.double().eval()


def x(length):
    return torch.cos(torch.arange(2 * length * 12, dtype=torch.float64) * 0.3).view(2, length, 12)


def layout(batch, length):
    return Layout(batch, length, torch.zeros(batch, length, dtype=torch.bool))


def naive(layers, x, *, aligned):
    """Down, middle, up as the course writes them, one query at a time."""
    r = 2 if aligned else 1

    def cross(layer, queries, keys, visible):
        rows = []
        for i in range(queries.shape[1]):
            seen = [j for j in range(keys.shape[1]) if visible(i, j)]
            q, k, v = layer.query(queries[:, i]), layer.key(keys[:, seen]), layer.value(keys[:, seen])
            heads = []
            for h in range(3):
                part = slice(4 * h, 4 * h + 4)
                scores = torch.einsum("bd,bkd->bk", q[:, part], k[..., part]) / math.sqrt(4)
                heads.append(torch.einsum("bk,bkd->bd", scores.softmax(-1), v[..., part]))
            rows.append(layer.proj(torch.cat(heads, -1)))
        return torch.stack(rows, 1)

    latents = layers.latents.expand(2, -1, -1)
    z = latents + cross(layers.down, layers.down_ln1(latents), x, lambda i, j: j < (i + 1) * r)
    z = layers.middle(z + layers.down_mlp(layers.down_ln2(z)), layout(2, M))
    keys = layers.up_ln1(z)
    if aligned:
        keys = F.pad(keys, (0, 0, 1, 0))
        o = x + cross(layers.up, x, keys, lambda t, i: i == 0 or i * r - 1 <= t)
    else:
        o = x + cross(layers.up, x, keys, lambda t, i: i <= t)
    return o + layers.up_mlp(layers.up_ln2(o))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("length", [1, 5, 16])
def test_it_is_its_equation(aligned, length):
    layers = stack(aligned=aligned)
    assert torch.allclose(layers(x(length), layout(2, length)), naive(layers, x(length), aligned=aligned), atol=1e-10)


def reach(layers):
    """Which input changes which output, (input, output)."""
    before = layers(x(16), layout(2, 16))
    reached = torch.zeros(16, 16, dtype=torch.bool)
    for place in range(16):
        changed = x(16)
        changed[:, place] += 0.5 * torch.sin(torch.arange(12.0))
        reached[place] = ((layers(changed, layout(2, 16)) - before).abs().amax(dim=(0, 2))) > 1e-12
    return reached


def test_the_course_blacks_out_what_lies_beyond_the_latents():
    reached = reach(stack())
    for source in range(16):
        for target in range(16):
            visible = source == target or (source <= target and source < M)
            assert reached[source, target] == visible, (source, target)


def test_aligned_latents_let_every_past_input_reach_every_later_output():
    reached = reach(stack(aligned=True))
    assert torch.equal(reached, torch.ones(16, 16, dtype=torch.bool).triu())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bottleneck": 0}, "bottleneck"),
        ({"bottleneck": 17}, "bottleneck"),
        ({"bottleneck": 4, "aligned": True}, "at least 8"),
        ({"n_layer": 2}, "model.n_layer"),
    ],
)
def test_impossible_options_name_their_key(options, said):
    with pytest.raises(ValueError, match=said):
        PerceiverStack(**{"shape": SHAPE, "n_layer": 3, "attention": VanillaAttention, "bottleneck": 8, **options})
