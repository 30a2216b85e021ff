"""The published sizes, and each variant against a naive reference written from its equation in float64."""

import math

import pytest
import torch
from omegaconf import OmegaConf

from whence.build import build_model
from whence.config.compose import compose
from whence.errors import ConfigError
from whence.models.attention.base import AttentionShape
from whence.models.attention.synthesizer import SynthesizerAttention
from whence.models.attention.vanilla import VanillaAttention

SHAPE = AttentionShape(n_embd=12, n_head=3, block_size=10, dropout=0.0)


def model(*words, vocab_size=256):
    spec = OmegaConf.to_container(compose(["data=cs224n", *words]).model, resolve=True)
    return build_model(spec, vocab_size=vocab_size)


@pytest.mark.parametrize(("attention", "parameters"), [("vanilla", 3_323_392), ("synthesizer", 3_076_988)])
def test_the_reference_size_is_the_published_one(attention, parameters):
    assert model(f"attention={attention}").parameter_count() == parameters


def ramp(module):
    """Fixed weights, the same on every machine and version."""
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            values = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * 0.7 + number)
            parameter.copy_(values.view_as(parameter) * 0.5)
    return module.double().eval()


def x(length):
    return torch.cos(torch.arange(2 * length * 12, dtype=torch.float64) * 0.3).view(2, length, 12)


def linear(layer, vector):
    return [
        sum(float(layer.weight[o, i]) * vector[i] for i in range(len(vector))) + float(layer.bias[o])
        for o in range(layer.out_features)
    ]


def naive(layer, x, score):
    """Attention from its definition, one number at a time; score(head, t, s) is before the softmax."""
    head_size = SHAPE.head_size
    out = torch.zeros_like(x)
    for b in range(x.shape[0]):
        rows = x[b].tolist()
        values = [linear(layer.value, row) for row in rows]
        for t in range(len(rows)):
            mixed = []
            for head in range(SHAPE.n_head):
                scores = [score(b, head, t, s) for s in range(t + 1)]
                top = max(scores)
                weights = [math.exp(value - top) for value in scores]
                total = sum(weights)
                for d in range(head * head_size, (head + 1) * head_size):
                    mixed.append(sum(w / total * values[s][d] for s, w in enumerate(weights)))
            out[b, t] = torch.tensor(linear(layer.proj, mixed), dtype=torch.float64)
    return out


@pytest.mark.parametrize("length", [1, 2, 9, 10])
def test_vanilla_is_a_masked_softmax(length):
    layer, data = ramp(VanillaAttention(SHAPE)), x(length)
    D = SHAPE.head_size

    def score(b, head, t, s):
        query, key = linear(layer.query, data[b, t].tolist()), linear(layer.key, data[b, s].tolist())
        return sum(query[d] * key[d] for d in range(head * D, (head + 1) * D)) / math.sqrt(D)

    assert torch.allclose(layer(data), naive(layer, data, score), atol=1e-10)
    mixed = layer.output(layer.weights(data) @ layer.split_heads(layer.value(data)))
    assert torch.allclose(mixed, layer(data), atol=1e-10), "the picture shows other weights than those used"


@pytest.mark.parametrize("length", [1, 2, 8, 9])
def test_synthesizer_is_a_loop_over_columns(length):
    layer, data = ramp(SynthesizerAttention(SHAPE)), x(length)
    D = SHAPE.head_size

    def score(b, head, t, s):
        hidden = [max(0.0, h) for h in linear(layer.w1, data[b, t].tolist())[head * D : (head + 1) * D]]
        return sum(hidden[d] * float(layer.w2[d, s]) for d in range(D)) + float(layer.b2[s])

    assert layer.max_length == 9
    assert torch.allclose(layer(data), naive(layer, data, score), atol=1e-10)


def test_initial_weights_follow_their_table():
    made = model()
    for name, parameter in made.named_parameters():
        if name.endswith("bias") or "positions" in name:
            assert not parameter.any(), name
        elif ".ln" in name or name.startswith("ln_f"):
            assert (parameter == 1).all(), name
        else:
            assert abs(float(parameter.std()) - 0.02) < 0.001, name
            assert abs(float(parameter.mean())) < 0.001, name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.n_head=7"], "n_embd=256 is not a multiple of n_head=7"),
        (["attention=synthesizer", "model.attention.columns=500"], "columns"),
    ],
)
def test_impossible_sizes_are_told_by_key(words, said):
    with pytest.raises(ConfigError, match=said):
        model(*words)


def test_only_models_are_built_from_a_specification():
    for target in ("os.system", "whence.data.world.folder_corpus", "pathlib.Path", "torch.load", "builtins.eval"):
        spec = OmegaConf.to_container(compose().model, resolve=True)
        for place in (spec, spec["attention"], spec["positions"]):
            kept, place["_target_"] = place["_target_"], target
            with pytest.raises(ConfigError, match="expected _target_ under whence.models"):
                build_model(spec, vocab_size=9)
            place["_target_"] = kept
