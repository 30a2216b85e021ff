"""Learning from what trained models say of a text, besides the text itself (Hinton, Vinyals & Dean 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from whence.models.gpt import GPT
from whence.models.layout import Layout
from whence.vocab import PAD_ID


class Teachers:
    """Trained models, the mean of whose probabilities a student is to give; they see its samples and nothing else.

    share: of the student's loss that is theirs; the rest is the text's.
    """

    def __init__(self, models: Sequence[GPT], share: float) -> None:
        self.models = [model.eval().requires_grad_(False) for model in models]
        self.share = share

    def to(self, device: torch.device) -> None:
        for model in self.models:
            model.to(device)

    @torch.no_grad()
    def probabilities(self, inputs: torch.Tensor, layout: Layout | None) -> torch.Tensor:
        """Of each next character, (..., V) in float32, for inputs (B, T) in the student's layout."""
        return torch.stack([model(inputs, layout).float().softmax(dim=-1) for model in self.models]).mean(dim=0)

    def divergence(self, logits: torch.Tensor, probabilities: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Kullback and Leibler's, of the teachers from the student, in nats; the mean over targets that are not PAD.

        logits and probabilities (..., V), targets (...).
        """
        told = targets != PAD_ID
        each = F.kl_div(logits.float().log_softmax(dim=-1), probabilities, reduction="none").sum(dim=-1)
        return (each * told).sum() / told.sum()  # picking them out would keep a GPU waiting for their number
