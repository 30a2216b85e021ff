"""Did it remember, or make it up? What a run's answers tell beside the documents and the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whence.data.documents import Document
from whence.data.people import asked_name, names_in
from whence.evaluation import groups
from whence.evaluation.calibration import Calibration
from whence.evaluation.comparison import Comparison, sentence
from whence.evaluation.exact_match import Score
from whence.evaluation.provenance import Provenance, end_of, provenance
from whence.reporting import figures
from whence.reporting.page import Section
from whence.reporting.results import Prediction

_EXAMPLES = 5


@dataclass(frozen=True)
class Known:
    """What could be known: the documents of each person, and how often each place stands in the training rows."""

    documents: Mapping[str, Sequence[Document]]
    places: Counter[str]
    withheld: Collection[str] = ()

    def about(self, question: str) -> Sequence[Document]:
        return self.documents.get(asked_name(question), ())

    def told(self, question: str) -> list[str]:
        """What the person's documents say, without the opening name."""
        return [document.text[document.body :] for document in self.about(question)]


@dataclass(frozen=True)
class Asked:
    """A run's answers beside what could be known."""

    label: str
    predictions: Sequence[Prediction]
    known: Known

    @cached_property
    def provenances(self) -> list[Provenance]:
        return [
            provenance(
                p.text, p.gold, [n for d in self.known.about(p.question) for n in names_in(d)], self.known.places
            )
            for p in self.predictions
        ]

    @property
    def right(self) -> list[bool]:
        return [p.right for p in self.predictions]

    @property
    def calibration(self) -> Calibration:
        return Calibration(np.array([p.probability for p in self.predictions]), np.array(self.right))


def where_from(runs: Sequence[Asked]) -> Section:
    """The provenance of every answer, and how many could be known at all."""
    first = runs[0]
    total = len(first.predictions)
    read = [p for p in first.predictions if asked_name(p.question) not in first.known.withheld]
    told = sum(any(end_of(p.gold, text) for text in first.known.told(p.question)) for p in read)
    rows = []
    for kind in Provenance:
        example = next((p for p, k in zip(first.predictions, first.provenances, strict=True) if k is kind), None)
        shares = [share(Score(run.provenances.count(kind), total)) for run in runs]
        rows.append([kind.value, *shares, f"{example.question} {example.text} ({example.gold})" if example else ""])
    return Section(
        "Where the answers come from",
        [
            f"The answer stands in a document that was read for {told} of {total} people ({100 * told / total:.1f}%): "
            "a model that has read nothing else cannot be expected to know more.",
            "An answer is told by the first line that fits; an example is the question, the answer and (the gold one).",
        ],
        ["answer", *(run.label for run in runs), "example"],
        rows,
        figures.shares(
            [(run.label, [run.provenances.count(kind) / total for kind in Provenance]) for run in runs],
            [kind.value for kind in Provenance],
        ),
    )


def confidence(runs: Sequence[Asked]) -> Section:
    """Calibration, and what leaving the least certain questions out brings."""
    measures: dict[str, Callable[[Calibration], str]] = {
        "accuracy": lambda c: f"{100 * c.right.mean():.1f}%",
        "mean probability of the answers": lambda c: f"{100 * c.probabilities.mean():.1f}%",
        "calibration error": lambda c: f"{100 * c.error:.1f} points",
        "accuracy on the more certain half": lambda c: f"{100 * c.accuracy_at(0.5):.1f}%",
        "accuracy on the most certain tenth": lambda c: f"{100 * c.accuracy_at(0.1):.1f}%",
        "area under risk against coverage": lambda c: f"{c.risk_area:.3f}",
    }
    own = runs[0].calibration
    gap = own.probabilities.mean() - own.right.mean()
    lean = "surer than it is right" if gap > 0 else "righter than it is sure"
    return Section(
        "How sure it is",
        [
            f"It is {lean}, by {100 * abs(gap):.1f} points. With the less certain half left unanswered, "
            f"{100 * own.accuracy_at(0.5):.1f}% of the rest is right; `abstain_below=P` of stage=predict and stage=ask "
            "leaves out what is less probable than P."
        ],
        ["", *(run.label for run in runs)],
        [[name, *(measure(run.calibration) for run in runs)] for name, measure in measures.items()],
        figures.calibration([(run.label, run.calibration) for run in runs]),
    )


def where_lost(runs: Sequence[Asked]) -> Section:
    """Accuracy by position of the answer, frequency of the place, wording and name."""
    known = runs[0].known
    told = [(p, known.told(p.question)) for p in runs[0].predictions]
    kinds: dict[str, tuple[list[str], list[str]]] = {
        "answer ends at character": (
            [groups.position(p.gold, [_blanked(d) for d in known.about(p.question)]) for p, _ in told],
            [*groups.spans(groups.POSITIONS), groups.ABSENT],
        ),
        "training rows with the place": (
            [groups.span_of(known.places[p.gold], groups.FREQUENCIES) for p, _ in told],
            groups.spans(groups.FREQUENCIES),
        ),
        "wording of the document": ([groups.wording(texts) for _, texts in told], []),
        "the text repeats the full name": (
            ["yes" if any(asked_name(p.question) in text for text in texts) else "no" for p, texts in told],
            ["yes", "no"],
        ),
        "characters of the name": (
            [groups.span_of(len(asked_name(p.question)), groups.NAME_LENGTHS) for p, _ in told],
            groups.spans(groups.NAME_LENGTHS),
        ),
    }
    if known.withheld:
        read = ["withheld" if asked_name(p.question) in known.withheld else "read" for p, _ in told]
        kinds["document in pretraining"] = (read, ["read", "withheld"])
    rows, panels = [], []
    for kind, (labels, order) in kinds.items():
        scores = [groups.by_group(labels, run.right, order) for run in runs]
        panels.append((kind, scores))
        for label, score in scores[0].items():
            rows.append([kind, label, str(score.total), *(share(found[label]) for found in scores)])
    return Section(
        "Where knowledge is lost",
        ["Accuracy by what is asked, with Wilson's 95% interval in the figure."],
        ["by", "", "questions", *(run.label for run in runs)],
        rows,
        figures.grouped(panels, [run.label for run in runs]),
    )


def what_changed(before: Asked, after: Asked) -> Section:
    """The same questions put to two runs: which became right, which wrong."""
    pairs = list(zip(before.predictions, after.predictions, strict=True))
    sides = {
        f"right in {after.label} alone": [(b, a) for b, a in pairs if a.right and not b.right],
        f"right in {before.label} alone": [(b, a) for b, a in pairs if b.right and not a.right],
        "right in both": [(b, a) for b, a in pairs if a.right and b.right],
        "right in neither": [(b, a) for b, a in pairs if not a.right and not b.right],
    }
    rows = []
    for name, members in sides.items():
        shown = "; ".join(f"{asked_name(a.question)}: {b.text} / {a.text} ({a.gold})" for b, a in members[:_EXAMPLES])
        rows.append([name, str(len(members)), shown])
    found = Comparison(np.array([after.right]), np.array([before.right]))
    return Section(
        "What changed",
        [sentence(after.label, before.label, found)],
        ["", "questions", f"examples: {before.label} / {after.label} (gold)"],
        rows,
    )


def _blanked(document: Document) -> str:
    """The text, with spaces in the place of the opening name."""
    return " " * document.body + document.text[document.body :]


def share(score: Score) -> str:
    return f"{100 * score.accuracy:.1f}% ({score.correct} of {score.total})"
