"""Where an answer comes from, as far as the documents can tell: remembered, or made up."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from enum import Enum


class Provenance(Enum):
    """In the order of preference; the value says it in words."""

    CORRECT = "correct"
    SUPPORTED = "a name in the person's document"
    MADE_UP = "a known place that the document does not name"
    NO_PLACE = "no known place"


def provenance(answer: str, gold: str, names: Sequence[str], places: Collection[str]) -> Provenance:
    """The provenance of one answer; `names` are those in the person's own documents, `places` the training rows'."""
    if answer == gold:
        return Provenance.CORRECT
    if any(end_of(answer, name) is not None for name in names):
        return Provenance.SUPPORTED
    return Provenance.MADE_UP if answer in places else Provenance.NO_PLACE


def end_of(place: str, text: str) -> int | None:
    """Where the first mention of a place ends in a text, as whole words; None without one."""
    found = re.search(rf"(?<!\w){re.escape(place)}(?!\w)", text) if place.strip() else None
    return found.end() if found else None
