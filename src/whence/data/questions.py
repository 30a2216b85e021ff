"""Question rows, the finetuning task: `question MASK place MASK`, where only the place and the closing MASK are scored.

Source: CS224N, class NameDataset; unlike it, the text keeps its non-ASCII letters, and the first MASK is not a target.
"""

from __future__ import annotations

import numpy as np

from whence.data.corpus import Question
from whence.vocab import MASK_ID, PAD_ID, CharVocab


def encode_prompt(text: str, vocab: CharVocab) -> np.ndarray:
    """`question MASK` as ids, (len + 1,): what the model is given to continue."""
    return np.append(vocab.encode(text), np.int32(MASK_ID))


def encode_row(row: Question, vocab: CharVocab) -> tuple[np.ndarray, np.ndarray]:
    """Input and target ids of a row with an answer, both (T,), T = len(question) + len(answer) + 1.

    Targets are PAD, which the loss ignores, up to the position that predicts the answer's first character.
    """
    assert row.answer is not None
    prompt = encode_prompt(row.text, vocab)
    sequence = np.concatenate([prompt, encode_prompt(row.answer, vocab)])
    target = sequence[1:].copy()
    target[: len(prompt) - 1] = PAD_ID
    return sequence[:-1], target
