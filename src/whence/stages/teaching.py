"""The trained models that teach a run, as `recipe.pretrain.teachers` names them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from whence.data.modules import CorpusData
from whence.errors import ConfigError, MissingInput
from whence.origin import command, python
from whence.reporting.results import RESULT
from whence.run import Run
from whence.stages.common import load
from whence.stages.finding import check_vocabulary, find_model
from whence.training.checkpoints import StoredModel
from whence.training.distillation import Teachers
from whence.training.weights import read_weights

log = logging.getLogger(__name__)


def find_teachers(run: Run, data: CorpusData) -> list[StoredModel]:
    """The pretrained models that `recipe.pretrain.teachers` names. Raises what `teacher_files` raises, or DataError for
    other vocabularies."""
    found = [read_weights(path, spec=run.plain["model"], vocab=data.vocab) for path in teacher_files(run)]
    for stored in found:
        check_vocabulary(data, stored)
        log.info("taught by %s", stored.run)
    return found


def teacher_files(run: Run) -> list[Path]:
    """The files of the models that teach this run; numbers stand for this very run of other seeds.

    Raises MissingInput, telling how to make them.
    """
    key, named = "recipe.pretrain.teachers", run.plain["training"].get("teachers", [])
    untaught = ["stage=pretrain", f"{key}=[]"]
    seeds = {n: run.neighbour(*untaught, f"seed={n}").folder for n in named if isinstance(n, int)}
    if missing := [n for n, folder in seeds.items() if not (folder / RESULT).is_file()]:
        alone = len(missing) == 1 or run.config.trainer.devices * run.config.trainer.num_nodes > 1  # no sweep of those
        made = missing[:1] if alone else missing
        make = [*([] if alone else ["-m"]), *run.words(*untaught, f"seed={','.join(map(str, made))}")]
        raise MissingInput(
            f"{key}: there is no finished run {seeds[missing[0]]}; make it: {command(make, interpreter=python())}"
        )
    return [find_model(run, str(seeds.get(wanted, wanted)), key=key) for wanted in named]


def build_teachers(taught_by: Sequence[StoredModel], data: CorpusData, share: float) -> Teachers:
    """The models, ready to teach. Raises ConfigError for one that cannot read the samples."""
    models = [load(stored, stored.spec) for stored in taught_by]
    for stored, model in zip(taught_by, models, strict=True):
        if model.max_length < data.longest:
            raise ConfigError(
                f"recipe.pretrain.teachers: {stored.path} takes {model.max_length} positions, samples have up to "
                f"{data.longest}; choose another teacher or lower model.block_size"
            )
    return Teachers(models, share)
