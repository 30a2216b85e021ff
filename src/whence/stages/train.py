"""Pretraining and finetuning: one loop, Lightning's; what differs between them is their configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import SLURMEnvironment

from whence import build
from whence.data.batches import Batch, collate
from whence.data.modules import CorpusData
from whence.data.questions import encode_row
from whence.errors import ConfigError
from whence.evaluation.exact_match import Score, teacher_forced_matches
from whence.models.gpt import GPT
from whence.reporting.csv_log import CsvLogger
from whence.reporting.tensorboard import METRICS, RunLogger
from whence.run import Run
from whence.stages.answers import answer, keep_answers, score, spell, tell_score
from whence.stages.common import build_model, inputs, load_data
from whence.stages.finding import initial_model
from whence.stages.teaching import build_teachers, find_teachers
from whence.training.callbacks import Checkpoints, Monitor, handlers_kept
from whence.training.checkpoints import (
    AtomicCheckpointIO,
    StoredModel,
    newest_checkpoint,
    read_checkpoint,
    weights_digest,
)
from whence.training.devices import pick_compile, pick_device, pick_precision
from whence.training.module import LanguageModel, sample_losses
from whence.training.optimizers import only
from whence.training.progress import ProgressReport

log = logging.getLogger(__name__)

_LOOKS = 10  # at the held-out loss, in a run


def train(run: Run) -> dict[str, Any]:
    """Train to the end, from where the last call stopped; a finished run is reported and not repeated."""
    data = load_data(run)
    stored = initial_model(run, data)
    taught_by = find_teachers(run, data)
    made_from = inputs(data, stored, *data.rows) | {f"teacher {n}": t.digest for n, t in enumerate(taught_by, 1)}
    if result := run.finished(made_from):
        return result
    model = build_model(run, data, stored)
    training = run.plain["training"]
    scratch = "epochs_from_scratch" if stored is None and "epochs_from_scratch" in training else "epochs"
    steps = training[scratch] * data.steps_per_epoch
    steps = min(steps, run.config.trainer.max_steps or steps)
    module = _module(run, data, model, steps, pretrained=stored is not None, taught_by=taught_by)
    with run.opened(made_from):
        if result := run.finished(made_from):  # another job of the sweep has done it meanwhile
            return result
        log.info(
            "%s: %s parameters, %d steps of %d samples, %s%s -> %s",
            run.config.stage.name, f"{model.parameter_count():,}", steps, training["batch_size"],
            run.config.model.name, ", compiled" if module.compiled else "", run.folder,
        )  # fmt: skip
        figures = fit(run, data, module, steps)
        result = {
            "model": run.plain["model"],
            "parameters": model.parameter_count(),
            "inputs": made_from,
            "weights": weights_digest(model.state_dict()),
            "pretrained": stored is not None,
            "source": str(stored.run) if stored else None,
            "steps": steps,
            "compiled": module.compiled,
        } | figures
        if data.dev:
            result |= ask_dev(run, data, model, steps)
        return run.write_result(**result)


def ask_dev(run: Run, data: CorpusData, model: GPT, step: int) -> dict[str, Any]:
    """Answer the dev questions, write the predictions and show them on the dashboard."""
    device = pick_device(run.config.trainer.accelerator)
    answers = answer(model, data.dev, data, device)
    result = score(data.dev, answers, data.train)
    if data.carved:
        found = score(data.carved, answer(model, data.carved, data, device), data.train)["dev"]
        log.info("held-out training rows: %s", spell(Score(found["correct"], found["total"])))
        result["held_out"] = found
    if run.is_main_process:
        tell_score(result, data.dev, answers)
        keep_answers(run, model, data, data.dev, answers, step)
    return result


def fit(run: Run, data: CorpusData, module: LanguageModel, steps: int) -> dict[str, Any]:
    """Run the training loop from the newest checkpoint of the run's directory, if there is one.

    Returns what result.json says of it: seconds, samples per second, the last losses.
    """
    resume = None if run.afresh else newest_checkpoint(run.checkpoints)
    first_step = int(read_checkpoint(resume)["global_step"]) if resume else 0
    if resume:
        log.info("going on from step %d of %d (%s)", first_step, steps, resume)
    progress = ProgressReport(f"{run.config.stage.name} {run.config.model.name}")
    callbacks: list[pl.Callback] = [
        progress,
        Checkpoints(run.checkpoints, every_seconds=run.config.checkpoint.every_seconds),
    ]
    callbacks[:0] = monitors(data, steps)
    options = run.config.trainer
    trainer = pl.Trainer(
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        strategy=options.strategy,
        precision=pick_precision(run.plain["trainer"]),  # type: ignore[arg-type]
        # A GPU would add some sums in another order each time, and a resumed run would have other bits.
        deterministic="warn" if pick_device(options.accelerator).type == "cuda" else None,
        accumulate_grad_batches=options.accumulate_grad_batches,
        max_steps=steps,
        max_epochs=1,  # the plan of a whole run is one of Lightning's epochs (see data/datasets.py)
        logger=loggers(run, module, first_step),
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), *_environment()],
        default_root_dir=run.folder,
        log_every_n_steps=10,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
    )
    data.plan(steps, lambda: trainer.global_step)
    with handlers_kept():
        trainer.fit(module, datamodule=data, ckpt_path=resume)
    assert trainer.global_step == steps, f"{trainer.global_step} steps taken of {steps}"
    return {
        "seconds": round(progress.seconds, 2),
        "samples_per_second": round(progress.samples_per_second, 2),
        "loss": progress.losses,
    }


def monitors(data: CorpusData, steps: int) -> list[pl.Callback]:
    """What is measured while a stage trains: exact match where questions are asked, else the held-out loss."""
    if data.dev:
        asked = dev_batch(data)
        return [Monitor("dev/exact_match", teacher_forced_matches, asked, every_steps=data.steps_per_epoch)]
    if data.held_out is not None:
        return [Monitor("validation/loss", sample_losses, data.held_out, every_steps=max(1, steps // _LOOKS))]
    return []


def loggers(run: Run, module: LanguageModel, first_step: int) -> list[Any]:
    """The configured loggers; the dashboard forgets what was logged after the checkpoint that is resumed."""
    made = [build.build(node, path=f"logger.{name}") for name, node in run.plain["logger"].items()]
    for logger in made:
        if isinstance(logger, RunLogger):
            metrics = METRICS if run.plain["stage"]["init_from_stage"] else ("train/loss",)
            logger.begin(_hyperparameters(run, module), trial=_trial(run), first_step=first_step, metrics=metrics)
        elif isinstance(logger, CsvLogger):
            logger.begin(first_step=first_step)
    return made


def dev_batch(data: CorpusData) -> Batch:
    """All dev questions with their answers as one batch."""
    return collate([(n, encode_row(row, data.vocab)) for n, row in enumerate(data.dev)])


def _module(
    run: Run, data: CorpusData, model: GPT, steps: int, *, pretrained: bool, taught_by: list[StoredModel]
) -> LanguageModel:
    options, training = run.config.trainer, run.plain["training"]
    shards = options.accumulate_grad_batches * options.devices * options.num_nodes
    if data.batch_size < shards:
        raise ConfigError(
            f"a batch of {data.batch_size} cannot be split into {shards} parts (processes times accumulation steps); "
            "raise the recipe's batch_size or lower trainer.accumulate_grad_batches"
        )
    factor = build.build(
        run.plain["schedule"],
        path="schedule",
        rows=len(data.dataset),  # type: ignore[arg-type]
        batch_size=data.batch_size,
        block_size=data.block_size,
        steps=steps,
    )
    only(model, training.get("trains", "all") if pretrained else "all")
    return LanguageModel(
        model=model,
        spec=run.plain["model"],
        vocab=data.vocab,
        seed=run.config.seed,
        optimizer=build.build(run.plain["optimizer"], path="optimizer", model=model),
        factor=factor,
        packed=pick_device(options.accelerator).type == "cpu" if options.packed is None else options.packed,
        compiled=pick_compile(run.plain["trainer"], model.parameter_count() * steps * data.batch_size),
        teachers=build_teachers(taught_by, data, training["taught"]) if taught_by else None,
        where=data.lines,
    )


def _hyperparameters(run: Run, module: LanguageModel) -> dict[str, Any]:
    """The few settings worth a column in the dashboard's table of runs."""
    return {
        "stage": run.config.stage.name,
        "attention": run.config.model.name,
        "data": run.config.data.name,
        "init_from": Path(run.config.init_from).name,
        "parameters": module.model.parameter_count(),
        "lr": run.plain["training"]["lr"],
        "batch_size": run.plain["training"]["batch_size"],
    }


def _trial(run: Run) -> str:
    """One name for all seeds of a run, so that the dashboard averages them."""
    return f"{run.config.stage.name}/{run.folder.name}".replace(f"-seed{run.config.seed}", "", 1)


def _environment() -> list[Any]:
    # Lightning would save from inside the signal handler; our own callback saves between steps.
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
