"""How the positions of a batch lie in a model's tensors, told to every layer besides x.

    padded    x is (B, T, C)
    packed    x is (N, C): the real positions of a padded batch one after the other, so that what is done to each
              position alone is done to no padding. For attention `spread` gives them as pieces (B, T, C), each of some
              sequences of similar lengths and no wider than they need, and `join` takes those back
    continued x is (B, T, C), T new positions after `start` earlier ones, whose keys and values the cache holds

Where `asked` names some positions, the layers end with those alone, (M, C), since no other needs its logits.

Variants that mix the positions of one piece at a time, and take what they keep of each by `recall`, serve all three.

Legend of shapes: B batch, T new positions, S = start + T all positions, N packed positions, M asked ones, C width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from whence.vocab import MASK_ID, PAD_ID

ROUND = 128  # a product of a new shape is prepared first, which takes a processor half a millisecond
_PIECES = 4  # more cost more than the pairs of positions they save, and so do smaller ones
_ROWS = 32
_WIDTH = 8


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
    parts: layouts of the pieces of a packed batch, whose positions stand in this order; some of padding may follow.
    within: the places, (n,), of the positions of each piece in it, flattened to (B T).
    """

    batch: int
    length: int
    marks: torch.Tensor
    start: int = 0
    index: torch.Tensor | None = None
    asked: torch.Tensor | None = None
    parts: tuple[Layout, ...] = ()
    within: tuple[torch.Tensor, ...] = ()
    cache: Cache | None = None

    @classmethod
    def padded(cls, ids: torch.Tensor) -> Layout:
        return cls(*ids.shape, marks=ids == MASK_ID)  # type: ignore[misc]

    @classmethod
    def packed(cls, ids: torch.Tensor, targets: torch.Tensor | None = None) -> Layout:
        """Of the positions of ids, (B, T), that are not PAD; as they are, where none is.

        targets: (B, T); where they are PAD, logits are not asked for. Both up to a round number of positions.
        """
        layout, real = cls.padded(ids), ids != PAD_ID
        if not real.all():
            parts, within, places = [], [], []
            order = real.sum(dim=1).argsort(descending=True, stable=True)
            for rows in order.split(max(_ROWS, -(-len(ids) // _PIECES))):
                width = min(-(-int(real[rows[0]].sum()) // _WIDTH) * _WIDTH, ids.shape[1])
                own = real[rows, :width].flatten().nonzero()[:, 0]
                parts.append(cls.padded(ids[rows, :width]))
                within.append(own)
                places.append(rows[own // width] * ids.shape[1] + own % width)
            index = _rounded(torch.cat(places), ~real.flatten())
            layout = replace(layout, index=index, parts=tuple(parts), within=tuple(within))
        if targets is None:
            return layout
        wanted = layout.gather(targets).flatten() != PAD_ID
        return replace(layout, asked=_rounded(wanted.nonzero()[:, 0], ~wanted))

    @classmethod
    def of(cls, parts: Sequence[Layout]) -> Layout:
        """Of whole pieces, without padding, one after the other; a single one as it is."""
        if len(parts) == 1:
            return parts[0]
        counts = [part.batch * part.length for part in parts]
        places = torch.arange(sum(counts), device=parts[0].marks.device)
        within = tuple(places[:count] for count in counts)
        return cls(len(places), 1, marks=places < 0, index=places, parts=tuple(parts), within=within)

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

    def gather(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids or targets, (B, T), as this layout has its positions."""
        return ids if self.index is None else ids.flatten()[self.index]

    def only_asked(self, x: torch.Tensor) -> torch.Tensor:
        """Of x, (B, T, ...) or packed (N, ...), the positions asked for, (M, ...); x itself where all are."""
        if self.asked is None:
            return x
        x = x if self.index is not None else x.flatten(0, 1)
        return _Joined.apply(len(self.asked), (self.asked,), x)

    @property
    def pieces(self) -> tuple[Layout, ...]:
        """The layouts of what `spread` gives."""
        return self.parts or (self,)

    def spread(self, x: torch.Tensor) -> Sequence[torch.Tensor]:
        """x by pieces, each (B, T, C), zeros where nothing is packed."""
        if not self.parts:
            return (x,)
        spread = _Spread.apply(x, self.within, tuple(part.batch * part.length for part in self.parts))
        return [own.view(part.batch, part.length, -1) for part, own in zip(self.parts, spread, strict=True)]

    def join(self, pieces: Sequence[torch.Tensor]) -> torch.Tensor:
        """What `spread` spreads."""
        if self.index is None:
            return pieces[0]
        rows = [piece.flatten(0, 1) for piece in pieces]
        return _Joined.apply(len(self.index), self.within, *rows)

    def recall(self, owner: object, name: str, new: torch.Tensor) -> torch.Tensor:
        """A tensor of the new positions, (B, H, T, D), with those of the earlier ones, (B, H, S, D)."""
        return new if self.cache is None else self.cache.extend(owner, name, new, self.start)


def _rounded(places: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Places, and so many of the others (booleans) that their number is a multiple of `ROUND`, where there are.

    Two at least: torch.compile makes its code anew for none and for a single one.
    """
    return torch.cat([places, others.nonzero()[: 2 + (-2 - len(places)) % ROUND, 0]])


class _Spread(torch.autograd.Function):
    """Rows of x, one tensor's after the other's, in their places among rows of zeros.

    torch's own way back for the reverse would add up gradients, as if a row could be taken twice.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, places: tuple[torch.Tensor, ...], counts: tuple[int, ...]
    ) -> tuple[torch.Tensor, ...]:
        ctx.places, ctx.count = places, len(x)
        return _spread(x, places, counts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return _joined(ctx.count, ctx.places, gradients), None, None


class _Joined(torch.autograd.Function):
    """The reverse: some rows of each tensor, one after the other, up to `count` rows with zeros."""

    @staticmethod
    def forward(ctx: Any, count: int, places: tuple[torch.Tensor, ...], *pieces: torch.Tensor) -> torch.Tensor:
        ctx.places, ctx.counts = places, tuple(len(piece) for piece in pieces)
        return _joined(count, places, pieces)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *_spread(gradient, ctx.places, ctx.counts)


def _spread(x: torch.Tensor, places: tuple[torch.Tensor, ...], counts: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    rows = x.split([*map(len, places), len(x) - sum(map(len, places))])
    pieces = zip(counts, places, rows, strict=False)
    return tuple(x.new_zeros(count, *x.shape[1:]).index_copy_(0, own, some) for count, own, some in pieces)


def _joined(count: int, places: tuple[torch.Tensor, ...], pieces: Sequence[torch.Tensor]) -> torch.Tensor:
    rows = [piece.index_select(0, own) for piece, own in zip(pieces, places, strict=True)]
    rest = count - sum(map(len, places))
    return torch.cat([*rows, rows[0].new_zeros(rest, *rows[0].shape[1:])])
