"""The LightningModule beyond what runs show."""

from functools import partial

import torch
from torch._dynamo import config as dynamo

from whence.build import build_model
from whence.config.compose import compose
from whence.data.batches import collate
from whence.training.module import LanguageModel
from whence.vocab import CharVocab

VOCAB = CharVocab.from_text("abcdefgh")


@dynamo.patch(recompile_limit=2)
def test_a_process_compiles_as_many_models_as_a_sweep_has(monkeypatch):
    """torch compiles the same code eight times and then no more; here twice, and a fourth model is as the first."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(size)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    text = VOCAB.encode("abcdefgh" * 2)
    batch = collate([(0, (text[:-1], text[1:]))])
    for size in (2, 4, 6, 8):
        words = ["model.n_layer=1", "model.n_head=2", f"model.n_embd={size}", "model.block_size=16"]
        model = build_model(compose(words).model, vocab_size=len(VOCAB))
        LanguageModel(
            model=model, spec={}, vocab=VOCAB, seed=0, optimizer=None, factor=lambda step: 1.0, compiled=True
        ).loss(batch)
    assert set(compiled) == {2, 4, 6, 8}
