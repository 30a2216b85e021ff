"""The figures of a run as a table, for whoever reads them by something else than TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only


class CsvLogger(CSVLogger):
    """`save_dir`/csv/metrics.csv, which a resumed run goes on with; Lightning's begins it anew."""

    def __init__(self, *, save_dir: str) -> None:
        super().__init__(save_dir=save_dir, name="", version="csv")

    @rank_zero_only
    def begin(self, *, first_step: int) -> None:
        """Keep what was logged before `first_step`; the rest is logged again."""
        path = Path(self.log_dir) / "metrics.csv"
        kept = []
        if first_step and path.is_file():
            with path.open(encoding="utf-8", newline="") as lines:
                kept = [row for row in csv.DictReader(lines) if int(row["step"]) < first_step]
        self.experiment.metrics[:0] = [{key: text for key, text in row.items() if text} for row in kept]
        self.save()
