"""Names a run by what it is, so that the same command finds its own run again: `<stage>/<attention>-seed<k>` and what
differs from the stage's defaults. Where a run happens to be computed or stored is not part of what it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from whence.config.groups import CONF

# Choices that are named by their file, in the order in which they stand in the name: (override, key of the label).
CHOICES = (
    ("experiment", "name"),
    ("data", "data.name"),
    ("model", "model.size"),
    ("recipe", "recipe.name"),
    ("pretraining", "pretraining.name"),
    ("corruption", "corruption.name"),
    ("optimizer", "optimizer.name"),
    ("schedule", "schedule.name"),
    ("trainer", "trainer.name"),
)
# Keys of single stages that say what to do with a model, and nothing of what it is.
STAGE_OPTIONS = ("question", "samples", "report", "run", "format", "into", "runs", "against",
                 "prompt", "length", "temperature", "top_k")  # fmt: skip
# Keys that leave the numbers of a run as they are.
ELSEWHERE = ("run_root", "run_dir", "rerun", "debug", "checkpoint", "logger", "stage", "data.dir", "data.cache",
             "trainer.num_workers", "datamodule", "pretraining.corruption", "training", "chain",
             *STAGE_OPTIONS)  # fmt: skip
TEACHERS = ("recipe.pretrain.teachers", "recipe.pretrain.taught")  # likewise, where there are none
_LONGEST = 60

Compose = Callable[[Sequence[str]], DictConfig]


def identity(config: DictConfig) -> dict[str, Any]:
    """The dotted keys and values that decide what a run computes."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    without = [] if plain["recipe"]["pretrain"].get("teachers") else TEACHERS
    return {
        key: value
        for key, value in _leaves(plain)
        if not any(key == e or key.startswith(f"{e}.") for e in (*ELSEWHERE, *plain["stage"]["ignores"], *without))
    }


def run_directory(config: DictConfig, compose: Compose) -> Path:
    """Where a run goes: `run_dir` if it is set, else its name under `run_root`."""
    if config.run_dir:
        return Path(config.run_dir)
    return Path(config.run_root) / config.stage.name / run_name(config, compose)


def run_name(config: DictConfig, compose: Compose) -> str:
    """`<attention>-seed<k>`, then the choices and the values that are not the stage's defaults."""
    name = "-".join(differences := _differences(config, compose))
    safe = re.sub(r"[^A-Za-z0-9.+_-]+", "_", name)
    if safe != name or len(safe) > _LONGEST:
        digest = hashlib.sha256(json.dumps(differences).encode()).hexdigest()[:8]
        safe = f"{safe[: _LONGEST - 9]}-{digest}"
    return "-".join([f"{config.model.name}-seed{config.seed}", *([safe] if safe else [])])


def settings(config: DictConfig, compose: Compose) -> list[str]:
    """What tells the runs of one attention design, data set and kind of start apart, for a table of runs."""
    return [part for part in _differences(config, compose) if part not in (config.data.name, "init_from-none")]


def _differences(config: DictConfig, compose: Compose) -> list[str]:
    """What is not the stage's default: the choices by their names, then single values as `key-value`."""
    overrides = [f"stage={config.stage.name}", f"attention={config.model.name}", f"seed={config.seed}"]
    reference = compose(overrides)
    chosen = []
    for group, label in CHOICES:
        choice = OmegaConf.select(config, label)
        if group == "experiment" and not (CONF / "experiment" / f"{choice}.yaml").is_file():
            continue  # a label of the user's own: told like any other value
        if choice is not None and choice != OmegaConf.select(reference, label):
            overrides.append(f"{group}={choice}")
            reference = compose(overrides)
            chosen.append(choice)
    given, usual = identity(config), identity(reference)
    changed = [key for key in sorted(given) if key not in usual or usual[key] != given[key]]
    return [*chosen, *(f"{_word(key)}-{given[key]}" for key in changed)]


def _word(key: str) -> str:
    """The last part of a key; of a recipe's the last two, for an epoch or a batch size is of one stage or the other."""
    return ".".join(key.split(".")[-2 if key.startswith("recipe.") else -1 :])


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return [(prefix, node)]
    return [leaf for key, value in node.items() for leaf in _leaves(value, f"{prefix}.{key}" if prefix else key)]
