"""Perceiver layers, as in CS224N 2022-2023: the sequence is pressed through M latents and unfolded again.

    Down   z = C + cross(query norm(C), keys x),  z += MLP(norm(z))         C learned, (M, width)
    then   n_layer - 2 ordinary causal blocks on the M latents
    Up     o = x + cross(query x, keys norm(z)),  o += MLP(norm(o))

Which latent may read which input, and which output which latent, is the mask's affair. The course's mask is the top
left corner of the causal one, so that latent i reads inputs 0..i: inputs from M on reach no later output (a blackout).
`aligned` spreads the latents over the block in place: with r = ceil(block_size / M), latent i reads the inputs up to
(i + 1) r - 1, output t the latents that end at or before t, and an empty latent for outputs that have none yet. After
Perceiver AR (Hawthorne et al. 2022) for the alignment. 4 (C^2 + C) parameters a cross-attention, M C for the latents.

A latent is computed once all that it may read is there; before, no output reads it.

Legend of shapes: B batch, T new positions, S all positions, M latents, H heads, D head size, C width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import AttentionShape
from whence.models.attention.products import attend, dot_product_weights
from whence.models.dropout import Dropout
from whence.models.layers import AttentionFactory, Layers, Picture, Stack, mlp
from whence.models.layout import Layout


class CrossAttention(nn.Module):
    """Multi-head attention of queries to other positions, under a mask of booleans (Tq, Tk) for each piece of them."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__()
        self.shape = shape
        self.query, self.key, self.value, self.proj = (nn.Linear(shape.n_embd, shape.n_embd) for _ in range(4))
        self.proj_dropout = Dropout(shape.dropout)

    def forward(
        self, queries: torch.Tensor, asking: Layout, x: torch.Tensor, reading: Layout, masks: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """queries in the layout `asking`, (B, Tq, C) or packed, to as many averages of what x says."""
        dropout = self.shape.dropout if self.training else 0.0
        value = self._recalled("value", self.value(x), reading)
        query, key = asking.spread(self.query(queries)), self._recalled("key", self.key(x), reading)
        mixed = [
            attend(self._heads(q), k, v, dropout=dropout, bias=_bias(mask, q))
            for q, k, v, mask in zip(query, key, value, masks, strict=True)
        ]
        return self.proj_dropout(self.proj(asking.join([by_head.transpose(1, 2).flatten(2) for by_head in mixed])))

    def picture(self, queries: torch.Tensor, x: torch.Tensor, reading: Layout, mask: torch.Tensor) -> torch.Tensor:
        """The weights, (B, H, Tq, Tk), of queries (B, Tq, C) and x (B, Tk, C)."""
        (key,) = self._recalled("key", self.key(x), reading)
        return dot_product_weights(self._heads(self.query(queries)), key, _bias(mask, key))

    def _recalled(self, name: str, projected: torch.Tensor, layout: Layout) -> list[torch.Tensor]:
        """By pieces and heads, (B, H, Tk, D), with what was there before."""
        pieces = zip(layout.pieces, layout.spread(projected), strict=True)
        return [piece.recall(self, name, self._heads(own)) for piece, own in pieces]

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.shape.n_head, self.shape.head_size)).transpose(1, 2)


