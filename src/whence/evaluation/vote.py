"""What several models say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def vote(answers: Sequence[str], probabilities: Sequence[float]) -> str:
    """The answer that most of them gave; of several, the one they are together surest of."""
    counts = Counter(answers)
    sure = dict.fromkeys(answers, 0.0)
    for answer, probability in zip(answers, probabilities, strict=True):
        sure[answer] += probability
    return max(counts, key=lambda answer: (counts[answer], sure[answer]))
