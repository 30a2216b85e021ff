"""What stands between the embedding and the head: a stack of layers over the whole sequence."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape
from whence.models.dropout import Dropout
from whence.models.layout import Layout

AttentionFactory = Callable[[AttentionShape], Attention]
Picture = tuple[str, torch.Tensor]  # a name, and weights (B, H, queries, keys) whose rows sum to 1


def mlp(shape: AttentionShape) -> nn.Sequential:
    """The course's: four times the width, GELU, dropout."""
    return nn.Sequential(
        nn.Linear(shape.n_embd, 4 * shape.n_embd),
        nn.GELU(),
        nn.Linear(4 * shape.n_embd, shape.n_embd),
        Dropout(shape.dropout),
    )


class Block(nn.Module):
    """One layer: causal mixing of positions, then an MLP on each of them; both on normed input, added to it."""

    def __init__(self, *, shape: AttentionShape, attention: AttentionFactory) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(shape.n_embd)
        self.attn = attention(shape)
        self.ln2 = nn.LayerNorm(shape.n_embd)
        self.mlp = mlp(shape)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        return self.think(self.mix(x, layout))

    def mix(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        return x + self.attn(self.ln1(x), layout)

    def think(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(self.ln2(x))


class Layers(nn.Module):
    """What a model asks of its layers. max_length: the longest sequence they take."""

    max_length: int

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Causally, (B, T, C) to (B, T, C), or to the positions that are asked for."""
        raise NotImplementedError

    def pictures(self, x: torch.Tensor, layout: Layout) -> list[Picture]:
        """What is attended to while x is read."""
        raise NotImplementedError


class Stack(Layers):
    """`n_layer` blocks one after the other, each with an attention of its own."""

    def __init__(self, *, shape: AttentionShape, n_layer: int, attention: AttentionFactory) -> None:
        super().__init__()
        blocks = [Block(shape=shape, attention=attention) for _ in range(n_layer)]
        self.blocks = nn.ModuleList(blocks)
        self.max_length = min(block.attn.max_length for block in blocks)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        *others, last = self.blocks
        assert isinstance(last, Block)
        for block in others:
            x = block(x, layout)
        return last.think(layout.only_asked(last.mix(x, layout)))

    def pictures(self, x: torch.Tensor, layout: Layout) -> list[Picture]:
        shown = []
        for number, block in enumerate(self.blocks, 1):
            assert isinstance(block, Block)
            shown.append((f"layer {number}", block.attn.picture(block.ln1(x), layout)))
            x = block(x, layout)
        return shown
