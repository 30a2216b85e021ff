"""Optimizers: the course's AdamW, and Muon for matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from whence.training.muon import Muon

DECAYS = ("course", "matrices")
TRAINS = ("all", "norms_and_biases")


def _check(betas: list[float], weight_decay: float) -> None:
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"optimizer.betas: expected two numbers from 0 to under 1, got {betas}")
    if weight_decay < 0:
        raise ValueError(f"optimizer.weight_decay: expected at least 0, got {weight_decay}")


def only(model: nn.Module, trains: str) -> None:
    """Freeze what is not to be trained.

    `norms_and_biases` leaves everything that is a vector, gains and biases: too few numbers to learn answers by heart,
    enough to find what is stored (Ben Zaken et al. 2021, "BitFit").
    Raises ValueError for anything else than that and `all`.
    """
    if trains not in TRAINS:
        raise ValueError(f"recipe.finetune.trains: expected one of {', '.join(TRAINS)}, got {trains}")
    for parameter in model.parameters():
        parameter.requires_grad_(trains == "all" or parameter.ndim <= 1)


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def adamw(model: nn.Module, *, lr: float, betas: list[float], weight_decay: float, decay: str = "course") -> AdamW:
    """AdamW (Loshchilov & Hutter 2019) over the parameters of `model` in two groups.

    decay: "course" decays everything whose name lacks "bias", so norms' gains and embeddings too, as the course's
    code does; "matrices" decays the weights of linear layers only. Raises ValueError for anything else.
    """
    if decay not in DECAYS:
        raise ValueError(f"optimizer.decay: expected one of {', '.join(DECAYS)}, got {decay}")
    _check(betas, weight_decay)
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in _trained(model):
        chosen = name in linear if decay == "matrices" else "bias" not in name
        (decayed if chosen else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return AdamW(groups, lr=lr, betas=(betas[0], betas[1]), fused=True)


def muon(model: nn.Module, *, lr: float, betas: list[float], weight_decay: float) -> Optimizer:
    """Muon for the weight matrices inside the layers, AdamW without decay for everything else, at one learning rate."""
    _check(betas, weight_decay)
    matrices = [p for name, p in _trained(model) if p.ndim == 2 and name.startswith("layers.")]
    inside = {id(parameter) for parameter in matrices}
    rest = [p for _, p in _trained(model) if id(p) not in inside]
    return Together(
        Muon(matrices, lr=lr, weight_decay=weight_decay),
        AdamW(rest, lr=lr, betas=(betas[0], betas[1]), weight_decay=0.0, fused=True),
    )


class Together(Optimizer):
    """Several optimizers of different parameters as one, for Lightning's loop and for one schedule."""

    def __init__(self, *optimizers: Optimizer) -> None:
        self.optimizers = optimizers
        super().__init__(
            [parameter for o in optimizers for group in o.param_groups for parameter in group["params"]], {}
        )
        self.param_groups = [group for optimizer in optimizers for group in optimizer.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for optimizer, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        # Loading replaces the groups, and the schedule must turn those in use.
        self.param_groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
