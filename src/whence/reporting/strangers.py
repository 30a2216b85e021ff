"""People of whom a model has read nothing: those who do not exist, and those whose documents were kept from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from whence.data.people import asked_name
from whence.evaluation.exact_match import Score, always, most_frequent
from whence.evaluation.strangers import Strangers
from whence.reporting import figures
from whence.reporting.analysis import Asked, Known, share
from whence.reporting.page import Section
from whence.reporting.results import Prediction

_SHOWN = 12  # answers in the figure
_TOLD = 5  # in the table


def invented(found: Strangers, known: Known) -> Section:
    """What it says of people who do not exist."""
    frequent = most_frequent(list(known.places.elements()))
    usual = known.places[frequent] / known.places.total()
    rows = [
        ["people asked about", str(found.answers.size)],
        ["given a place of the training rows", f"{100 * found.share_of_places(known.places):.1f}%"],
        ["mean probability of the answers", f"{100 * found.probabilities.mean():.1f}%"],
        ["two with the same last name are given the same place", f"{100 * found.same_last_name:.1f}%"],
        ["two with the same first name", f"{100 * found.same_first_name:.1f}%"],
        ["two with nothing in common", f"{100 * found.nothing_in_common:.1f}%"],
        ["distance from the places of the training rows, 0 to 1", f"{found.distance(known.places):.2f}"],
    ]
    favourites = found.favourites(_SHOWN)
    leans = max(found.same_first_name, found.same_last_name) - found.nothing_in_common
    return Section(
        "People it never saw",
        [
            "Names of nobody, made of the first and last names of the documents: there is nothing to remember, so all "
            f"of this is made up. By place frequencies alone, {frequent} would be the best guess "
            f"({100 * usual:.1f}% of the training rows).",
            f"Sharing a name makes the same answer {100 * leans:.1f} points likelier: so far does its form decide.",
        ],
        ["", ""],
        rows,
        figures.frequencies(
            [(place, part, known.places[place] / known.places.total()) for place, part in favourites],
            ("answers about nobody", "training rows"),
        ),
    )


def withheld(asked: Asked) -> Section:
    """What it says of real people whose documents were kept from pretraining, beside those it read about."""
    known = asked.known
    sides: dict[bool, list[Prediction]] = {True: [], False: []}
    for p in asked.predictions:
        sides[asked_name(p.question) in known.withheld].append(p)
    frequent = most_frequent(list(known.places.elements()))
    measures: dict[str, Callable[[list[Prediction]], str]] = {
        "right": lambda ps: share(_right(ps)),
        f"always {frequent} would be": lambda ps: share(always(frequent, [p.gold for p in ps])),
        "given a place of the training rows": lambda ps: share(Score(sum(p.text in known.places for p in ps), len(ps))),
        "mean probability of the answers": lambda ps: f"{100 * np.mean([p.probability for p in ps]):.1f}%",
        "said most often": lambda ps: ", ".join(
            f"{place} ({count})" for place, count in Counter(p.text for p in ps).most_common(_TOLD)
        ),
    }
    low, high = _right(sides[True]).interval
    return Section(
        "People whose documents were withheld",
        [
            "They are as real as the others, but nothing was read about them: what is right here was guessed from a "
            f"name, or by luck (95% interval {100 * low:.1f} to {100 * high:.1f}%)."
        ],
        ["", "withheld", "read"],
        [[name, measure(sides[True]), measure(sides[False])] for name, measure in measures.items()],
    )


def _right(predictions: Sequence[Prediction]) -> Score:
    return Score(sum(p.right for p in predictions), len(predictions))
