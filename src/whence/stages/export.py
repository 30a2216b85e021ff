"""Writes a run's weights for others: the course's code, or anything that reads safetensors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from whence.errors import ConfigError, StorageError
from whence.run import Run
from whence.stages.finding import find_model
from whence.storage import write_atomically
from whence.training.checkpoints import StoredModel, read_model
from whence.training.weights import course_bytes, safetensors_file

log = logging.getLogger(__name__)

FORMATS = {"cs224n": (course_bytes, "params"), "safetensors": (safetensors_file, "safetensors")}


def export(run: Run) -> dict[str, Any] | None:
    """Write the weights of the run that `run` names. Raises ConfigError, MissingInput, DataError or StorageError."""
    if run.config.run is None:
        raise ConfigError("run: expected the run to export, got nothing; name one: run=outputs/finetune/vanilla-seed0")
    source = find_model(run, run.config.run, key="run")
    if source.suffix == ".safetensors":
        raise ConfigError(f"run: expected a run or a checkpoint (.ckpt) to export, got {source}")
    stored = read_model(source)
    content, suffix = FORMATS[run.config.format]
    path = Path(run.config.into) if run.config.into else _place(stored, suffix)
    if path.is_dir():
        raise ConfigError(f"into: expected the file to write, got the folder {path}; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"into: {path.parent} cannot be made: {error.strerror}; choose another place") from error
    write_atomically(path, content(stored))
    log.info("%s: %s, step %d, %s tensors", path, stored.spec["name"], stored.step, len(stored.weights))
    return None


def _place(stored: StoredModel, suffix: str) -> Path:
    """In the run's directory, named as the course names its files; beside a checkpoint that lies elsewhere."""
    if stored.run == stored.path:
        return stored.path.with_suffix(f".{suffix}")
    return stored.run / f"{stored.spec['name']}.{stored.run.parent.name}.{suffix}"
