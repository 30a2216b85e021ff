"""How the positions of a batch lie in a model's tensors, told to every layer besides x.

    padded    x is (B, T, C)
    packed    x is (N, C): the real positions of a padded batch one after the other, so that what is done to each
              position alone is done to no padding; `spread` and `gather` go to (B, T, C) and back for attention
    continued x is (B, T, C), T new positions after `start` earlier ones, whose keys and values the cache holds

Where `asked` names some positions, the layers end with those alone, (M, C), since no other needs its logits.

Variants that take their heads by `Attention.heads` and what they keep of each position by `recall` serve all three.

Legend of shapes: B batch, T new positions, S = start + T all positions, N packed positions, M asked ones, C width.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from whence.vocab import MASK_ID, PAD_ID

ROUND = 128  # a product of a new shape is prepared first, which takes a processor half a millisecond


@dataclass
class Cache:
    """What layers keep of the positions that were read: tensors (B, H, S, D) by their owner and name.

    capacity: the most positions there will be, so that room is made once; one more is for a perceiver's empty latent.
    """

    capacity: int
    length: int = 0
    marks: torch.Tensor | None = None
    _kept: dict[tuple[int, str], torch.Tensor] = field(default_factory=dict)

    def extend(self, owner: object, name: str, new: torch.Tensor, start: int) -> torch.Tensor:
        """Keep the new positions of a tensor, (B, H, T, D), and return it with the earlier ones, (B, H, S, D)."""
        key = (id(owner), name)
        end = start + new.shape[2]
        if key not in self._kept:
            self._kept[key] = new.new_empty(*new.shape[:2], self.capacity + 1, new.shape[3])
        self._kept[key][:, :, start:end] = new
        return self._kept[key][:, :, :end]

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these of the sequences, by their numbers."""
        self._kept = {key: kept[rows] for key, kept in self._kept.items()}
        if self.marks is not None:
            self.marks = self.marks[rows]


@dataclass(frozen=True)
class Layout:
    """marks: (B, S) booleans, where MASK stands. index: (N,) places of packed positions in the flattened (B T).

    asked: (M,) places in x, flattened to (N, C), of the positions whose logits are asked for; None for all of them.
    """

    batch: int
    length: int
    marks: torch.Tensor
    start: int = 0
    index: torch.Tensor | None = None
    asked: torch.Tensor | None = None
    cache: Cache | None = None

    @classmethod
    def padded(cls, ids: torch.Tensor) -> Layout:
        return cls(*ids.shape, marks=ids == MASK_ID)  # type: ignore[misc]

    @classmethod
    def packed(cls, ids: torch.Tensor, targets: torch.Tensor | None = None) -> Layout:
        """Of the positions of ids, (B, T), that are not PAD; as they are, where none is.

        targets: (B, T); where they are PAD, logits are not asked for. Both up to a round number of positions.
        """
        index = _rounded(ids != PAD_ID)
        layout = cls.padded(ids)
        layout = layout if len(index) == ids.numel() else replace(layout, index=index)
        if targets is None:
            return layout
        return replace(layout, asked=_rounded(layout.gather(targets) != PAD_ID))

    @classmethod
    def continued(cls, ids: torch.Tensor, cache: Cache) -> Layout:
        """Of new positions, (B, T), after those in the cache; asked for are the logits of the last."""
        marks = ids == MASK_ID if cache.marks is None else torch.cat([cache.marks, ids == MASK_ID], dim=1)
        batch, length = ids.shape
        last = torch.arange(1, batch + 1, device=ids.device) * length - 1
        layout = cls(batch, length, marks=marks, start=cache.length, asked=last, cache=cache)
        cache.marks, cache.length = marks, cache.length + ids.shape[1]
        return layout

    @property
    def end(self) -> int:
        """S: all positions, with those that were read before."""
        return self.start + self.length

    @property
    def places(self) -> torch.Tensor:
        """The place of each position in its sequence, (T,) or packed (N,)."""
        if self.index is not None:
            return self.index % self.length
        return torch.arange(self.start, self.end, device=self.marks.device)

    def gather(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, ...) as this layout has it."""
        return x if self.index is None else _Taken.apply(x.flatten(0, 1), self.index)

    def only_asked(self, x: torch.Tensor) -> torch.Tensor:
        """Of x, (B, T, ...) or packed (N, ...), the positions asked for, (M, ...); x itself where all are."""
        if self.asked is None:
            return x
        return _Taken.apply(x if self.index is not None else x.flatten(0, 1), self.asked)

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        """x as (B, T, C), zeros where nothing is packed."""
        if self.index is None:
            return x
        return _Placed.apply(x, self.index, self.batch * self.length).view(self.batch, self.length, -1)

    def recall(self, owner: object, name: str, new: torch.Tensor) -> torch.Tensor:
        """A tensor of the new positions, (B, H, T, D), with those of the earlier ones, (B, H, S, D)."""
        return new if self.cache is None else self.cache.extend(owner, name, new, self.start)


def _rounded(wanted: torch.Tensor) -> torch.Tensor:
    """The places that are wanted, and as many others as make their number a multiple of `ROUND`, where there are."""
    wanted = wanted.flatten()
    places, others = wanted.nonzero()[:, 0], (~wanted).nonzero()[:, 0]
    return torch.cat([places, others[: -len(places) % ROUND]])


class _Taken(torch.autograd.Function):
    """Some rows of x, each once: on the way back they are put into their places, where torch would add them up."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        ctx.index, ctx.count = index, len(x)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _placed(gradient, ctx.index, ctx.count), None


class _Placed(torch.autograd.Function):
    """The reverse: rows of x in their places among `count` rows of zeros."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, index: torch.Tensor, count: int) -> torch.Tensor:
        ctx.index = index
        return _placed(x, index, count)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient.index_select(0, ctx.index), None, None


def _placed(rows: torch.Tensor, index: torch.Tensor, count: int) -> torch.Tensor:
    return rows.new_zeros(count, *rows.shape[1:]).index_copy_(0, index, rows)
