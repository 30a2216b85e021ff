"""Our Muon against torch's, and its orthogonal steps against a singular value decomposition."""

import math

import pytest
import torch

from whence.training import muon
from whence.training.muon import Muon, orthogonal

SHAPES = ((6, 6), (6, 6), (4, 12), (12, 4))


def parameters():
    return [
        torch.nn.Parameter(torch.sin(torch.arange(float(rows * columns)) * (1 + n)).view(rows, columns))
        for n, (rows, columns) in enumerate(SHAPES)
    ]


def steps(optimizer, params, count=4):
    draw = torch.Generator().manual_seed(count)
    for _ in range(count):
        for parameter in params:
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()


@pytest.mark.parametrize(("fast", "tolerance"), [(True, 1e-3), (False, 2e-2)])
def test_it_steps_as_torchs_does(fast, tolerance, monkeypatch):
    monkeypatch.setattr(muon, "fast_in_bfloat16", lambda device: fast)
    ours, theirs = parameters(), parameters()
    steps(Muon(ours, lr=0.1, weight_decay=0.1), ours)
    steps(torch.optim.Muon(theirs, lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"), theirs)
    for one, other, start in zip(ours, theirs, parameters(), strict=True):
        assert (one - start).abs().max() > 0.05
        assert torch.allclose(one, other, atol=tolerance)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 4, 16), (2, 16, 4)])
def test_a_step_is_nearly_orthogonal_and_keeps_its_directions(shape, monkeypatch):
    monkeypatch.setattr(muon, "fast_in_bfloat16", lambda device: False)
    torch.manual_seed(0)
    u, s, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrices = u @ torch.diag_embed(s.clamp(min=s.amax() / 20)) @ vh
    found = orthogonal(matrices)
    core = u.mT @ found @ vh.mT
    singular = core.diagonal(dim1=-2, dim2=-1)
    assert (core - torch.diag_embed(singular)).abs().max() < 1e-3, "directions are kept"
    assert singular.min() > 0.6
    assert singular.max() < 1.3


@pytest.mark.parametrize("small", [1, 1e-2, 1e-5])
def test_wide_matrices_by_their_gram_matrix_are_what_they_are_directly(small):
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(3, size, 32, dtype=torch.float64))[0] for size in (32, 128))
    x = left @ torch.diag_embed(torch.logspace(0, math.log10(small), 32, dtype=torch.float64).expand(3, -1)) @ right.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True)
    assert torch.allclose(muon._by_gram(x), muon._directly(x), atol=1e-8)
    assert torch.allclose(muon._by_gram(x.float()).double(), muon._directly(x), atol=2e-3)


def test_a_state_is_taken_up_again():
    params, again = parameters(), parameters()
    whole, first = Muon(params, lr=0.1, weight_decay=0.0), Muon(again, lr=0.1, weight_decay=0.0)
    steps(whole, params, 3)
    steps(first, again, 3)
    second = Muon(again, lr=0.5, weight_decay=0.0)  # the saved state has its own
    second.load_state_dict(first.state_dict())
    steps(whole, params, 2)
    steps(second, again, 2)
    assert all(torch.equal(a, b) for a, b in zip(params, again, strict=True))
