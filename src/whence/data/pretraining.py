"""LightningDataModules for pretraining: documents with spans to fill in, facts hung on names, or a text as it is."""

from __future__ import annotations

import numpy as np

from whence.data.batches import collate
from whence.data.corpus import Corpus, CorpusFiles, TextFile, build_vocab, read_text
from whence.data.datasets import Corruption, DocumentDataset, NameAnchoredDataset, WindowDataset
from whence.data.modules import CorpusData
from whence.data.names import NameAnchored
from whence.data.people import asked_name
from whence.errors import ConfigError, DataError
from whence.vocab import describe


class SpanCorruptionData(CorpusData):
    """Pretraining: the documents under span corruption."""

    def __init__(self, *, corruption: Corruption, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.corruption = corruption

    def read(self) -> None:
        documents = self.documents
        self.source = self.corpus.documents
        self.vocab = build_vocab(documents, self.source)
        self.dataset = DocumentDataset(self.to_read(documents), self.vocab, self.corruption, self.seed)


class NameAnchoredData(CorpusData):
    """Pretraining: samples that hang what the documents say on their names.

    Where some spans are likelier to be hidden than others, the training rows say which (their people's documents only
    through what is alike in all of them: `data/chooser.py`).
    """

    corpus: CorpusFiles

    def __init__(self, *, corpus: Corpus, samples: NameAnchored, **options: object) -> None:
        super().__init__(corpus=corpus, **options)  # type: ignore[arg-type]
        if not isinstance(corpus, CorpusFiles):
            raise ConfigError("pretraining: names are learned from documents about people; use data=cs224n")
        self.samples = samples

    def read(self) -> None:
        documents = self.documents
        self.source = self.corpus.documents
        self.vocab = build_vocab(documents, self.source)
        if unknown := self.vocab.unknown("".join(self.samples.frames).replace("{}", "")):
            raise DataError(
                f"{self.source}: the frames need characters that the documents lack: {describe(unknown)}; "
                "use pretraining=spans"
            )
        self.rows = ("train",) if self.samples.likely or self.samples.questions else ()
        rows = {asked_name(row.text): row for row in (self.questions(self.corpus.train) if self.rows else [])}
        self.dataset = NameAnchoredDataset(self.to_read(documents), self.vocab, self.samples, rows, self.seed)


class TextData(CorpusData):
    """Pretraining on a text as it is: windows of block_size characters, each one's next to be predicted.

    Held out: up to 256 windows, evenly spread over the end of the text.
    """

    WINDOWS = 256

    def __init__(self, *, corpus: Corpus, **options: object) -> None:
        super().__init__(corpus=corpus, **options)  # type: ignore[arg-type]
        if not isinstance(corpus, TextFile):
            raise ConfigError(
                "pretraining: windows are cut from one text: data=text data.path=FILE; or pretraining=spans"
            )
        self.longest = self.block_size
        self.share = corpus.validation

    def read(self) -> None:
        self.source = self.corpus.documents
        text = read_text(self.source, key=self.corpus.key)
        self.vocab = build_vocab([text], self.source)
        kept = len(text) * self.share // 100
        ids = self.vocab.encode(text).astype(np.uint16)
        self._parts = ids[: len(ids) - kept], ids[len(ids) - kept :]
        shortest = min(len(part) for part in (self._parts if self.share else self._parts[:1]))
        if shortest <= self.longest:
            raise DataError(
                f"{self.source}: {len(text)} characters are too few: a part of {shortest} holds no window of "
                f"model.block_size={self.block_size} and its next character; expected a longer text or a smaller block"
            )
        self._cut()

    def fit(self, positions: int) -> None:
        self.longest = min(self.longest, positions)
        self._cut()

    def _cut(self) -> None:
        train, held_out = self._parts
        self.dataset = WindowDataset(train, self.longest)
        if self.share:
            windows = WindowDataset(held_out, self.longest)
            starts = np.linspace(0, len(windows) - 1, min(self.WINDOWS, -(-len(windows) // self.longest)))
            self.held_out = collate([windows[0, int(start)] for start in starts], longest=self.longest)
