"""The report of a folder of runs, as a stage."""

from __future__ import annotations

import logging
from pathlib import Path

from whence.errors import MissingInput
from whence.reporting.report import summarise
from whence.reporting.results import find_results
from whence.run import Run

log = logging.getLogger(__name__)


def report(run: Run) -> None:
    """Print the table of all finished runs in a folder and write it as Markdown and PNG."""
    folder = Path(run.config.report.runs)
    if not folder.is_dir():
        raise MissingInput(f"report.runs: there is no folder {folder}")
    found = summarise(find_results(folder))
    if not found.rows:
        raise MissingInput(f"report.runs: no run in {folder} has a dev accuracy yet; finetune one: python train.py")
    found.print(f"Runs in {folder}")
    for path in found.write(Path(run.config.report.into)):
        log.info("%s", path)
