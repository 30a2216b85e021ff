"""The course's GPT: a pre-norm Transformer over characters with an untied head (minGPT, Karpathy 2020).

    x = dropout(E[ids] + P);   x += attention(norm(x)), x += MLP(norm(x)) in each layer;   logits = norm(x) W

Attention and positions arrive as factories, so that a variant is a submodule and never a branch in here.

Legend of shapes: B batch, T sequence length, C width (n_embd), V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from whence.models.attention.base import Attention, AttentionShape

AttentionFactory = Callable[[AttentionShape], Attention]
PositionsFactory = Callable[..., nn.Module]


class Block(nn.Module):
    """One layer: causal mixing of positions, then an MLP on each of them."""

    def __init__(self, *, shape: AttentionShape, attention: AttentionFactory) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(shape.n_embd)
        self.attn = attention(shape)
        self.ln2 = nn.LayerNorm(shape.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(shape.n_embd, 4 * shape.n_embd),
            nn.GELU(),
            nn.Linear(4 * shape.n_embd, shape.n_embd),
            nn.Dropout(shape.dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    """A character-level language model.

    attention, positions: factories, called once for each layer and once for the model.
    Raises ValueError when n_embd is not a multiple of n_head.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        block_size: int,
        dropout: float,
        attention: AttentionFactory,
        positions: PositionsFactory,
    ) -> None:
        super().__init__()
        if n_embd % n_head:
            raise ValueError(f"n_embd={n_embd} is not a multiple of n_head={n_head}")
        shape = AttentionShape(n_embd=n_embd, n_head=n_head, block_size=block_size, dropout=dropout)
        self.tok_emb = nn.Embedding(vocab_size, n_embd)
        self.positions = positions(block_size=block_size, n_embd=n_embd)
        self.drop = nn.Dropout(dropout)
        layers = [Block(shape=shape, attention=attention) for _ in range(n_layer)]
        self.blocks = nn.ModuleList(layers)
        self.ln_f = nn.LayerNorm(n_embd)
        self.head = nn.Linear(n_embd, vocab_size, bias=False)
        self.max_length: int = min(layer.attn.max_length for layer in layers)
        self.apply(init_weights)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of the next character at each position, (B, T, V), for ids (B, T), T <= max_length.

        Raises ValueError for longer sequences.
        """
        x = self._embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))

    @torch.no_grad()
    def attention_weights(self, ids: torch.Tensor) -> list[torch.Tensor]:
        """What each layer attends to, one (B, H, T, T) a layer, for pictures."""
        x = self._embed(ids)
        pictures = []
        for block in self.blocks:
            assert isinstance(block, Block)
            pictures.append(block.attn.weights(block.ln1(x)))
            x = block(x)
        return pictures

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        if ids.shape[1] > self.max_length:
            raise ValueError(f"sequence of {ids.shape[1]} positions, this model takes at most {self.max_length}")
        return self.drop(self.positions(self.tok_emb(ids)))  # (B, T, C)


def init_weights(module: nn.Module) -> None:
    """Initial weights of the whole model (GPT-2's):

    Linear, Embedding   N(0, 0.02), biases 0
    LayerNorm           gain 1, bias 0
    anything else       by its own module, beside its definition
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
