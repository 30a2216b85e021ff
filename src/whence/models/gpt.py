"""The course's GPT: a pre-norm Transformer over characters with an untied head (minGPT, Karpathy 2020).

    x = dropout(E[ids] + P);   x += attention(norm(x)), x += MLP(norm(x)) in each layer;   logits = norm(x) W

Attention, positions and the stack of layers arrive as factories, so that a variant is a submodule and never a branch
in here.

Legend of shapes: B batch, T sequence length, C width (n_embd), V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from whence.models.attention.base import AttentionShape
from whence.models.dropout import Dropout
from whence.models.layers import AttentionFactory, Layers, Picture
from whence.models.layout import Cache, Layout

PositionsFactory = Callable[..., nn.Module]
LayersFactory = Callable[..., Layers]


class GPT(nn.Module):
    """A character-level language model.

    attention, positions, layers: factories; the first is called by the layers, once for each of them.
    Raises ValueError for sizes out of range and when n_embd is not a multiple of n_head.
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
        layers: LayersFactory,
    ) -> None:
        super().__init__()
        for name, size in (("n_layer", n_layer), ("n_head", n_head), ("n_embd", n_embd), ("block_size", block_size)):
            if size < 1:
                raise ValueError(f"{name}: expected at least 1, got {size}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected 0 or more and under 1, got {dropout}")
        if n_embd % n_head:
            raise ValueError(f"n_embd={n_embd} is not a multiple of n_head={n_head}")
        shape = AttentionShape(n_embd=n_embd, n_head=n_head, block_size=block_size, dropout=dropout)
        self.tok_emb = nn.Embedding(vocab_size, n_embd)
        self.positions = positions(block_size=block_size, n_embd=n_embd)
        self.drop = Dropout(dropout)
        self.layers = layers(shape=shape, n_layer=n_layer, attention=attention)
        self.ln_f = nn.LayerNorm(n_embd)
        self.head = nn.Linear(n_embd, vocab_size, bias=False)
        self.max_length = self.layers.max_length
        self.apply(init_weights)

    def forward(self, ids: torch.Tensor, layout: Layout | None = None) -> torch.Tensor:
        """Logits of the next character at each position, (B, T, V), for ids (B, T), T <= max_length.

        With a packed layout, of its positions alone, (N, V), or of those it asks for, (M, V). Raises ValueError for
        longer sequences.
        """
        layout = Layout.padded(ids) if layout is None else layout
        return self.head(self.ln_f(self.layers(self._embed(ids, layout), layout)))

    def reader(self, capacity: int) -> Reader:
        """Reads a batch of sequences of up to `capacity` positions bit by bit, each position once."""
        return Reader(self, capacity)

    def read(self, ids: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Logits of what follows the new ids, (B, T), that come after those in the cache; (B, V)."""
        layout = Layout.continued(ids, cache)
        return self.head(self.ln_f(self.layers(self._embed(ids, layout), layout)))

    @torch.no_grad()
    def pictures(self, ids: torch.Tensor) -> list[Picture]:
        """What the layers attend to while the model reads ids, (B, T)."""
        layout = Layout.padded(ids)
        return self.layers.pictures(self._embed(ids, layout), layout)

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    # On the way back torch.compile would add up a row's gradients one at a time, threads waiting for each other.
    @torch.compiler.disable
    def _embed(self, ids: torch.Tensor, layout: Layout) -> torch.Tensor:
        if layout.end > self.max_length:
            raise ValueError(f"sequence of {layout.end} positions, this model takes at most {self.max_length}")
        x = self.positions(self.tok_emb(layout.gather(ids)), layout.places)  # (B, T, C) or (N, C)
        kind = x.device.type
        if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16:
            x = x.bfloat16()  # or the sums of all layers would be float32 and be turned into bfloat16 for each product
        return self.drop(x)


class Reader:
    """A batch of sequences on their way through a model; called with the next ids, (B, T), it gives logits (B, V)."""

    def __init__(self, model: GPT, capacity: int) -> None:
        self._model = model
        self._cache = Cache(capacity)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        return self._model.read(ids, self._cache)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these of the sequences, by their numbers."""
        self._cache.keep(rows)


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
