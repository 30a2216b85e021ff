"""Perceiver layers, as in CS224N 2022-2023: the sequence is pressed through M latents and unfolded again.

    Down   z = C + cross(query norm(C), keys x),  z += MLP(norm(z))         C learned, (M, width)
    then   n_layer - 2 ordinary causal blocks on the M latents
    Up     o = x + cross(query x, keys norm(z)),  o += MLP(norm(o))

Which latent may read which input, and which output which latent, is the mask's affair. The course's mask is the top
left corner of the causal one, so that latent i reads inputs 0..i: inputs from M on reach no later output (a blackout).
`aligned` spreads the latents over the block in place: with r = ceil(block_size / M), latent i reads the inputs up to
(i + 1) r - 1, output t the latents that end at or before t, and an empty latent for outputs that have none yet. After
Perceiver AR (Hawthorne et al. 2022) for the alignment. 4 (C^2 + C) parameters a cross-attention, M C for the latents.

Legend of shapes: B batch, T sequence length, M latents, H heads, D head size, C width.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from whence.models.attention.base import AttentionShape, Layout
from whence.models.layers import AttentionFactory, Layers, Picture, Stack, mlp


class CrossAttention(nn.Module):
    """Multi-head attention of queries to other positions under a mask of booleans (queries, keys)."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__()
        self.shape = shape
        self.query, self.key, self.value, self.proj = (nn.Linear(shape.n_embd, shape.n_embd) for _ in range(4))
        self.proj_dropout = nn.Dropout(shape.dropout)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """queries (B, Tq, C), keys (B, Tk, C) -> (B, Tq, C)."""
        query, key, value = self._heads(self.query(queries)), self._heads(self.key(keys)), self._heads(self.value(keys))
        dropout = self.shape.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return self.proj_dropout(self.proj(mixed.transpose(1, 2).flatten(2)))

    def weights(self, queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, H, Tq, Tk)."""
        query, key = self._heads(self.query(queries)), self._heads(self.key(keys))
        scores = query @ key.transpose(-2, -1) / self.shape.head_size**0.5
        return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.shape.n_head, self.shape.head_size)).transpose(1, 2)  # (B, H, T, D)


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
        latents, queries, reads = self._down_parts(x)
        z = latents + self.down(queries, x, reads)
        z = self.middle(z + self.down_mlp(self.down_ln2(z)), self._inner(z))
        keys, reads = self._up_parts(x, z)
        out = x + self.up(x, keys, reads)
        return out + self.up_mlp(self.up_ln2(out))

    def pictures(self, x: torch.Tensor, layout: Layout) -> list[Picture]:
        """Latents reading inputs, the layers between latents, outputs reading latents."""
        latents, queries, reads = self._down_parts(x)
        z = latents + self.down(queries, x, reads)
        z = z + self.down_mlp(self.down_ln2(z))
        keys, up_reads = self._up_parts(x, self.middle(z, self._inner(z)))
        down = self.down.weights(queries, x, reads)
        return [("down", down), *self.middle.pictures(z, self._inner(z)), ("up", self.up.weights(x, keys, up_reads))]

    def _inner(self, z: torch.Tensor) -> Layout:
        """Latents stand for no character: none is a MASK."""
        batch, length, _ = z.shape
        return Layout(batch, length, marks=torch.zeros(batch, length, dtype=torch.bool, device=z.device))

    def _down_parts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Latents, their queries, and which inputs each may read, (M, T)."""
        latents = self.latents.expand(len(x), -1, -1)
        last = (torch.arange(latents.shape[1], device=x.device) + 1) * self.stride - 1
        return latents, self.down_ln1(latents), torch.arange(x.shape[1], device=x.device) <= last[:, None]

    def _up_parts(self, x: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normed latents to read, and which of them each output may, (T, M); aligned: an empty one in front."""
        keys = self.up_ln1(z)
        last = (torch.arange(z.shape[1], device=x.device) + 1) * self.stride - 1
        reads = last <= torch.arange(x.shape[1], device=x.device)[:, None]
        if self.aligned:
            keys = F.pad(keys, (0, 0, 1, 0))
            reads = F.pad(reads, (1, 0), value=True)
        return keys, reads
