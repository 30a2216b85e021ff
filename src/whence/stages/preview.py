"""Shows what a model is trained on, decoded: documents under corruption, question rows, marks made visible."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from whence.data.batches import Batch
from whence.data.corpus import CorpusFiles
from whence.data.modules import CorpusData
from whence.run import Run
from whence.stages.common import load_data
from whence.vocab import PAD_ID

_STAGES = ("pretrain", "finetune")


def preview(run: Run) -> None:
    """Print the first samples of both training stages: input, and which of it is a target of the loss."""
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    for stage in _STAGES:
        datamodule = run.neighbour(f"stage={stage}").plain["datamodule"]
        data = load_data(run, datamodule)
        data.batch_size = run.config.samples
        data.plan(1, lambda: 0)
        console.print(f"[bold]{stage}[/bold]: {data.source}, {len(data.dataset)} samples; scored characters are bold")  # type: ignore[arg-type]
        for line in describe(next(iter(data.train_dataloader())), data):
            console.print(f"  {line}")
        if not isinstance(data.corpus, CorpusFiles):
            return  # a text has no questions to finetune on


def describe(batch: Batch, data: CorpusData) -> list[str]:
    """One line a sample: the sequence, with the characters the loss covers in bold."""
    lines = []
    for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        length = sum(i != PAD_ID for i in inputs)
        text = data.vocab.decode([*inputs[:length], targets[length - 1]])
        scored = [False, *(t != PAD_ID for t in targets[:length])]
        marked = [
            f"[bold]{escape(c)}[/bold]" if s else escape(c)
            for c, s in zip(text.replace("\n", "↵"), scored, strict=True)
        ]
        lines.append("".join(marked))
    return lines
