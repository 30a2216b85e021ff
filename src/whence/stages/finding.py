"""Finds what earlier runs left: the model to start from, or the result of a run that a user names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from whence.config.naming import identity
from whence.data.modules import CorpusData
from whence.errors import ConfigError, DataError, MissingInput
from whence.origin import command, python
from whence.reporting.results import RESULT, find_results, read_result
from whence.run import CONFIG, Run
from whence.training.checkpoints import StoredModel, newest_checkpoint
from whence.training.weights import read_weights

log = logging.getLogger(__name__)

_TRAINING = ("recipe.", "pretraining.", "corruption.")  # keys of what a model learned from
_NOT_SHAPE = ("dropout", "name", "size")  # of a model's specification: free to differ from the checkpoint's


def initial_model(run: Run, data: CorpusData, *, any_seed: bool = False) -> StoredModel | None:
    """The model that `init_from` names, checked against configuration and vocabulary; None for random weights.

    any_seed: whether `init_from=auto` may find a run of another seed, where there is none of this one.
    Raises MissingInput when there is none, telling what there is and how to make it.
    """
    wanted = run.config.init_from
    if wanted == "none":
        return None
    if wanted == "auto" and not run.config.stage.init_from_stage:
        raise ConfigError(
            f"init_from: no stage comes before stage={run.config.stage.name}, so that auto finds nothing; "
            "expected none, a run or a file of weights"
        )
    checkpoint = find_model(
        run, str(_matching_run(run, data, any_seed)) if wanted == "auto" else wanted, key="init_from"
    )
    stored = read_weights(checkpoint, spec=run.plain["model"], vocab=data.vocab)
    _check_compatible(run, data, stored)
    log.info("starting from %s (step %d)", stored.run, stored.step)
    return stored


def find_model(run: Run, wanted: str, *, key: str) -> Path:
    """The file of the model that `wanted` names: a file, a run directory, or a run of the stage before.

    Raises MissingInput, naming the configuration `key`, and DataError when no checkpoint of a run is intact.
    """
    stage = run.config.stage.init_from_stage or "pretrain"
    for path in (Path(wanted), Path(run.config.run_root) / stage / wanted):
        if path.is_file():
            return path
        if path.is_dir():
            if (checkpoint := newest_checkpoint(path / "checkpoints")) is None:
                raise MissingInput(f"{key}: {path} has no checkpoint")
            return checkpoint
    raise MissingInput(f"{key}: {wanted} is neither a file, a run directory nor a run in {run.config.run_root}/{stage}")


def find_run(run: Run, wanted: str, *, key: str) -> dict[str, Any]:
    """The result of the finished run that `wanted` names: its directory, or its name in finetune or evaluate.

    Raises MissingInput, naming the configuration `key`.
    """
    root = Path(run.config.run_root)
    for folder in (Path(wanted), *(root / stage / wanted for stage in ("finetune", "evaluate"))):
        if (folder / RESULT).is_file():
            result = read_result(folder)
            if "dev" not in result:
                raise MissingInput(f"{key}: {folder} is a {result['stage']} run and has no scored answers")
            return result
    there = ", ".join(r["name"] for r in find_results(root) if "dev" in r) or "none"
    raise MissingInput(f"{key}: {wanted} is neither a finished run nor the name of one in {root} (there: {there})")


def _matching_run(run: Run, data: CorpusData, any_seed: bool) -> Path:
    """The finished run of the stage before with this model, seed and data."""
    stage = run.config.stage.init_from_stage
    expected = run.neighbour(f"stage={stage}")
    here = {name: data.corpus.fingerprint(name) for name in ("documents", "train") if hasattr(data.corpus, name)}
    if (expected.folder / RESULT).is_file():
        made_from = read_result(expected.folder)["inputs"]
        if changed := [name for name, digest in here.items() if made_from.get(name, digest) != digest]:
            raise DataError(
                f"{expected.folder} was made from another {changed[0]} file than {getattr(data.corpus, changed[0])} "
                f"is now; make it again: {command([*expected.overrides, 'rerun=true'], interpreter=python())}"
            )
        return expected.folder
    there = find_results(Path(run.config.run_root) / stage)
    matching = [
        r
        for r in there
        if r.get("model") == run.plain["model"]
        and (any_seed or r["seed"] == run.config.seed)
        and all(r["inputs"].get(name, digest) == digest for name, digest in here.items())
        and _trained_alike(Path(r["folder"]), expected)
    ]
    if len(matching) == 1 or (matching and any_seed):
        return Path(matching[0]["folder"])
    make = command(expected.overrides, interpreter=python())
    if matching:
        names = ", ".join(r["folder"] for r in matching)
        raise MissingInput(f"init_from: {len(matching)} {stage} runs match ({names}); choose one: init_from=PATH")
    others = ", ".join(r["name"] for r in there[:8]) or "none"
    raise MissingInput(
        f"init_from: there is no finished {stage} run {expected.folder} (finished ones in {run.config.run_root}: "
        f"{others}); make it: {make}" + ("; or set init_from=none for random weights" if stage == "pretrain" else "")
    )


def _trained_alike(folder: Path, expected: Run) -> bool:
    """Whether a run had the samples and the recipe that the expected one would have; its length, its name and its
    optimizer, which each stage chooses anew, may be others."""
    try:
        configs = OmegaConf.load(folder / CONFIG), expected.config
        there, here = ({k: v for k, v in identity(c).items() if k.startswith(_TRAINING)} for c in configs)  # type: ignore[arg-type]
    except (OSError, YAMLError, OmegaConfBaseException, KeyError, TypeError):
        return False
    return there == here


def _check_compatible(run: Run, data: CorpusData, stored: StoredModel) -> None:
    there, here = stored.spec, run.plain["model"]
    if there.get("name") != here["name"]:
        raise ConfigError(
            f"{stored.path} was trained with attention={there.get('name')}, the configuration has "
            f"attention={here['name']}; add attention={there.get('name')} or choose another init_from"
        )
    for key in sorted({*there, *here} - {*_NOT_SHAPE}):
        if there.get(key) != here.get(key):
            raise ConfigError(
                f"{stored.path} was trained with model.{key}={there.get(key)}, the configuration has "
                f"model.{key}={here.get(key)}; they must be the same"
            )
    check_vocabulary(data, stored)


def check_vocabulary(data: CorpusData, stored: StoredModel) -> None:
    """Raise DataError where a model knows other characters than the corpus has."""
    if stored.vocab != data.vocab:
        missing = "".join(sorted(set(data.vocab.characters) - set(stored.vocab.characters)))[:20]
        extra = "".join(sorted(set(stored.vocab.characters) - set(data.vocab.characters)))[:20]
        raise DataError(
            f"{stored.path} was trained on another text: its vocabulary of {len(stored.vocab)} characters lacks "
            f"{missing!r} and has {extra!r} besides; use the corpus it was trained on (data=...)"
        )
