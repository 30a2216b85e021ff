"""One run: a checked configuration, its directory, its log, and the result it leaves."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from whence import build
from whence.config.compose import compose
from whence.config.naming import STAGE_OPTIONS, identity, run_directory, settings
from whence.config.validate import validate
from whence.errors import ConfigError, DataError
from whence.logs import log_file, quieten_libraries, start_recording, stop_recording
from whence.origin import SWEEP_BEGAN, command, git_state, global_rank, versions
from whence.reporting.results import RESULT, read_result
from whence.storage import LOCK, exclusive, remove_leftovers, write_atomically, write_json
from whence.training.devices import check_trainer, describe_device, pick_device, pick_precision

log = logging.getLogger(__name__)

CONFIG = "config.yaml"
INPUTS = "inputs.json"
Inputs = dict[str, str]  # SHA-256 of what a run is made from: files of the corpus, initial weights
# Overrides that belong to one run and not to the runs before or after it.
_OWN = ("stage", "init_from", "run_dir", "questions", "abstain_below", *STAGE_OPTIONS)


@dataclass(frozen=True)
class Run:
    """A run about to happen. `plain` is the resolved configuration, `overrides` what was typed."""

    config: DictConfig
    overrides: tuple[str, ...]
    sweeping: bool

    @cached_property
    def plain(self) -> dict[str, Any]:
        return OmegaConf.to_container(self.config, resolve=True)  # type: ignore[return-value]

    @cached_property
    def folder(self) -> Path:
        return Path(self.config.run_dir)

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def is_main_process(self) -> bool:
        return global_rank() == 0

    @property
    def afresh(self) -> bool:
        """Whether to do it again from the start: not what a cluster took away and gives back, nor what another job of
        the same sweep has begun."""
        path, began = self.folder / CONFIG, os.environ.get(SWEEP_BEGAN)
        shared = self.sweeping and began and path.is_file() and path.stat().st_mtime >= float(began)
        return bool(self.config.rerun) and not shared and not int(os.environ.get("SLURM_RESTART_COUNT") or 0)

    def neighbour(self, *overrides: str) -> Run:
        """The run of another stage that the same words on the command line describe."""
        words = self.words(*overrides)
        return prepare(compose(words), words, sweeping=self.sweeping)

    def words(self, *overrides: str) -> list[str]:
        """What to type for it: what was typed for this run and holds for others too, unless it is typed anew."""
        anew = {o.split("=")[0] for o in overrides}
        kept = [o for o in self.overrides if re.split("[.=]", o.lstrip("+~"), maxsplit=1)[0] not in _OWN]
        return [*(o for o in kept if o.split("=")[0] not in anew), *overrides]

    def finished(self, inputs: Inputs) -> dict[str, Any] | None:
        """The result of this very run when it is there already and was not asked for again."""
        if self.afresh or not (self.folder / RESULT).is_file():
            return None
        self._check_same(inputs)
        log.info("finished before: %s (rerun=true does it again)", self.folder)
        return read_result(self.folder)

    @contextlib.contextmanager
    def opened(self, inputs: Inputs) -> Iterator[None]:
        """Hold the run's directory, write configuration and inputs into it, and log there.

        Raises ConfigError when the directory holds anything else than this run, BusyError when another process is at
        work there (in a sweep it is waited for: jobs may share a pretrained run).
        """
        if not self.is_main_process:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_ours()
        with exclusive(self.folder, wait=self.sweeping):
            if self.afresh:
                for path in self.folder.iterdir():
                    if path.name != LOCK:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
            self._check_same(inputs)
            if self.checkpoints.is_dir():
                remove_leftovers(self.checkpoints)
            write_atomically(self.folder / CONFIG, OmegaConf.to_yaml(self.config, resolve=True).encode())
            write_json(self.folder / INPUTS, inputs)
            with log_file(self.folder / "train.log"):
                yield

    def write_result(self, **values: Any) -> dict[str, Any]:
        """Write result.json, which marks the run as finished, and return it."""
        result = {
            "stage": self.config.stage.name,
            "name": self.folder.name,
            "attention": self.config.model.name,
            "seed": self.config.seed,
            "data": self.config.data.name,
            "settings": settings(self.config, compose),
            **values,
            "precision": pick_precision(self.plain["trainer"]),
            "device": describe_device(pick_device(self.config.trainer.accelerator)),
            "versions": versions(),
            "git": git_state(),
            "command": command(self.overrides),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        if self.is_main_process:
            write_json(self.folder / RESULT, result)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # the next stage of every process looks for this file
        return result | {"folder": str(self.folder)}

    def _check_ours(self) -> None:
        """Refuse to write into, let alone to clear, a folder that something else made."""
        names = {path.name for path in self.folder.iterdir()}
        if names - {LOCK} and CONFIG not in names:
            raise ConfigError(
                f"run_dir: {self.folder} holds {len(names)} files that are no run of whence ({min(names)}); "
                "name an empty or a new folder"
            )

    def _check_same(self, inputs: Inputs) -> None:
        """Refuse to mix two runs in one directory, or to go on with other data than a run began with."""
        path = self.folder / CONFIG
        if not path.is_file():
            return
        try:
            there = identity(OmegaConf.load(path))  # type: ignore[arg-type]
            read = json.loads((self.folder / INPUTS).read_text()) if (self.folder / INPUTS).is_file() else inputs
        except (OmegaConfBaseException, OSError, KeyError, ValueError) as error:
            raise DataError(f"{path}: damaged; start the run again with rerun=true") from error
        here = identity(self.config)
        for key in sorted({*there, *here}):
            if there.get(key) != here.get(key):
                raise ConfigError(
                    f"{self.folder} holds a run with {key}={there.get(key)}, this one has {key}={here.get(key)}; "
                    "rerun=true replaces it, run_dir=PATH puts this one elsewhere"
                )
        for name in sorted({*read, *inputs}):
            if read.get(name) != inputs.get(name):
                raise DataError(
                    f"{self.folder} holds a run made from another {name} than there is now; "
                    "rerun=true replaces it, run_dir=PATH puts this one elsewhere"
                )


def prepare(config: DictConfig, overrides: Sequence[str], *, sweeping: bool = False) -> Run:
    """Check a composed configuration and name its run; nothing is written. Raises ConfigError or HardwareError."""
    OmegaConf.set_struct(config, False)
    given = config.run_dir
    config.run_dir = given or "unnamed"  # what refers to it is text while it is checked
    try:
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    validate(plain, build.locate)
    check_trainer(plain["trainer"], sweeping=sweeping)
    config.run_dir = given
    config.run_dir = str(run_directory(config, compose))
    return Run(config, tuple(overrides), sweeping)


def execute(run: Run) -> dict[str, Any]:
    """Do what the run's stage says and return its result, with the run's `folder`; nothing where it leaves none."""
    quieten_libraries()
    if threads := run.config.trainer.threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.enable_cudnn_sdp(False)  # gives NaN gradients in some shapes (pytorch issue 196678)
    start_recording()
    try:
        return build.locate(run.config.stage.action)(run) or {}
    finally:
        stop_recording()
