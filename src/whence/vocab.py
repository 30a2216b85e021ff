"""CharVocab: the characters a model knows. PAD is 0, MASK is 1, then the sorted characters of the pretraining text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np

PAD = "\u25a1"
MASK = "\u2047"
PAD_ID = 0
MASK_ID = 1


class CharVocab:
    """A bijection between characters and the integers 0..len-1.

    `characters` starts with PAD and MASK; `from_text` builds it as the course does. Raises ValueError when
    the two marks are not in front or a character stands twice.
    """

    def __init__(self, characters: str) -> None:
        if characters[:2] != PAD + MASK:
            raise ValueError(f"a vocabulary starts with PAD {PAD!r} and MASK {MASK!r}, got {characters[:2]!r}")
        if len(set(characters)) != len(characters):
            raise ValueError("a vocabulary holds every character once")
        self.characters = characters
        self._codes = np.array([ord(c) for c in characters], dtype=np.uint32)
        # One slot beyond the largest code point of the vocabulary answers for every character outside it.
        self._ids = np.full(int(self._codes.max()) + 2, -1, dtype=np.int32)
        self._ids[self._codes] = np.arange(len(characters))

    @classmethod
    def from_text(cls, texts: Iterable[str]) -> CharVocab:
        """The vocabulary of the given texts. The newline is always in it, as in the course, where it ends documents."""
        characters = {"\n"}
        for text in texts:
            characters.update(text)
        return cls(PAD + MASK + "".join(sorted(characters - {PAD, MASK})))

    def __len__(self) -> int:
        return len(self.characters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CharVocab) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Ids of `text`, int32 of shape (len(text),). Raises ValueError naming the characters that are unknown."""
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        ids = self._ids[np.minimum(codes, len(self._ids) - 1)]
        if len(ids) and ids.min() < 0:
            raise ValueError(f"characters outside the vocabulary: {describe(self.unknown(text))}")
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.characters[int(i)] for i in ids)

    def unknown(self, text: str) -> list[str]:
        """The characters of `text` that no text may have, sorted, each once: outside the vocabulary, PAD and MASK."""
        return sorted(set(text) - set(self.characters[2:]))


def describe(characters: Iterable[str]) -> str:
    """Characters for an error message: each with its code point, and a hint where text is in decomposed form."""
    shown = list(characters)
    words = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in shown[:8])
    if len(shown) > 8:
        words += f" and {len(shown) - 8} more"
    if any(unicodedata.combining(c) for c in shown):
        words += "; combining marks: the text looks decomposed (NFD), convert it to NFC"
    return words
