"""The whole experiment: the stages of `chain` one after the other, then their table."""

from __future__ import annotations

import logging
from typing import Any

from whence.config.naming import STAGE_OPTIONS
from whence.errors import ConfigError
from whence.origin import command, python
from whence.reporting.report import summarise
from whence.run import Run, execute
from whence.stages.teaching import teacher_files

log = logging.getLogger(__name__)


def pipeline(run: Run) -> dict[str, Any]:
    """Do every link of the chain; what is finished is not repeated, what was interrupted goes on."""
    if run.config.init_from != "auto":
        raise ConfigError("init_from: the whole experiment makes its own models; name a stage: stage=finetune")
    if any(word.startswith("run_dir=") for word in run.overrides):
        raise ConfigError("run_dir: the whole experiment has several runs; use run_root=PATH, or name a stage")
    results: list[dict[str, Any]] = []
    own = [word for word in run.overrides if word.split("=")[0] in STAGE_OPTIONS]  # a text's experiment has a prompt
    steps = [run.neighbour(*own, *link) for link in run.plain["chain"]]  # all of them checked before the first begins
    for step in steps:
        teacher_files(step)
    for number, step in enumerate(steps, 1):
        log.info("\n[%d/%d] %s", number, len(steps), command(step.overrides, interpreter=python()))
        if result := execute(step):
            results.append(result)
    if run.is_main_process and not run.sweeping:
        table = summarise(results)
        if table.rows:
            table.print("Closed-book recall: where was X born?")
        _tell_next(run, "stage=ask" if table.rows else "stage=sample")
    return results[-1] | {"runs": [result["folder"] for result in results]}


def _tell_next(run: Run, stage: str) -> None:
    kept = [word for word in run.overrides if word.split("=")[0] not in ("attention", "model/attention", "seed")]
    calls = [[stage, *run.overrides]]
    if run.config.trainer.devices * run.config.trainer.num_nodes == 1:  # a sweep has one device a job
        calls.append(["-m", "attention=vanilla,synthesizer", "seed=0,1,2", *kept])
    told = [*(command(words, interpreter=python()) for words in calls), "make dashboard"]
    log.info("\nNext:\n  %s", "\n  ".join(told))
