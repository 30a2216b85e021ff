"""What most stages begin with: their data, their model, and what they are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from whence import build
from whence.data.modules import CorpusData
from whence.errors import ConfigError, DataError
from whence.models.gpt import GPT
from whence.run import Inputs, Run
from whence.training.checkpoints import StoredModel


def load_data(run: Run, datamodule: dict[str, Any] | None = None) -> CorpusData:
    """The stage's datamodule, read and checked. Raises DataError or MissingInput."""
    node = datamodule or run.plain.get("datamodule", {"_target_": "whence.data.modules.BirthPlaceData"})
    training = run.plain.get("training", {})
    data = build.build(
        node,
        path="datamodule",
        corpus=build.build(run.plain["data"], path="data"),
        block_size=run.config.model.block_size,
        batch_size=training.get("batch_size", 1),
        shuffle=training.get("shuffle", True),
        seed=run.config.seed,
        num_workers=run.config.trainer.num_workers,
    )
    data.setup()
    return data


def build_model(run: Run, data: CorpusData, stored: StoredModel | None) -> GPT:
    """The configured model with the stored weights, or with new ones drawn from the run's seed."""
    torch.manual_seed(run.config.seed)
    spec = run.plain["model"]
    model = build.build_model(spec, vocab_size=len(data.vocab)) if stored is None else load(stored, spec)
    data.fit(model.max_length)
    return model


def load(stored: StoredModel, spec: dict[str, Any]) -> GPT:
    """A stored model, by its own specification or one of the same shape (with other dropout). Raises DataError."""
    model = build.build_model(spec, vocab_size=len(stored.vocab))
    try:
        model.load_state_dict(stored.weights)
    except RuntimeError as error:
        lacking, extra = model.state_dict().keys() - stored.weights, stored.weights.keys() - model.state_dict()
        told = f"lacks {min(lacking)}" if lacking else f"has {min(extra)} besides" if extra else "has other shapes"
        raise DataError(
            f"{stored.path}: its weights are not those of attention={spec['name']}: it {told}; take the whole file"
        ) from error
    return model


def inputs(data: CorpusData, stored: StoredModel | None, *files: str) -> Inputs:
    """What a run is made from, by its SHA-256: the named files of the corpus and the initial weights."""
    found = {name: data.corpus.fingerprint(name) for name in ("documents", *files)}
    return found if stored is None else found | {"initial weights": stored.digest}


def into(run: Run) -> Path:
    """The folder to write into. Raises ConfigError where none is named."""
    if not run.config.into:
        raise ConfigError("into: expected a folder, got nothing; name one: into=FOLDER")
    return Path(run.config.into)
