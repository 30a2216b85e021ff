"""Muon (Jordan et al. 2024), for matrices: momentum, made orthogonal before it is a step.

    B <- mu B + (1 - mu) G,   O = NewtonSchulz5(mu B + (1 - mu) G),   W <- (1 - lr wd) W - 0.2 sqrt(max(A, B)) lr O

The factor gives steps of AdamW's size, so that one learning rate serves both (Liu et al. 2025, "Muon is Scalable for
LLM Training", equation 4). torch.optim.Muon does the same one matrix at a time and always in bfloat16, which processors
without such arithmetic do a hundred times slower; here equal shapes go together, in what the device is fast at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from whence.training.devices import fast_in_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(Optimizer):
    """params: matrices. momentum: mu. Nesterov's form, as above."""

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                step = orthogonal(self._directions(parameters, group["momentum"]))
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                size = 0.2 * max(shape) ** 0.5 * group["lr"]
                torch._foreach_add_(parameters, list(step.to(parameters[0].dtype).unbind()), alpha=-size)
        return loss

    def _directions(self, parameters: list[nn.Parameter], momentum: float) -> torch.Tensor:
        """The gradients with their momentum, (N, A, B)."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        return torch.stack(torch._foreach_lerp(gradients, buffers, momentum))


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """About U V^T for each U S V^T of matrices, (N, A, B): Newton and Schulz' iteration on singular values.

    Its coefficients hurry small ones up and leave all of them between about 0.7 and 1.2.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x.bfloat16() if fast_in_bfloat16(x.device) else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    # In bfloat16 the products of Gram matrices alone would lose what is small.
    wide = x.shape[-1] >= 2 * x.shape[-2] and x.dtype != torch.bfloat16
    x = _by_gram(x) if wide else _directly(x)
    return x.mT if tall else x


def _directly(x: torch.Tensor) -> torch.Tensor:
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _by_gram(x: torch.Tensor) -> torch.Tensor:
    """The same, (N, A, B): all factors of the iteration are polynomials of x x^T and A by A, so that x is needed only
    before and after. Where B is four times A, 28 products of A by A matrices in place of 45."""
    a, b, c = COEFFICIENTS
    gram = x @ x.mT
    whole = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device).expand_as(gram)
    for _ in range(ITERATIONS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        whole = factor @ whole
        gram = factor @ gram @ factor
    return whole @ x
