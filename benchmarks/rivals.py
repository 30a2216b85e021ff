"""What a user would pick instead, on the same documents: `python -m benchmarks.rivals [--data FOLDER]`.

Vanilla attention at the reference size, in real characters a second, since not all read the same samples:

    textbook       the loop of `benchmarks/textbook.py`
    nanoGPT        Karpathy's loop: windows of 128 characters from anywhere, none of them padding; fused AdamW
    Hugging Face   GPT2LMHeadModel with its Trainer on our corrupted documents, each batch padded to its longest;
                   where `transformers` and `accelerate` are installed
    whence         `stage=pretrain`, as a user runs it
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.ours import Ours
from benchmarks.run import world_folder
from benchmarks.textbook import Textbook
from whence.config.compose import compose
from whence.reporting.tables import show
from whence.run import prepare
from whence.stages.common import build_model, load_data
from whence.training.devices import describe_device, pick_device
from whence.vocab import PAD_ID

Rival = Callable[[int], float]  # seconds of a training of so many steps


def nanogpt(words: list[str], batch_size: int) -> Rival:
    run = prepare(compose(words), words)
    data = load_data(run)
    text = torch.from_numpy(data.vocab.encode("\n".join(data.documents)).astype("int64"))
    block = run.config.model.block_size

    def train(steps: int) -> float:
        model = build_model(run, data, None)
        optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        started = time.perf_counter()
        for _ in range(steps):
            starts = torch.randint(len(text) - block, (batch_size,))
            windows = torch.stack([text[start : start + block] for start in starts])
            logits = model(windows[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    return train


def hugging_face(words: list[str], batch_size: int, into: Path) -> Rival:
    """Raises ImportError where transformers or accelerate is missing."""
    import accelerate  # noqa: F401
    from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

    run = prepare(compose(words), words)
    data = load_data(run)
    sizes = run.config.model

    class Documents(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(data.dataset)  # type: ignore[arg-type]

        def __getitem__(self, number: int) -> torch.Tensor:
            _, (inputs, targets) = data.dataset[0, number]
            return torch.tensor([*inputs, targets[-1]], dtype=torch.int64)

    def padded(samples: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        ids = torch.nn.utils.rnn.pad_sequence(samples, batch_first=True, padding_value=PAD_ID)
        return {"input_ids": ids, "attention_mask": ids != PAD_ID, "labels": ids.masked_fill(ids == PAD_ID, -100)}

    def train(steps: int) -> float:
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(data.vocab), n_positions=sizes.block_size, n_embd=sizes.n_embd, n_layer=sizes.n_layer,
                n_head=sizes.n_head, bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
        arguments = TrainingArguments(
            output_dir=str(into / "hf"), per_device_train_batch_size=batch_size, max_steps=steps, learning_rate=6e-3,
            use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        trainer = Trainer(model=model, args=arguments, train_dataset=Documents(), data_collator=padded)
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
        return time.perf_counter() - started

    return train


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the course's corpus; the built-in one if left out")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", default="auto", help="of whence; the others are float32")
    chosen = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as into:
        folder = chosen.data or world_folder(into, people=3000, biographies=1, dev=17)
        textbook, ours = Textbook("vanilla", folder), Ours("vanilla", folder, Path(into), "auto", chosen.precision)
        words = [*ours.words, "stage=pretrain"]
        data = load_data(prepare(compose(words), words))
        document = statistics.fmean(len(data.dataset[0, i][1][0]) for i in range(len(data.dataset)))  # type: ignore
        rivals = {"nanoGPT's loop": (nanogpt(words, chosen.batch), data.block_size - 1)}
        try:
            rivals["Hugging Face Trainer"] = hugging_face(words, chosen.batch, Path(into)), document
        except ImportError:
            print("Hugging Face is left out; to have it: pip install -c constraints.txt -e '.[rivals]'")

        def rate(train: Rival, characters: float) -> float:
            """Characters a second, without what a training does once."""
            return chosen.steps * chosen.batch * characters / (train(1 + chosen.steps) - train(1))

        sides = {
            "textbook": lambda: document * textbook.train(chosen.steps, chosen.batch, corrupted=True),
            **{name: partial(rate, *rival) for name, rival in rivals.items()},
            "whence": lambda: document * ours.speed(chosen.steps, chosen.batch, stage="pretrain"),
        }
        for side in sides.values():
            side()
        rounds = [[side() for side in sides.values()] for _ in range(chosen.rounds)]
    rows = []
    for name, speeds in zip(sides, zip(*rounds, strict=True), strict=True):
        times = [speed / first[0] for speed, first in zip(speeds, rounds, strict=True)]
        spread = f"{min(times):.1f} to {max(times):.1f}"
        rows.append((name, f"{statistics.median(speeds):,.0f}", f"{statistics.median(times):.1f}", spread))
    show("Pretraining", ("loop", "real characters/s", "times textbook", "over the rounds"), rows, right_from=1)
    print(f"{describe_device(pick_device('cpu'))}; batches of {chosen.batch}, documents of {document:.0f} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
