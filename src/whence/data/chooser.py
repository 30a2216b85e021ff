"""Which span of a document looks like an answer, learned from where the training answers stand in their documents.

Learning to mask (Ye et al. 2020, "Studying Strategically: Learning to Mask for Closed-book QA"), as small as it can be:
a conditional logit (McFadden 1974) over the salient spans of a document, by their surroundings. People are dealt into
`FOLDS` parts, and the documents of a part are judged by what the rows about the other parts taught. No row tells
anything of the document of its own person: people with a training row are treated like all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize

from whence.data.documents import Document

FOLDS = 5
SCALE = 1000
_RARE = 3  # documents; features of fewer are left out
_PENALTY = 0.5  # on the squares of the weights


def likelihoods(documents: Sequence[Document], answers: Mapping[str, str]) -> list[np.ndarray]:
    """For each document how likely each of its salient spans is an answer, (number of spans,) int64.

    answers: the answer of a training row by the name of whom it asks about. Where none of them stands in a document,
    all spans of a document are alike. Relative to the likeliest, which has 1000, and whole numbers, so that sampling by
    them does not hang on the last bit of a sum.
    """
    people = {name: number for number, name in enumerate(dict.fromkeys(d.name for d in documents))}
    fold_of = np.array([people[document.name] % FOLDS for document in documents])
    fold_of_row = {name: people[name] % FOLDS for name in answers if name in people}
    found: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(documents)
    for fold in range(FOLDS):
        taught = {name: answers[name] for name, own in fold_of_row.items() if own != fold}
        weigh = _Weigher([d for d in documents if d.name in taught], taught)
        for i in np.flatnonzero(fold_of == fold).tolist():
            found[i] = weigh(documents[i])
    return found


class _Weigher:
    """The likelihoods of spans, fitted to documents with their answers."""

    def __init__(self, documents: Sequence[Document], answers: Mapping[str, str]) -> None:
        self._places = Counter(answers.values())
        known = [(d, answer) for d in documents if (answer := answers[d.name]) in _spans(d)]
        described = [self._describe(document, without=answer) for document, answer in known]
        counts = Counter(feature for spans in described for feature in dict.fromkeys(f for span in spans for f in span))
        self._numbers = {feature: i for i, feature in enumerate(f for f, n in counts.items() if n >= _RARE)}
        self._weights = np.zeros(len(self._numbers))
        if self._numbers:
            self._fit(described, [np.array(_spans(d)) == answer for d, answer in known])

    def __call__(self, document: Document) -> np.ndarray:
        if not self._numbers or not document.salient:
            return np.ones(len(document.salient), dtype=np.int64)
        scores = np.array([self._weights[self._known(span)].sum() for span in self._describe(document)])
        return np.rint(SCALE * np.exp(scores - scores.max())).astype(np.int64)

    def _fit(self, described: list[list[list[str]]], gold: list[np.ndarray]) -> None:
        """Maximise the log-likelihood that one of the spans with the answer is chosen, less a penalty."""
        numbers = [self._known(span) for spans in described for span in spans]
        feature = np.concatenate(numbers)
        span = np.repeat(np.arange(len(numbers)), [len(n) for n in numbers])
        starts = np.concatenate([[0], np.cumsum([len(spans) for spans in described])[:-1]])
        document = np.repeat(np.arange(len(described)), [len(spans) for spans in described])
        right = np.concatenate(gold)

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            scores = np.bincount(span, weights[feature], len(numbers))
            odds = np.exp(scores - np.maximum.reduceat(scores, starts)[document])
            every, correct = (np.add.reduceat(part, starts) for part in (odds, odds * right))
            value = np.log(every / correct).sum() + _PENALTY * (weights**2).sum()
            slope = odds / every[document] - odds * right / correct[document]
            return value, np.bincount(feature, slope[span], len(weights)) + 2 * _PENALTY * weights

        self._weights = minimize(loss, self._weights, jac=True, method="L-BFGS-B").x

    def _known(self, features: list[str]) -> np.ndarray:
        return np.array([self._numbers[f] for f in features if f in self._numbers], dtype=np.int64)

    def _describe(self, document: Document, without: str | None = None) -> list[list[str]]:
        """The features of each span; `without` is the answer of the document's own row, which is not counted."""
        text, described = document.text, []
        for rank, ((start, end), words) in enumerate(zip(document.salient, _spans(document), strict=True)):
            before = text[document.body : start].split(" ")[:-1]
            gap = text[document.salient[rank - 1][1] : start] if rank else "first"
            places = self._places[words] - (words == without)
            described.append(
                [
                    f"one word before: {' '.join(before[-1:])}",
                    f"two words before: {' '.join(before[-2:])}",
                    f"three words before: {' '.join(before[-3:])}",
                    f"since the last span: {gap}",
                    f"after: {text[end : end + 2]}",
                    f"rank: {min(rank, 6)}",
                    f"kind: {'date' if any(c.isdigit() for c in words) else len(words.split(' '))}",
                    f"answers elsewhere: {min(places.bit_length(), 4)}",
                ]
            )
        return described


def _spans(document: Document) -> list[str]:
    return [document.text[start:end] for start, end in document.salient]
