"""One table for a folder of runs: each design's mean over seeds with a 95% interval, what it cost, what it beats."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from scipy.special import stdtrit
from scipy.stats import binomtest

from whence.reporting.figures import accuracy_bars
from whence.storage import write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One design: `label` tells it from others, `accuracies` holds one value a seed."""

    label: str
    pretrained: bool
    data: str
    parameters: int
    accuracies: tuple[float, ...]
    questions: int
    samples_per_second: float

    @property
    def title(self) -> str:
        return f"{self.label}, {'pretrained' if self.pretrained else 'no pretraining'}"

    @property
    def mean(self) -> float:
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the mean: Student's t over seeds; for a single run Wilson's over its questions."""
        count = len(self.accuracies)
        if count == 1:
            correct = round(self.mean * self.questions)
            found = binomtest(correct, self.questions).proportion_ci(0.95, method="wilson")
            return float(found.low), float(found.high)
        spread = math.sqrt(sum((a - self.mean) ** 2 for a in self.accuracies) / (count - 1) / count)
        reach = float(stdtrit(count - 1, 0.975)) * spread
        return max(0.0, self.mean - reach), min(1.0, self.mean + reach)


@dataclass(frozen=True)
class Report:
    """Rows of models and the baselines of their data, by data set."""

    rows: list[Row]
    baselines: dict[str, dict[str, float]]

    def cells(self) -> list[list[str]]:
        """The table's lines, baselines first, as text."""
        lines = []
        for data in sorted({row.data for row in self.rows}):
            for name, share in self.baselines[data].items():
                lines.append([name, "", data, "", f"{100 * share:.1f}%", "", "", ""])
            for row in (r for r in self.rows if r.data == data):
                low, high = row.interval
                lines.append(
                    [
                        row.label,
                        "yes" if row.pretrained else "no",
                        data,
                        str(len(row.accuracies)),
                        f"{100 * row.mean:.1f}%",
                        f"{100 * low:.1f} to {100 * high:.1f}",
                        f"{row.parameters:,}",
                        f"{row.samples_per_second:,.0f}",
                    ]
                )
        return lines

    def markdown(self) -> str:
        lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---|---|--:|--:|--:|--:|--:|"]
        lines += ["| " + " | ".join(cells) + " |" for cells in self.cells()]
        return "\n".join(lines) + f"\n\n{FOOTNOTE}\n"

    def print(self, title: str) -> None:
        table = Table(title=title, title_justify="left")
        for number, heading in enumerate(HEADINGS):
            table.add_column(heading, justify="left" if number < 3 else "right")
        for cells in self.cells():
            table.add_row(*cells)
        Console(width=None if Console().is_terminal else 120).print(table)

    def write(self, folder: Path) -> list[Path]:
        """report.md and report.png in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        several = len(self.baselines) > 1
        bars = [
            (
                f"{r.label}{f' ({r.data})' if several else ''}{'' if r.pretrained else ', no pretraining'}",
                r.mean,
                *r.interval,
            )
            for r in self.rows
        ]
        lines = {} if several else next(iter(self.baselines.values()))
        picture = io.BytesIO()
        accuracy_bars(bars, lines).savefig(picture, format="png", dpi=120)
        paths = [folder / "report.md", folder / "report.png"]
        write_atomically(paths[0], self.markdown().encode())
        write_atomically(paths[1], picture.getvalue())
        return paths


HEADINGS = ("model", "pretrained", "data", "seeds", "dev accuracy", "95% interval", "parameters", "samples/s")
FOOTNOTE = (
    "Dev accuracy is exact match, the mean over seeds. Intervals: Student's t over seeds, or Wilson's over the "
    "questions where there is one seed. Samples/s: finetuning, mean over seeds."
)


def summarise(results: Sequence[dict[str, Any]]) -> Report:
    """The report of all results that have a dev accuracy; a finetuned model evaluated again counts once."""
    scored: dict[str, dict[str, Any]] = {}
    for result in results:
        if "dev" in result:
            model = result["source"] if result["stage"] == "evaluate" else result["folder"]
            if model not in scored or result["stage"] == "finetune":
                scored[model] = result
    several = len({tuple(result["settings"]) for result in scored.values()}) > 1
    groups: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for result in scored.values():
        # What all runs have in common needs no place in every row.
        label = " ".join([result["attention"], *(result["settings"] if several else ())])
        groups.setdefault((result["data"], label, result["pretrained"]), []).append(result)
    rows = [
        Row(
            label=label,
            pretrained=pretrained,
            data=data,
            parameters=group[0]["parameters"],
            accuracies=tuple(r["dev"]["accuracy"] for r in group),
            questions=group[0]["dev"]["total"],
            samples_per_second=sum(r["samples_per_second"] for r in group) / len(group),
        )
        for (data, label, pretrained), group in groups.items()
    ]
    rows.sort(key=lambda row: (row.data, row.pretrained, row.mean))
    baselines: dict[str, dict[str, float]] = {}
    for result in scored.values():
        given = result["baseline"]
        place = given["most_frequent_place"]
        baselines[result["data"]] = {"always London": given["london"]} | (
            {f"most frequent place ({place})": given["most_frequent"]} if place != "London" else {}
        )
    return Report(rows, baselines)
