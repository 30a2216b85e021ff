"""Greedy decoding of many prompts at once, closed book: the model continues `question MASK` until it writes MASK.

Takes any function from ids to logits, so it serves every model and can be tested with a lambda.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from whence.vocab import MASK_ID, PAD_ID, CharVocab

Logits = Callable[[torch.Tensor], torch.Tensor]  # ids (B, T) to logits (B, T, V), causal

MAX_NEW = 32  # the course decodes 32 characters, always


@dataclass(frozen=True)
class Answer:
    """What the model said between the first MASK and the second, and the probability of that string with its MASK."""

    text: str
    probability: float


@torch.no_grad()
def greedy_answers(
    logits: Logits,
    prompts: Sequence[np.ndarray],
    *,
    vocab: CharVocab,
    max_length: int,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> list[Answer]:
    """The greedy answer to each prompt, in the order of the prompts.

    Rows are padded on the right, which a causal model cannot see, and sorted by length to pad little. A row that grows
    past `max_length` keeps its last `max_length` characters, as in the course. An answer without a closing MASK is
    what 32 characters hold.
    """
    answers: list[Answer | None] = [None] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        batch = _continue(logits, [prompts[i] for i in chosen], max_length, device)
        for i, (ids, probability) in zip(chosen, batch, strict=True):
            answers[i] = Answer(vocab.decode(ids), probability)
    return [answer for answer in answers if answer is not None]


def _continue(
    logits: Logits, prompts: list[np.ndarray], max_length: int, device: torch.device | str
) -> list[tuple[list[int], float]]:
    """The ids that follow each prompt up to MASK, which is left out, and their probability with it."""
    rows = torch.arange(len(prompts), device=device)
    lengths = torch.tensor([len(p) for p in prompts], device=device)
    starts = lengths.clone()
    ids = torch.full((len(prompts), int(lengths.max()) + MAX_NEW), PAD_ID, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.from_numpy(prompt.astype(np.int64))
    ids = ids.to(device)
    log_probability = torch.zeros(len(prompts), dtype=torch.float64, device=device)
    open_rows = torch.ones(len(prompts), dtype=torch.bool, device=device)
    for _ in range(MAX_NEW):
        window = min(max_length, int(lengths.max()))
        offsets = (lengths - window).clamp(min=0)
        positions = offsets[:, None] + torch.arange(window, device=device)  # (B, window)
        predicted = logits(ids.gather(1, positions))[rows, lengths - offsets - 1].float()  # (B, V)
        chances, chosen = predicted.log_softmax(dim=-1).max(dim=-1)
        log_probability += torch.where(open_rows, chances.double(), 0.0)
        ids[rows[open_rows], lengths[open_rows]] = chosen[open_rows]
        lengths = lengths + open_rows
        open_rows = open_rows & (chosen != MASK_ID)
        if not open_rows.any():
            break
    closed = (~open_rows).long()
    return [
        (ids[row, starts[row] : lengths[row] - closed[row]].tolist(), float(log_probability[row].exp()))
        for row in range(len(prompts))
    ]
