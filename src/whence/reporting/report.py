"""One table for a folder of runs: each design's mean over seeds with a 95% interval, what it cost, what it beats."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from whence.errors import DataError, MissingInput
from whence.evaluation.exact_match import Score
from whence.reporting.figures import accuracy_bars
from whence.reporting.pairs import pairs, read_answers
from whence.reporting.tables import markdown, show
from whence.storage import write_atomically

log = logging.getLogger(__name__)

_WORD = 32  # characters of a setting in a label


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
    folders: tuple[Path, ...]

    @property
    def title(self) -> str:
        return _title(self.label, self.pretrained)

    @property
    def mean(self) -> float:
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the mean: Student's t over seeds; Wilson's over the questions where seeds do not differ."""
        if (
            len(set(self.accuracies)) == 1
        ):  # one seed, or a few that agree by chance: their questions still are a sample
            return Score(round(self.mean * self.questions), self.questions).interval
        count = len(self.accuracies)
        variance = sum((a - self.mean) ** 2 for a in self.accuracies) / (count - 1)
        reach = float(stdtrit(count - 1, 0.975)) * math.sqrt(variance / count)
        return max(0.0, self.mean - reach), min(1.0, self.mean + reach)


@dataclass(frozen=True)
class Report:
    """Rows of models and the baselines of their data, by data set."""

    rows: list[Row]
    baselines: dict[str, dict[str, float]]

    @cached_property
    def differences(self) -> list[str]:
        """What can be said of each design and the next better one on the same data, in words."""
        said = []
        for worse, better in pairwise(self.rows):
            if worse.data != better.data:
                continue
            try:
                (pair,) = pairs([read_answers(row.title, row.folders) for row in (better, worse)])
            except (MissingInput, DataError) as error:
                log.warning("not compared: %s", error)
                continue
            said.append(pair.says)
        return said

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
        lines = [*markdown(HEADINGS, self.cells(), right_from=3), "", FOOTNOTE, ""]
        if self.differences:
            lines += ["## Is the difference real?", "", *(f"- {says}" for says in self.differences), ""]
        return "\n".join(lines)

    def print(self, title: str) -> None:
        show(title, HEADINGS, self.cells(), right_from=3)
        for says in self.differences:
            print(says)

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
    "questions where seeds do not differ. Samples/s: finetuning, mean over seeds."
)


def summarise(results: Sequence[dict[str, Any]]) -> Report:
    """The report of all results that have a dev accuracy.

    A model that was finetuned and evaluated again, or whose run was copied, counts once: it is known by its weights.
    Of two runs with one seed and the same settings the newer counts. Other questions are another data set.
    """
    scored: dict[tuple[Any, ...], dict[str, Any]] = {}
    for result in results:
        if "dev" in result:
            model = (result["attention"], result["weights"], result["inputs"]["dev"])
            if model not in scored or result["stage"] == "finetune":
                scored[model] = result
    names = _data_names(list(scored.values()))
    common = _common(list(scored.values()))
    groups: dict[tuple[str, str, bool], dict[int, dict[str, Any]]] = {}
    for result in sorted(scored.values(), key=lambda r: r["finished"]):
        label = _design(result, common)
        group = groups.setdefault((names[result["inputs"]["dev"]], label, result["pretrained"]), {})
        if result["seed"] in group:
            log.warning("two runs of %s have seed %d: the newer counts", label, result["seed"])
        group[result["seed"]] = result
    rows = [
        Row(
            label=label,
            pretrained=pretrained,
            data=data,
            parameters=runs[0]["parameters"],
            accuracies=tuple(r["dev"]["accuracy"] for r in runs),
            questions=runs[0]["dev"]["total"],
            folders=tuple(Path(r["folder"]) for r in runs),
            samples_per_second=sum(r["samples_per_second"] for r in runs) / len(runs),
        )
        for (data, label, pretrained), group in groups.items()
        for runs in [list(group.values())]
    ]
    rows.sort(key=lambda row: (row.data, row.pretrained, row.mean))
    baselines: dict[str, dict[str, float]] = {}
    for result in scored.values():
        given = result["baseline"]
        place = given["most_frequent_place"]
        baselines[names[result["inputs"]["dev"]]] = {"always London": given["london"]} | (
            {f"most frequent place ({place})": given["most_frequent"]} if place != "London" else {}
        )
    return Report(rows, baselines)


def labels(results: Sequence[dict[str, Any]]) -> list[str]:
    """The designs of runs, in words; long settings (paths) without their middle where that tells them apart too."""
    common = _common(results)
    whole = [_title(_design(result, common), result["pretrained"]) for result in results]
    short = [" ".join(w if len(w) <= _WORD else f"{w[:14]}...{w[-9:]}" for w in label.split(" ")) for label in whole]
    return short if len(set(short)) == len(set(whole)) else whole


def _common(results: Sequence[dict[str, Any]]) -> set[str]:
    """The settings that all runs have: they need no place in any label."""
    return set.intersection(*(set(result["settings"]) for result in results)) if results else set()


def _design(result: dict[str, Any], common: set[str]) -> str:
    return " ".join([result["attention"], *(s for s in result["settings"] if s not in common)])


def _title(label: str, pretrained: bool) -> str:
    return label if pretrained else f"{label} without pretraining"


def _data_names(results: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A name for each set of dev questions, by its SHA-256: the data set's, with a mark where several share it."""
    names = {result["inputs"]["dev"]: result["data"] for result in results}
    shared = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {dev: f"{name} {dev[:4]}" if name in shared else name for dev, name in names.items()}
