"""Samples that hang what a document says on the name it is about, so that the name alone brings it back.

A model that only reads documents front to back stores a fact on the words before it and not on the name (Allen-Zhu &
Li 2023, "Physics of Language Models: Part 3.1"). Three kinds of sample mend that, all of them made of the document's
own words. What is hidden is drawn among its salient spans (Guu et al. 2020, "REALM"; Roberts et al. 2020), all alike or
by how much they look like answers (`data/chooser.py`):

    window    `Name. prefix MASK suffix MASK hidden`, the course's task, beginning anywhere; scored throughout
    snippet   `Name. a few words MASK a few words MASK hidden`; scored after the name
    recall    `frame with the name MASK hidden MASK`; what is hidden, and the closing MASK, are scored

`conf/pretraining/names.yaml` has the frames, none of which holds a word of the question ("Where", "born").

Mixed training (Allen-Zhu & Li, as above) is a fourth kind: the question rows of the training people themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from whence.data.documents import Document, Span
from whence.data.randomness import below
from whence.errors import ConfigError
from whence.vocab import MASK

BLOCKS = 2  # of four raw draws, for one sample
_KINDS = ("windows", "snippets", "recalls")
_SNIPPET = (10, 64)  # characters
_LONGEST_NAME = 48
_LONGEST_HIDDEN = 48


class NameAnchored:
    """Maps (document, eight raw draws) to a text and the place in it from which on it is scored; holds no state.

    windows, snippets, recalls: shares of the kinds in per cent. A document without a name gives windows only.
    likely: per cent of the snippets and recalls whose salient span is drawn by its likelihood of being an answer.
    frames: what a recall begins with, {} for the name.
    questions: per cent of the samples of people with a training row that are this row, from an epoch on.
    Raises ConfigError unless the shares make 100 and a block holds a name and what is recalled of it.
    """

    def __init__(
        self,
        *,
        windows: int,
        snippets: int,
        recalls: int,
        likely: int,
        frames: list[str],
        questions: int,
        questions_from: int,
        block_size: int,
    ) -> None:
        for key, share in (("likely", likely), ("questions", questions)):
            if not 0 <= share <= 100:
                raise ConfigError(f"pretraining.samples.{key}: expected 0 to 100 (per cent), got {share}")
        for frame in frames or [""]:
            if not isinstance(frame, str) or frame.count("{}") != 1:
                raise ConfigError(
                    f"pretraining.samples.frames: expected texts with one {{}} for the name, got {frame!r}"
                )
        shares = (windows, snippets, recalls)
        if min(shares) < 0 or sum(shares) != 100:
            told = ", ".join(f"{kind}={share}" for kind, share in zip(_KINDS, shares, strict=True))
            raise ConfigError(f"pretraining.samples: expected shares from 0 that make 100, got {told}")
        needed = max(map(len, frames)) + _LONGEST_NAME + _LONGEST_HIDDEN
        if block_size < needed:
            raise ConfigError(f"model.block_size: samples about a name need at least {needed}, got {block_size}")
        self.windows = windows
        self.snippets = snippets
        self.likely = likely
        self.frames = frames
        self.questions = questions
        self.questions_from = questions_from
        self.limit = int(block_size * 7 / 8)

    def __call__(self, document: Document, likelihoods: np.ndarray, draw: np.ndarray) -> tuple[str, int]:
        """likelihoods: of the document's salient spans, (number of spans,) int64, not used where `likely` is 0."""
        chance = _halves(draw)
        kind = below(next(chance), 100)
        if len(document.name) > _LONGEST_NAME:  # a first sentence rather than a name
            document = replace(document, name="", body=0)
        if not document.name or kind < self.windows:
            return self._window(document, chance), 1
        if kind < self.windows + self.snippets:
            return self._snippet(document, likelihoods, chance), document.body
        return self._recall(document, likelihoods, chance)

    def asks(self, epoch: int, draw: np.ndarray) -> bool:
        """Whether a sample is the row of its person, where there is one; by a draw that no other kind comes to."""
        return epoch >= self.questions_from and below(list(_halves(draw))[-1], 100) < self.questions

    def _window(self, document: Document, chance: Iterator[int]) -> str:
        """The opening name and the text from any of its words on; half of them from its beginning."""
        start = document.body
        if below(next(chance), 2):
            start = _word_start(document.text, start + below(next(chance), max(1, len(document.text) - start - 20)))
        room = self.limit - document.body
        return self._hide(document, (start, min(len(document.text), start + room)), chance)

    def _snippet(self, document: Document, likelihoods: np.ndarray, chance: Iterator[int]) -> str:
        """The name and a few words around a salient span, where there is one."""
        low, high = _SNIPPET
        size = min(low + below(next(chance), high - low + 1), self.limit - document.body)
        start = document.body + below(next(chance), max(1, len(document.text) - document.body - low))
        needed = 0
        if document.salient:
            likely, which = next(chance), next(chance)
            if below(likely, 100) < self.likely:
                hidden = _drawn(document.salient, likelihoods, which)
            else:
                hidden = document.salient[below(which, len(document.salient))]
            before = below(next(chance), max(1, size - (hidden[1] - hidden[0])))
            start = max(document.body, hidden[0] - before)
            needed = hidden[1]
        start = _word_start(document.text, start)
        end = min(max(start + size, needed), start + self.limit - document.body)
        return self._hide(document, (start, min(end, len(document.text))), chance)

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

    def _recall(self, document: Document, likelihoods: np.ndarray, chance: Iterator[int]) -> tuple[str, int]:
        """A frame that holds the name, and what is to be recalled.

        A likely salient span; or else any, or in one of four a clause, and in one of four with the word before it.
        """
        asked = self.frames[below(next(chance), len(self.frames))].replace("{}", document.name)
        likely, clause, which, wider = (next(chance) for _ in range(4))
        if document.salient and below(likely, 100) < self.likely:
            start, end = _drawn(document.salient, likelihoods, which)
        else:
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


def _drawn(spans: Sequence[Span], likelihoods: np.ndarray, raw: int) -> Span:
    """One of the spans, each with its likelihood."""
    sums = np.cumsum(likelihoods)
    return spans[int(np.searchsorted(sums, below(raw, int(sums[-1])), side="right"))]


def _word_start(text: str, place: int) -> int:
    """The beginning of the word at a place."""
    return text.rfind(" ", 0, place + 1) + 1 if place else 0
