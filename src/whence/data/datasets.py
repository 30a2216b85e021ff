"""Datasets and the order in which they are seen, both pure functions of (seed, epoch, index).

A training run is one pass over a plan of `steps` optimizer steps; epochs are shuffled one by one, or not at all.
The plan starts at any step, which is all that resuming needs: no loader has a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from whence.data.batches import Batch, Sequences
from whence.data.chooser import likelihoods
from whence.data.corpus import Question
from whence.data.documents import read_structure
from whence.data.names import BLOCKS, NameAnchored
from whence.data.questions import encode_row
from whence.data.randomness import EpochDraws, permutation
from whence.vocab import PAD_ID, CharVocab

Index = tuple[int, int]  # (epoch, number of the sample)
Corruption = Callable[[np.ndarray, np.ndarray], np.ndarray]


class DocumentDataset(Dataset[tuple[int, Sequences]]):
    """Documents under a corruption; sample (epoch, i) is document i corrupted with the draws of (seed, epoch, i)."""

    def __init__(self, documents: Sequence[str], vocab: CharVocab, corruption: Corruption, seed: int) -> None:
        self._documents = documents
        self._vocab = vocab
        self._corruption = corruption
        self._draws = EpochDraws(seed, "corruption", len(documents))

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, index: Index) -> tuple[int, Sequences]:
        epoch, number = index
        sequence = self._corruption(self._vocab.encode(self._documents[number]), self._draws(epoch, number))
        return number, (sequence[:-1], sequence[1:])


class NameAnchoredDataset(Dataset[tuple[int, Sequences]]):
    """What documents say of a name; sample (epoch, i) is made of document i with the draws of (seed, epoch, i)."""

    def __init__(
        self, documents: Sequence[str], vocab: CharVocab, samples: NameAnchored, rows: Mapping[str, Question], seed: int
    ) -> None:
        """rows: the training rows by name, from which likely spans are learned, and samples in mixed training."""
        self._documents = read_structure(documents)
        self._likelihoods = likelihoods(self._documents, {name: row.answer or "" for name, row in rows.items()})
        self._rows = rows
        self._vocab = vocab
        self._samples = samples
        self._draws = EpochDraws(seed, "recall", len(documents), blocks=BLOCKS)

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, index: Index) -> tuple[int, Sequences]:
        epoch, number = index
        document, draw = self._documents[number], self._draws(epoch, number)
        if document.name in self._rows and self._samples.asks(epoch, draw):
            return number, encode_row(self._rows[document.name], self._vocab)
        text, scored_from = self._samples(document, self._likelihoods[number], draw)
        sequence = self._vocab.encode(text)
        targets = sequence[1:].copy()
        targets[: scored_from - 1] = PAD_ID
        return number, (sequence[:-1], targets)


class QuestionDataset(Dataset[tuple[int, Sequences]]):
    """Question rows with their answers; the same in every epoch."""

    def __init__(self, rows: Sequence[Question], vocab: CharVocab) -> None:
        self._rows = [encode_row(row, vocab) for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Index) -> tuple[int, Sequences]:
        return index[1], self._rows[index[1]]


class WindowDataset(Dataset[tuple[int, Sequences]]):
    """All windows of a text: sample i reads `width` characters from the i-th on and predicts each one's next.

    Every character is a target `width` times an epoch (minGPT's play_char).
    """

    def __init__(self, ids: np.ndarray, width: int) -> None:
        self._ids = ids
        self._width = width

    def __len__(self) -> int:
        return len(self._ids) - self._width

    def __getitem__(self, index: Index) -> tuple[int, Sequences]:
        start = index[1]
        window = self._ids[start : start + self._width + 1]
        return start, (window[:-1], window[1:])


class KeyedBatches(Sampler[list[Index]]):
    """Batches of a run, from the step that `first_step()` gives when iteration starts, to the last.

    Each optimizer step takes the next `batch_size` samples of the epoch, shuffled or as they stand (fewer at an
    epoch's end) and splits them into `shards` micro-batches: one for each process and each accumulation step. This
    process gets those of `rank`. A step sees the same samples for any number of processes and any accumulation; its
    parts weigh the same, whatever number of characters they have.
    """

    def __init__(
        self,
        *,
        count: int,
        batch_size: int,
        steps: int,
        seed: int,
        first_step: Callable[[], int],
        shuffle: bool = True,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._count = count
        self._batch_size = batch_size
        self._steps = steps
        self._seed = seed
        self._first_step = first_step
        self._shuffle = shuffle
        self._accumulate = accumulate
        self._rank = rank
        self._shards = accumulate * world_size
        self._world_size = world_size

    def __len__(self) -> int:
        return self._steps * self._accumulate

    def __iter__(self) -> Iterator[list[Index]]:
        current, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self._first_step(), self._steps):
            epoch, batch = divmod(step, steps_per_epoch(self._count, self._batch_size))
            if epoch != current:
                current, order = epoch, np.arange(self._count)
                if self._shuffle:
                    order = permutation(self._seed, "order", epoch, self._count)
            rows = order[batch * self._batch_size : (batch + 1) * self._batch_size]
            for part in range(self._accumulate):
                shard = part * self._world_size + self._rank
                # A last batch smaller than the number of shards leaves some empty: those repeat a row.
                chosen = rows[shard :: self._shards] if shard < len(rows) else rows[-1:]
                yield [(epoch, int(number)) for number in chosen]


class StatelessLoader(DataLoader[Batch]):
    """A DataLoader that tells Lightning it can resume, which it does without any state (see KeyedBatches)."""

    def state_dict(self) -> dict[str, int]:
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        pass


def steps_per_epoch(count: int, batch_size: int) -> int:
    return -(-count // batch_size)
