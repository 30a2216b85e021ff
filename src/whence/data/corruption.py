"""Span corruption, the pretraining task: `[prefix] MASK [suffix] MASK [masked content]`.

A document is truncated to a random length, a span of it (a quarter on average) is cut out and told at the end.
Source: CS224N assignment 5 (2021-2023) and 4 (2024-2025), class CharCorruptionDataset; after Raffel et al. 2020,
"Exploring the Limits of Transfer Learning", section 3.1.4. The course leaves the laws of the two lengths open;
here they are options.
"""

from __future__ import annotations

import numpy as np

from whence.data.randomness import below
from whence.errors import ConfigError
from whence.vocab import MASK_ID

MIN_LENGTH = 4  # shortest truncated document: a quarter of it is one character


class SpanCorruption:
    """Maps (document, four raw draws) to a training sequence; holds no state.

    truncation: law of the truncated length L, at most int(7/8 block_size), clipped to the document:
        `uniform`  L ~ U{4..limit}, the course's;
        `fitted`   L ~ U{4..min(limit, document)}, so that short documents are not shown whole most of the time;
        `long`     the larger of two uniform draws, so that what stands late in a document is seen more often;
        `whole`    always the limit.
    span: law of the masked length m, of mean L/4:
        `uniform`  m ~ U{1..2q-1}, q = L/4 rounded up or down at random so that its mean is L/4;
        `quarter`  m = q.
    """

    TRUNCATIONS = ("uniform", "fitted", "long", "whole")
    SPANS = ("uniform", "quarter")

    def __init__(self, *, truncation: str, span: str, block_size: int) -> None:
        if truncation not in self.TRUNCATIONS:
            raise ConfigError(f"corruption.truncation: expected one of {', '.join(self.TRUNCATIONS)}, got {truncation}")
        if span not in self.SPANS:
            raise ConfigError(f"corruption.span: expected one of {', '.join(self.SPANS)}, got {span}")
        self.truncation = truncation
        self.span = span
        self.limit = int(block_size * 7 / 8)
        if self.limit < MIN_LENGTH:
            raise ConfigError(f"model.block_size: span corruption needs at least 5, got {block_size}")

    def truncated_length(self, length: int, raw: int) -> int:
        """L for a document of `length` characters."""
        longest = min(self.limit, length) if self.truncation == "fitted" else self.limit
        choices = longest - MIN_LENGTH + 1
        if self.truncation == "whole":
            drawn = longest
        elif self.truncation == "long":
            high, low = int(raw) >> 32, int(raw) & 0xFFFFFFFF
            drawn = MIN_LENGTH + ((max(high, low) * choices) >> 32)
        else:
            drawn = MIN_LENGTH + below(raw, choices)
        return min(drawn, length)

    def span_length(self, length: int, round_raw: int, raw: int) -> int:
        """m for a truncated document of `length` characters."""
        quarter = length // 4 + (below(round_raw, 4) < length % 4)
        return 1 + below(raw, 2 * quarter - 1) if self.span == "uniform" else quarter

    def __call__(self, document: np.ndarray, draw: np.ndarray) -> np.ndarray:
        """Corrupt `document` (ids, at least 4) with `draw` (4 uint64); the result has L + 2 ids, without padding."""
        length = self.truncated_length(len(document), draw[0])
        masked = self.span_length(length, draw[1], draw[2])
        start = below(draw[3], length - masked + 1)
        mask = np.array([MASK_ID], dtype=document.dtype)
        end = start + masked
        return np.concatenate([document[:start], mask, document[end:length], mask, document[start:end]])
