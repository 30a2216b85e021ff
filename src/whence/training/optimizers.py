"""Optimizers of the course, with the choice of what weight decay touches."""

from __future__ import annotations

import torch
from torch import nn

DECAYS = ("course", "matrices")


def adamw(
    model: nn.Module, *, lr: float, betas: list[float], weight_decay: float, decay: str = "course"
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over the parameters of `model` in two groups.

    decay: "course" decays everything whose name lacks "bias", so norms' gains and embeddings too, as the course's
    code does; "matrices" decays the weights of linear layers only. Raises ValueError for anything else.
    """
    if decay not in DECAYS:
        raise ValueError(f"optimizer.decay: expected one of {', '.join(DECAYS)}, got {decay}")
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        chosen = name in linear if decay == "matrices" else "bias" not in name
        (decayed if chosen else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(betas[0], betas[1]), fused=True)
