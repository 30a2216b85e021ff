"""LightningDataModules: what a stage trains on and is asked. Bad input is refused in `setup`, before the first step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
from torch.utils.data import Dataset

from whence.data.batches import Batch, collate
from whence.data.corpus import Corpus, CorpusFiles, Question, build_vocab, read_documents, read_questions
from whence.data.datasets import KeyedBatches, QuestionDataset, StatelessLoader, steps_per_epoch
from whence.data.documents import opening_name
from whence.data.lines import Lines
from whence.data.people import withheld_names
from whence.data.randomness import permutation
from whence.errors import ConfigError
from whence.vocab import CharVocab

log = logging.getLogger(__name__)


class CorpusData(pl.LightningDataModule):
    """What all stages share: the vocabulary of the pretraining text and the loader of a run's planned batches.

    After `setup`: `vocab`, of the training samples the `dataset` and its `source` file, and in `rows` the names of the
    question files that were read besides the documents.
    """

    rows: tuple[str, ...] = ()

    vocab: CharVocab
    dataset: Dataset
    source: Path

    def __init__(
        self, *, corpus: Corpus, block_size: int, batch_size: int, seed: int, num_workers: int, shuffle: bool = True
    ) -> None:
        super().__init__()
        for name, value, low in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
            if value < low:
                raise ConfigError(f"data.{name}: expected at least {low}, got {value}")
        self.corpus = corpus
        self.block_size = block_size
        self.batch_size = batch_size
        self.seed = seed
        self.num_workers = num_workers
        self.shuffle = shuffle
        self.longest = block_size - 1  # positions of a sample
        self.train: list[Question] = []  # rows to learn from, where the stage has some
        self.carved: list[Question] = []  # training rows that are held out and asked at the end, likewise
        self.dev: list[Question] = []  # rows to be asked, likewise
        self.held_out: Batch | None = None  # what the loss is measured on and not trained on, likewise
        self.steps = 0
        self._first_step: Callable[[], int] = lambda: 0
        self._is_read = False

    def setup(self, stage: str | None = None) -> None:
        """Read and check the files, once: Lightning asks for it again when training starts."""
        if not self._is_read:
            self.read()
            self._is_read = True

    def read(self) -> None:
        """Fill `vocab`, `dataset` and `source`. Raises DataError or MissingInput."""
        raise NotImplementedError

    @property
    def documents(self) -> Lines:
        return read_documents(self.corpus.documents, key=self.corpus.key)

    def to_read(self, documents: Sequence[str]) -> Sequence[str]:
        """The documents to pretrain on: all but those of the withheld people."""
        withheld = withheld_names(self.corpus) if isinstance(self.corpus, CorpusFiles) else set()
        return [d for d in documents if opening_name(d) not in withheld] if withheld else documents

    def fit(self, positions: int) -> None:
        """Make the samples fit a model that reads so many positions. Raises ConfigError where they cannot."""
        if positions < self.longest:
            raise ConfigError(
                f"model.attention: it takes {positions} positions, samples of block_size={self.block_size} have "
                f"up to {self.longest}; let it take more or lower model.block_size"
            )

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.dataset), self.batch_size)  # type: ignore[arg-type]

    def questions(self, path: Path, *, inputs_only: bool = False, key: str | None = None) -> list[Question]:
        """The rows of a question file, checked against this corpus' vocabulary and the model's block."""
        return read_questions(
            path,
            key=key or self.corpus.key,
            vocab=self.vocab,
            block_size=self.block_size,
            answers="optional" if inputs_only else "required",
        )

    def plan(self, steps: int, first_step: Callable[[], int]) -> None:
        """Say how many optimizer steps the run has, and how to learn the step it stands at when a loader starts."""
        self.steps = steps
        self._first_step = first_step

    def train_dataloader(self) -> StatelessLoader:
        trainer = self.trainer
        accumulate = trainer.accumulate_grad_batches if trainer else 1
        world_size = trainer.world_size if trainer else 1
        batches = KeyedBatches(
            count=len(self.dataset),  # type: ignore[arg-type]
            batch_size=self.batch_size,
            steps=self.steps,
            seed=self.seed,
            shuffle=self.shuffle,
            first_step=self._first_step,
            accumulate=accumulate,
            rank=trainer.global_rank if trainer else 0,
            world_size=world_size,
        )
        return StatelessLoader(
            self.dataset,
            batch_sampler=batches,
            collate_fn=partial(collate, longest=self.longest),
            num_workers=self.num_workers,
            pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
        )

    def lines(self, numbers: Sequence[int]) -> str:
        """Where the samples of a batch stand, for an error message."""
        shown = ", ".join(str(n + 1) for n in sorted(numbers)[:8])
        return f"{self.source} samples {shown}{', ...' if len(numbers) > 8 else ''}"


class BirthPlaceData(CorpusData):
    """Finetuning: the question rows of the training people. Asked meanwhile: those of the dev people.

    held_out: per cent of the training rows that are not trained on but asked at the end, always the same ones, so that
    recipes can be chosen without looking at dev.
    """

    corpus: CorpusFiles

    def __init__(self, *, corpus: Corpus, held_out: int = 0, **options: object) -> None:
        super().__init__(corpus=corpus, **options)  # type: ignore[arg-type]
        if not 0 <= held_out <= 90:
            raise ConfigError(f"recipe.finetune.held_out: expected 0 to 90 (per cent), got {held_out}")
        self.share = held_out
        if not isinstance(corpus, CorpusFiles):
            raise ConfigError(
                "data: a text has no questions; use stage=pretrain or stage=sample with it, or data=cs224n"
            )

    def read(self) -> None:
        self.vocab = build_vocab(self.documents, self.corpus.documents)
        self.source = self.corpus.train
        rows = self.questions(self.corpus.train)
        carved = set(permutation(0, "held out rows", 0, len(rows))[: len(rows) * self.share // 100].tolist())
        self.carved = [row for number, row in enumerate(rows) if number in carved]
        self.train = [row for number, row in enumerate(rows) if number not in carved]
        self.dev = self.questions(self.corpus.dev)
        self.rows = ("train", "dev")
        known = {row.text for row in self.train}
        if both := sum(row.text in known for row in self.dev):
            log.warning("%d of %d dev questions stand in the training rows too", both, len(self.dev))
        self.dataset = QuestionDataset(self.train, self.vocab)
