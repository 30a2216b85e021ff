"""The course's GPT, written naively from its published equations: float32, explicit masks, one question at a time.

What Whence computes is compared with this. Names of parameters are the course's, so that its state_dict is a `.params`
file.
"""

import math

import torch
from torch import nn

BIG = 1e10
STEPS = 32


def triangle(size):
    return torch.ones(size, size).tril().view(1, 1, size, size)


class Attention(nn.Module):
    """All four kinds; `kind` decides how scores come about."""

    def __init__(self, kind, width, heads, block, dropout):
        super().__init__()
        self.kind, self.heads, self.size = kind, heads, width // heads
        self.shares_drop, self.proj_drop = nn.Dropout(dropout), nn.Dropout(dropout)
        self.value, self.proj = nn.Linear(width, width), nn.Linear(width, width)
        if kind == "synthesizer":
            self.w1 = nn.Linear(width, width)
            self.w2 = nn.Parameter(torch.zeros(self.size, block - 1))
            self.b2 = nn.Parameter(torch.zeros(block - 1))
        else:
            self.key, self.query = nn.Linear(width, width), nn.Linear(width, width)
        self.register_buffer("mask", triangle(block))
        if kind == "rope":
            angle = torch.arange(block)[:, None] / 10000 ** (torch.arange(0, self.size, 2) / self.size)
            self.register_buffer("rope_cache", torch.stack([angle.cos(), angle.sin()], dim=-1))

    def cut(self, x):
        batch, length, _ = x.shape
        return x.reshape(batch, length, self.heads, self.size).permute(0, 2, 1, 3)

    def rotate(self, x):
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
        turn = torch.view_as_complex(self.rope_cache[: x.shape[2]].contiguous())
        return torch.view_as_real(pairs * turn).flatten(-2)

    def forward(self, x, queries=None):
        queries = x if queries is None else queries
        if self.kind == "synthesizer":
            rows = self.w2[:, : x.shape[1]]
            scores = torch.relu(self.cut(self.w1(x))) @ rows + self.b2[: x.shape[1]]
        else:
            q, k = self.cut(self.query(queries)), self.cut(self.key(x))
            if self.kind == "rope":
                q, k = self.rotate(q), self.rotate(k)
            scores = q @ k.transpose(2, 3) / math.sqrt(self.size)
        allowed = self.mask[:, :, : queries.shape[1], : x.shape[1]]
        shares = torch.softmax(scores * allowed - BIG * (1 - allowed), dim=-1)
        mixed = (self.shares_drop(shares) @ self.cut(self.value(x))).permute(0, 2, 1, 3)
        return self.proj_drop(self.proj(mixed.reshape(mixed.shape[0], mixed.shape[1], -1)))


class Layer(nn.Module):
    """An ordinary block; with `latents` the one that presses a sequence down."""

    def __init__(self, kind, width, heads, block, dropout, latents=0):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(kind, width, heads, block, dropout)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )
        if latents:
            self.C = nn.Parameter(torch.zeros(1, latents, width))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))

    def down(self, x):
        z = self.C + self.attn(x, self.ln1(self.C).expand(len(x), -1, -1))
        return z + self.mlp(self.ln2(z))

    def up(self, latents, x):
        out = x + self.attn(self.ln1(latents), x)
        return out + self.mlp(self.ln2(out))


class CourseGPT(nn.Module):
    """kind: vanilla, synthesizer, rope or perceiver. Weights are drawn wide, so that answers differ."""

    def __init__(self, kind, *, vocab, layers, heads, width, block, bottleneck, dropout=0.0):
        super().__init__()
        self.kind, self.block = kind, block
        inner = "vanilla" if kind == "perceiver" else kind
        self.tok_emb = nn.Embedding(vocab, width)
        self.drop = nn.Dropout(dropout)
        if kind != "rope":
            self.pos_emb = nn.Parameter(torch.zeros(1, block, width))
        if kind == "perceiver":
            self.down_block = Layer(inner, width, heads, block, dropout, bottleneck)
            self.blocks = nn.ModuleList(Layer(inner, width, heads, bottleneck, dropout) for _ in range(layers - 2))
            self.up_block = Layer(inner, width, heads, block, dropout)
        else:
            self.blocks = nn.ModuleList(Layer(inner, width, heads, block, dropout) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab, bias=False)
        draw = torch.Generator().manual_seed(layers)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                scale = 1.0 if "emb" in name else 1.5 / math.sqrt(width)
                parameter.add_(torch.randn(parameter.shape, generator=draw) * scale)

    def forward(self, ids):
        x = self.tok_emb(ids)
        if self.kind != "rope":
            x = x + self.pos_emb[:, : ids.shape[1]]
        x = start = self.drop(x)
        if self.kind == "perceiver":
            x = self.down_block.down(x)
        for block in self.blocks:
            x = block(x)
        if self.kind == "perceiver":
            x = self.up_block.up(x, start)
        return self.head(self.ln_f(x))

    @torch.no_grad()
    def answer(self, question, characters):
        """Greedy, always 32 characters; what stands between the first MASK and the second."""
        mask = characters[1]
        text = question + mask
        for _ in range(STEPS):
            ids = torch.tensor([[characters.index(c) for c in text[-self.block :]]])
            text += characters[int(self(ids)[0, -1].argmax())]
        return text.split(mask)[1]
