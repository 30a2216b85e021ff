"""Samples that hang what a document says on the name it is about, so that the name alone brings it back.

A model that only reads documents front to back stores a fact on the words before it and not on the name (Allen-Zhu &
Li 2023, "Physics of Language Models: Part 3.1"). Three kinds of sample mend that, all of them made of the document's
own words; what is hidden is drawn among spans found without any question (salient spans: Guu et al. 2020, "REALM";
Roberts et al. 2020):

    window    `Name. prefix MASK suffix MASK hidden`, the course's task, beginning anywhere; scored throughout
    snippet   `Name. a few words MASK a few words MASK hidden`; scored after the name
    recall    `frame with the name MASK hidden MASK`; what is hidden, and the closing MASK, are scored

No frame holds a word of the question ("Where", "born").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from whence.data.documents import Document, Span
from whence.data.randomness import below
from whence.errors import ConfigError
from whence.vocab import MASK

FRAMES = (
    "{}.",
    "{}?",
    "Who was {}?",
    "Who is {}?",
    "About {}.",
    "What of {}?",
    "Tell me of {}.",
    "What is known of {}?",
    "Who knew {} well?",
    "Do you know {} now?",
)
BLOCKS = 2  # of four raw draws, for one sample
_KINDS = ("windows", "snippets", "recalls")
_SNIPPET = (10, 64)  # characters
_LONGEST_NAME = 48
_LONGEST_HIDDEN = 48


class NameAnchored:
    """Maps (document, eight raw draws) to a text and the place in it from which on it is scored; holds no state.

    windows, snippets, recalls: shares of the kinds in per cent. A document without a name gives windows only.
    Raises ConfigError unless the shares make 100 and a block holds a name and what is recalled of it.
    """

    def __init__(self, *, windows: int, snippets: int, recalls: int, block_size: int) -> None:
        shares = (windows, snippets, recalls)
        if min(shares) < 0 or sum(shares) != 100:
            told = ", ".join(f"{kind}={share}" for kind, share in zip(_KINDS, shares, strict=True))
            raise ConfigError(f"pretraining.samples: expected shares from 0 that make 100, got {told}")
        needed = max(map(len, FRAMES)) + _LONGEST_NAME + _LONGEST_HIDDEN
        if block_size < needed:
            raise ConfigError(f"model.block_size: samples about a name need at least {needed}, got {block_size}")
        self.windows = windows
        self.snippets = snippets
        self.limit = int(block_size * 7 / 8)

    def __call__(self, document: Document, draw: np.ndarray) -> tuple[str, int]:
        chance = _halves(draw)
        kind = below(next(chance), 100)
        if len(document.name) > _LONGEST_NAME:  # a first sentence rather than a name
            document = replace(document, name="", body=0)
        if not document.name or kind < self.windows:
            return self._window(document, chance), 1
        if kind < self.windows + self.snippets:
            return self._snippet(document, chance), document.body
        return self._recall(document, chance)

    def _window(self, document: Document, chance: Iterator[int]) -> str:
        """The opening name and the text from any of its words on; half of them from its beginning."""
        start = document.body
        if below(next(chance), 2):
            start = _word_start(document.text, start + below(next(chance), max(1, len(document.text) - start - 20)))
        room = self.limit - document.body
        return self._hide(document, (start, min(len(document.text), start + room)), chance)

    def _snippet(self, document: Document, chance: Iterator[int]) -> str:
        """The name and a few words around a salient span, where there is one."""
        low, high = _SNIPPET
        size = min(low + below(next(chance), high - low + 1), self.limit - document.body)
        end = len(document.text)
        start = document.body + below(next(chance), max(1, end - document.body - low))
        if document.salient:
            hidden = document.salient[below(next(chance), len(document.salient))]
            before = below(next(chance), max(1, size - (hidden[1] - hidden[0])))
            start = max(document.body, hidden[0] - before)
        start = _word_start(document.text, start)
        return self._hide(document, (start, min(end, start + size)), chance)

    def _hide(self, document: Document, shown: Span, chance: Iterator[int]) -> str:
        """`Name. [what is shown]`, with a part of it hidden: half of the time a salient span, else any."""
        start, end = shown
        text = document.text
        inside = [span for span in document.salient if start <= span[0] and span[1] <= end]
        salient, which, size, place = (next(chance) for _ in range(4))
        if inside and below(salient, 2):
            first, last = inside[below(which, len(inside))]
        else:
            length = 1 + below(size, max(1, (end - start) // 2 - 1))
            first = start + below(place, max(1, end - start - length + 1))
            last = min(end, first + length)
        opening = text[: document.body]
        return f"{opening}{text[start:first]}{MASK}{text[last:end]}{MASK}{text[first:last]}"

    def _recall(self, document: Document, chance: Iterator[int]) -> tuple[str, int]:
        """A frame that holds the name, and a salient span or clause to recall; one in four with the word before it."""
        asked = FRAMES[below(next(chance), len(FRAMES))].format(document.name)
        clause, which, wider = (next(chance) for _ in range(3))
        spans = document.clauses if below(clause, 4) == 0 and document.clauses else document.salient
        spans = spans or document.clauses or ((document.body, len(document.text)),)
        start, end = spans[below(which, len(spans))]
        if below(wider, 4) == 0:
            start = max(document.body, document.text.rfind(" ", 0, max(0, start - 1)) + 1)
        hidden = document.text[start : min(end, start + _LONGEST_HIDDEN)]
        return f"{asked}{MASK}{hidden}{MASK}", len(asked) + 1


def _halves(draw: np.ndarray) -> Iterator[int]:
    """Two draws from each raw one: its upper half as it stands, and its lower half in the place of the upper."""
    for raw in draw.tolist():
        yield raw
        yield (raw & 0xFFFFFFFF) << 32


def _word_start(text: str, place: int) -> int:
    """The beginning of the word at a place."""
    return text.rfind(" ", 0, place + 1) + 1 if place else 0