def _bias(mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A mask as what is added to the scores, (Tq, Tk)."""
    return like.new_zeros(mask.shape).masked_fill(~mask, float("-inf"))


class PerceiverStack(Layers):
    """bottleneck: M. aligned: false for the course's mask. The layers in between attend as `attention` says.

    Raises ValueError for M outside 1..block_size, fewer than three layers, and for aligned latents that read more than
    two inputs each, behind which an input could not reach the next output.
    """

    def __init__(
        self,
        *,
        shape: AttentionShape,
        n_layer: int,
        attention: AttentionFactory,
        bottleneck: int = 64,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= bottleneck <= shape.block_size:
            raise ValueError(f"model.layers.bottleneck: expected 1 to {shape.block_size}, got {bottleneck}")
        if n_layer < 3:
            raise ValueError(f"model.n_layer: a perceiver has at least 3 (down, middle, up), got {n_layer}")
        self.stride = -(-shape.block_size // bottleneck) if aligned else 1
        if self.stride > 2:
            least = -(-shape.block_size // 2)
            raise ValueError(f"model.layers.bottleneck: aligned latents need at least {least}, got {bottleneck}")
        self.aligned = aligned
        self.max_length = shape.block_size
        self.latents = nn.Parameter(torch.empty(1, bottleneck, shape.n_embd))
        nn.init.xavier_uniform_(self.latents)
        self.down, self.up = CrossAttention(shape), CrossAttention(shape)
        self.down_ln1, self.down_ln2, self.up_ln1, self.up_ln2 = (nn.LayerNorm(shape.n_embd) for _ in range(4))
        self.down_mlp, self.up_mlp = mlp(shape), mlp(shape)
        inner = replace(shape, block_size=bottleneck)
        self.middle = Stack(shape=inner, n_layer=n_layer - 2, attention=attention)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        latents, inner, masks = self._latents(layout)
        z = self._down(latents, inner, x, layout, masks)  # without a latent too, for the cache
        latents = self.middle(z, inner) if inner.length else z
        out = layout.only_asked(x + self.up(x, layout, *self._up(latents, inner, layout)))
        return out + self.up_mlp(self.up_ln2(out))

    def pictures(self, x: torch.Tensor, layout: Layout) -> list[Picture]:
        """Latents reading inputs, the layers between latents, outputs reading latents."""
        latents, inner, masks = self._latents(layout)
        down = self.down.picture(self.down_ln1(latents), x, layout, *masks)
        z = self._down(latents, inner, x, layout, masks)
        keys, reading, (mask,) = self._up(self.middle(z, inner), inner, layout)
        return [("down", down), *self.middle.pictures(z, inner), ("up", self.up.picture(x, keys, reading, mask))]

    def _complete(self, positions: int) -> int:
        """How many latents have all that they may read, after so many positions."""
        return min(self.latents.shape[1], positions // self.stride)

    def _latents(self, layout: Layout) -> tuple[torch.Tensor, Layout, list[torch.Tensor]]:
        """The latents that the new positions complete, their layout, and which positions each may read, by pieces."""
        latents, inner, masks = [], [], []
        for piece in layout.pieces:
            before, after = self._complete(piece.start), self._complete(piece.end)
            numbers = torch.arange(before, after, device=piece.marks.device)
            masks.append(torch.arange(piece.end, device=numbers.device) < (numbers[:, None] + 1) * self.stride)
            # A latent stands for no character: none is a MASK.
            marks = torch.zeros(piece.batch, after, dtype=torch.bool, device=numbers.device)
            inner.append(Layout(piece.batch, after - before, marks, start=before, cache=piece.cache))
            latents.append(self.latents[:, before:after].expand(piece.batch, -1, -1))
        own = Layout.of(inner)
        return own.join(latents), own, masks

    def _down(
        self, latents: torch.Tensor, inner: Layout, x: torch.Tensor, layout: Layout, masks: list[torch.Tensor]
    ) -> torch.Tensor:
        """The latents after they have read x."""
        z = latents + self.down(self.down_ln1(latents), inner, x, layout, masks)
        return z + self.down_mlp(self.down_ln2(z))

    def _up(self, z: torch.Tensor, inner: Layout, layout: Layout) -> tuple[torch.Tensor, Layout, list[torch.Tensor]]:
        """Normed latents for the outputs to read, with their layout and masks; where aligned, an empty one in front."""
        keys, masks = self.up_ln1(z), []
        for piece, latents in zip(layout.pieces, inner.pieces, strict=True):
            last = (torch.arange(latents.end, device=z.device) + 1) * self.stride - 1
            masks.append(last <= torch.arange(piece.start, piece.end, device=z.device)[:, None])
        if not self.aligned:
            return keys, inner, masks
        empty = int(layout.start == 0)
        moved = Layout.of([replace(p, length=p.length + empty, start=p.start + 1 - empty) for p in inner.pieces])
        padded = [F.pad(own, (0, 0, empty, 0)) for own in inner.spread(keys)]
        return moved.join(padded), moved, [F.pad(mask, (1, 0), value=True) for mask in masks]
