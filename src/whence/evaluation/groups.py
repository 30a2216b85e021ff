"""Accuracy by what is asked: where knowledge is lost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from whence.evaluation.exact_match import Score
from whence.evaluation.provenance import end_of

POSITIONS = (40, 60, 80, 112, 128)  # characters; pretraining shows 112 of a block of 128
FREQUENCIES = (0, 3, 9, 24)  # training rows
NAME_LENGTHS = (10, 14, 18)  # characters
ABSENT = "not in the document"


def by_group(labels: Sequence[str], right: Sequence[bool], order: Sequence[str] = ()) -> dict[str, Score]:
    """The score of each label, in the given order, else in the order of appearance."""
    known = [label for label in order if label in set(labels)] or list(dict.fromkeys(labels))
    return {
        label: Score(sum(r for own, r in zip(labels, right, strict=True) if own == label), labels.count(label))
        for label in known
    }


def spans(limits: Sequence[int]) -> list[str]:
    """The labels of `span_of`, in their order."""
    starts = [0, *(limit + 1 for limit in limits)]
    return [
        *(f"{low} to {high}" if low < high else f"{high}" for low, high in zip(starts, limits, strict=False)),
        f"{starts[-1]} or more",
    ]


def span_of(value: int, limits: Sequence[int]) -> str:
    return spans(limits)[bisect_left(limits, value)]


def position(gold: str, documents: Sequence[str]) -> str:
    """Where the answer's first mention ends in the earliest of the person's documents that has it."""
    ends = [end for document in documents if (end := end_of(gold, document)) is not None]
    return span_of(min(ends), POSITIONS) if ends else ABSENT


def wording(documents: Sequence[str]) -> str:
    return '"born" is said' if any("born" in document.lower() for document in documents) else '"born" is not said'
