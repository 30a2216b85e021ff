"""Lets a pretrained model write on."""

from __future__ import annotations

import sys
from itertools import islice

from whence.errors import DataError
from whence.evaluation.sampling import draw
from whence.run import Run
from whence.stages.common import build_model, load_data
from whence.stages.finding import initial_model
from whence.training.devices import pick_device
from whence.vocab import describe


def sample(run: Run) -> None:
    """Print the prompt and `length` characters after it, as they are drawn. Raises DataError for unknown characters."""
    data = load_data(run, run.plain["pretraining"])
    prompt = "\n" if run.config.prompt is None else run.config.prompt
    if unknown := data.vocab.unknown(prompt):
        raise DataError(f"prompt: characters that the model has never seen: {describe(unknown)}")
    if not prompt:
        raise DataError("prompt: expected at least one character; prompt=null starts with a new line")
    stored = initial_model(run, data, any_seed=True)
    device = pick_device(run.config.trainer.accelerator)
    model = build_model(run, data, stored).eval().to(device)
    drawn = draw(
        model,
        data.vocab.encode(prompt).tolist(),
        window=data.longest,
        seed=run.config.seed,
        temperature=run.config.temperature,
        top_k=run.config.top_k,
        device=device,
    )
    sys.stdout.write(prompt)
    for number in islice(drawn, run.config.length):
        sys.stdout.write(data.vocab.decode([number]))
        sys.stdout.flush()
    sys.stdout.write("\n")
