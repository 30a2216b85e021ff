"""What a multirun leaves behind: one note a job, and the table at the end, whether jobs failed or not."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from whence.origin import SWEEP_BEGAN

log = logging.getLogger(__name__)

NOTE = "job.json"
_current: list[Path] = []  # the folder of the multirun in progress in this process


class RememberSweep(Callback):
    """Tells `finish` where the sweep is, since Hydra calls nothing at the end of a sweep in which a job failed, and its
    jobs when it began."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        _current[:] = [Path(config.hydra.sweep.dir)]
        os.environ[SWEEP_BEGAN] = str(time.time())


def note_job(folder: Path, *, state: str, overrides: list[str], error: str = "", runs: list[str] | None = None) -> None:
    """Write what became of one job into its folder of the sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    note = {"state": state, "overrides": overrides, "error": error, "runs": runs or []}
    (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def finish(again: str) -> int:
    """Print the table of the sweep and name its failures. Returns the exit code.

    again: what to give once more for the jobs that failed.
    """
    from whence.reporting.report import summarise
    from whence.reporting.results import read_result

    if not _current:
        return 0
    folder = _current[0]
    notes = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob(f"*/{NOTE}"), key=_number)]
    failed = [note for note in notes if note["state"] != "completed"]
    try:
        report = summarise([read_result(Path(run)) for note in notes for run in note["runs"]])
        if report.rows:
            report.print(f"Sweep of {len(notes)} jobs")
            for path in report.write(folder):
                log.info("%s", path)
    finally:  # a table that cannot be made must not hide them
        for note in failed:
            log.error("failed: %s: %s", " ".join(note["overrides"]), note["error"])
        if failed:
            log.info("%d of %d jobs failed; %s does only what is missing", len(failed), len(notes), again)
    return 1 if failed else 0


def _number(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name) if name.isdigit() else 0, name)
