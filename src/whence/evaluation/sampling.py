"""Draws text from a model a character at a time, as the course's `sample` does: cropped context, temperature, top k."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from whence.evaluation.decoding import Logits


@torch.no_grad()
def draw(
    logits: Logits,
    prompt: Sequence[int],
    *,
    window: int,
    seed: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[int]:
    """The ids that follow `prompt`, without end. The model reads the last `window` ids.

    temperature: divides the logits; 0 takes the most probable. top_k: of the ids to draw from, null for all.
    Numbers are drawn on the CPU, from `seed` alone. Raises ValueError for an empty prompt.
    """
    if not len(prompt):
        raise ValueError("a prompt has at least one character")
    generator = torch.Generator().manual_seed(seed)
    ids = torch.as_tensor(list(prompt), dtype=torch.long, device=device)[None]
    while True:
        ids = ids[:, -window:]
        scores = logits(ids)[0, -1].float().cpu()
        if temperature == 0:
            chosen = scores.argmax()[None]
        else:
            if top_k is not None and top_k < len(scores):
                scores = scores.masked_fill(scores < scores.topk(top_k).values[-1], float("-inf"))
            chosen = torch.multinomial((scores / temperature).softmax(dim=0), 1, generator=generator)
        yield int(chosen)
        ids = torch.cat([ids, chosen[None].to(device)], dim=1)
