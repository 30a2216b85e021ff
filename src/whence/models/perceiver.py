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

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import AttentionShape
from whence.models.attention.products import attend, dot_product_weights
from whence.models.dropout import Dropout
from whence.models.layers import AttentionFactory, Layers, Picture, Stack, mlp
from whence.models.layout import Layout


class CrossAttention(nn.Module):
    """Multi-head attention of queries to other positions under a mask of booleans (queries, keys)."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__()
        self.shape = shape
        self.query, self.key, self.value, self.proj = (nn.Linear(shape.n_embd, shape.n_embd) for _ in range(4))
        self.proj_dropout = Dropout(shape.dropout)

    def forward(self, queries: torch.Tensor, asking: Layout, read: Read) -> torch.Tensor:
        """queries in the layout `asking`, (B, Tq, C) or packed, to as many averages of what is read."""
        dropout = self.shape.dropout if self.training else 0.0
        query = self._heads(self.query(queries), asking)
        mixed = attend(query, read.key, read.value, dropout=dropout, bias=read.bias(query))
        return self.proj_dropout(self.proj(asking.gather(mixed.transpose(1, 2).flatten(2))))

    def weights(self, queries: torch.Tensor, asking: Layout, read: Read) -> torch.Tensor:
        """(B, H, Tq, Tk)."""
        query = self._heads(self.query(queries), asking)
        return dot_product_weights(query, read.key, read.bias(query))

    def read(self, x: torch.Tensor, layout: Layout, mask: torch.Tensor) -> Read:
        """Keys and values of x and of what was there before it, under a mask (Tq, Tk)."""
        key = layout.recall(self, "key", self._heads(self.key(x), layout))
        return Read(key, layout.recall(self, "value", self._heads(self.value(x), layout)), mask)

    def _heads(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        return layout.spread(x).unflatten(-1, (self.shape.n_head, self.shape.head_size)).transpose(1, 2)


@dataclass(frozen=True)
class Read:
    """What is read: keys and values, (B, H, Tk, D), and which query may read which of them, (Tq, Tk)."""

    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor

    def bias(self, like: torch.Tensor) -> torch.Tensor:
        """The mask as what is added to the scores, (Tq, Tk)."""
        return like.new_zeros(self.mask.shape).masked_fill(~self.mask, float("-inf"))


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
        latents, inner, reads = self._down(x, layout)
        if inner.length:
            z = latents + self.down(self.down_ln1(latents), inner, reads)
            latents = self.middle(z + self.down_mlp(self.down_ln2(z)), inner)
        out = layout.only_asked(x + self.up(x, layout, self._up(latents, inner, layout)))
        return out + self.up_mlp(self.up_ln2(out))

    def pictures(self, x: torch.Tensor, layout: Layout) -> list[Picture]:
        """Latents reading inputs, the layers between latents, outputs reading latents."""
        latents, inner, reads = self._down(x, layout)
        queries = self.down_ln1(latents)
        z = latents + self.down(queries, inner, reads)
        z = z + self.down_mlp(self.down_ln2(z))
        up = self.up.weights(x, layout, self._up(self.middle(z, inner), inner, layout))
        return [("down", self.down.weights(queries, inner, reads)), *self.middle.pictures(z, inner), ("up", up)]

    def _complete(self, positions: int) -> int:
        """How many latents have all that they may read, after so many positions."""
        return min(self.latents.shape[1], positions // self.stride)

    def _down(self, x: torch.Tensor, layout: Layout) -> tuple[torch.Tensor, Layout, Read]:
        """The latents that the new positions complete, their layout, and what they read."""
        before, after = self._complete(layout.start), self._complete(layout.end)
        numbers = torch.arange(before, after, device=x.device)
        mask = torch.arange(layout.end, device=x.device) < (numbers[:, None] + 1) * self.stride
        # A latent stands for no character: none is a MASK.
        marks = torch.zeros(layout.batch, after, dtype=torch.bool, device=x.device)
        inner = Layout(layout.batch, after - before, marks, start=before, cache=layout.cache)
        latents = self.latents[:, before:after].expand(layout.batch, -1, -1)
        return latents, inner, self.down.read(x, layout, mask)

    def _up(self, z: torch.Tensor, inner: Layout, layout: Layout) -> Read:
        """Normed latents for the outputs to read; where they are aligned, an empty one in front."""
        keys = self.up_ln1(z)
        last = (torch.arange(inner.end, device=z.device) + 1) * self.stride - 1
        mask = last <= torch.arange(layout.start, layout.end, device=z.device)[:, None]
        if not self.aligned:
            return self.up.read(keys, inner, mask)
        empty = int(layout.start == 0)
        keys = F.pad(keys, (0, 0, empty, 0))
        moved = replace(inner, length=inner.length + empty, start=inner.start + 1 - empty)
        return self.up.read(keys, moved, F.pad(mask, (1, 0), value=True))
