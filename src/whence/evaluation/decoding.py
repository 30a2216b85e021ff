"""Greedy decoding of many prompts at once, closed book: the model continues `question MASK` until it writes MASK.

Takes functions from ids to logits, so it serves every model and can be tested with a lambda. There are two ways, which
give the same answers: reading each position once (`Reader`), and, for answers that could outgrow the longest sequence,
a whole forward pass for each character.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from whence.vocab import MASK_ID, PAD_ID, CharVocab

Logits = Callable[[torch.Tensor], torch.Tensor]  # ids (B, T) to logits (B, T, V), causal

MAX_NEW = 32  # the course decodes 32 characters, always


class Reader(Protocol):
    """Reads a batch bit by bit."""

    def __call__(self, ids: torch.Tensor, /) -> torch.Tensor:
        """From the next ids, (B, T), to the logits of what follows them, (B, V)."""

    def keep(self, rows: torch.Tensor, /) -> None:
        """Go on with these of the rows, by their numbers; a number can stand there several times."""


Readers = Callable[[int], Reader]  # from the most positions there will be; each reads one batch


@dataclass(frozen=True)
class Answer:
    """What the model said between the first MASK and the second, and the probability of that string with its MASK."""

    text: str
    probability: float


Found = tuple[list[int], float]  # the ids of an answer without its MASK, and the probability of it with


@torch.no_grad()
def greedy_answers(
    logits: Logits,
    prompts: Sequence[np.ndarray],
    *,
    vocab: CharVocab,
    max_length: int,
    readers: Readers | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 128,
) -> list[Answer]:
    """The greedy answer to each prompt, in the order of the prompts.

    Batches are of similar lengths. A row that grows past `max_length` keeps its last `max_length` characters, as in the
    course. An answer without a closing MASK is what 32 characters hold.
    """
    answers: list[Answer | None] = [None] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        rows = [prompts[i] for i in chosen]
        fits = len(rows[-1]) + MAX_NEW - 1 <= max_length  # the last character is never read
        found = (
            _reading(readers, rows, device)
            if readers is not None and fits
            else _repeating(logits, rows, max_length, device)
        )
        for i, (ids, probability) in zip(chosen, found, strict=True):
            answers[i] = Answer(vocab.decode(ids), probability)
    return [answer for answer in answers if answer is not None]


def _reading(readers: Readers, prompts: list[np.ndarray], device: torch.device | str) -> list[Found]:
    """All rows read the same position at a time: those within their prompt its next character, the others their own.

    What all of them begin with ("Where was ") is read once.
    """
    rows = _Rows(prompts, device)
    shortest, end = len(prompts[0]), rows.ids.shape[1]
    read = readers(end)
    alike = (rows.ids[:, : shortest - 1] == rows.ids[0, : shortest - 1]).all(dim=0)
    shared = int(alike.cumprod(dim=0).sum())
    if shared:
        read(rows.ids[:1, :shared])
        read.keep(torch.zeros_like(rows.active))
    scores = read(rows.ids[:, shared:shortest])
    for position in range(shortest, end):
        if rows.write(scores, torch.full_like(rows.active, position)):
            break
        if (kept := rows.narrowed()) is not None:
            read.keep(kept)
        scores = read(rows.ids[rows.active, position : position + 1])
    return rows.found()


def _repeating(logits: Logits, prompts: list[np.ndarray], max_length: int, device: torch.device | str) -> list[Found]:
    """A whole forward pass over the last `max_length` characters for each new one."""
    rows = _Rows(prompts, device)
    for _ in range(MAX_NEW):
        lengths = rows.lengths[rows.active]
        window = min(max_length, int(lengths.max()))
        offsets = (lengths - window).clamp(min=0)
        places = offsets[:, None] + torch.arange(window, device=device)  # (rows, window)
        scores = logits(rows.ids[rows.active].gather(1, places))
        if rows.write(scores[torch.arange(len(lengths), device=device), lengths - offsets - 1], lengths):
            break
        rows.narrowed()
    return rows.found()


class _Rows:
    """The rows of a batch while they grow: ids (B, longest prompt + 32), how long each is, and which go on.

    active: the numbers of the rows that are still read.
    """

    def __init__(self, prompts: list[np.ndarray], device: torch.device | str) -> None:
        ids = np.full((len(prompts), max(map(len, prompts)) + MAX_NEW), PAD_ID, dtype=np.int64)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = prompt
        self.ids = torch.from_numpy(ids).to(device)
        self.lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        self.active = torch.arange(len(prompts), device=device)
        self._starts = self.lengths.clone()
        self._open = torch.ones(len(prompts), dtype=torch.bool, device=device)
        exact = torch.float32 if self.ids.device.type == "mps" else torch.float64  # an Apple GPU has no more
        self._log_probability = torch.zeros(len(prompts), dtype=exact, device=device)

    def write(self, scores: torch.Tensor, positions: torch.Tensor) -> bool:
        """Write the most probable next character of the active rows that end at `positions`, (A,); scores (A, V).

        Returns whether every answer is closed or full.
        """
        chances, chosen = scores.float().log_softmax(dim=-1).max(dim=-1)
        now = self._open[self.active] & (self.lengths[self.active] == positions)
        numbers, chances, chosen = self.active[now], chances[now], chosen[now]
        self._log_probability[numbers] += chances.to(self._log_probability.dtype)
        self.ids[numbers, self.lengths[numbers]] = chosen
        self.lengths[numbers] += 1
        full = self.lengths[numbers] - self._starts[numbers] == MAX_NEW
        self._open[numbers] = ~((chosen == MASK_ID) | full)
        return not self._open.any()

    def narrowed(self) -> torch.Tensor | None:
        """Leave the closed rows out once they are half of the active ones; which of those stay, by their places."""
        staying = self._open[self.active].nonzero()[:, 0]
        if 2 * len(staying) > len(self.active):
            return None
        self.active = self.active[staying]
        return staying

    def found(self) -> list[Found]:
        ids, chances = self.ids.cpu(), self._log_probability.cpu().double().exp().tolist()
        answers = []
        for row, (start, end, chance) in enumerate(
            zip(self._starts.tolist(), self.lengths.tolist(), chances, strict=True)
        ):
            text = ids[row, start:end].tolist()
            answers.append((text[:-1] if text[-1] == MASK_ID else text, chance))
        return answers
