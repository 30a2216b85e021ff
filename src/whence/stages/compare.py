"""Whether one run answers more than another, or only happened to."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from whence.errors import ConfigError
from whence.reporting.pairs import PAIR_HEADINGS, Pair, pairs, read_answers, voted
from whence.reporting.report import labels
from whence.reporting.tables import markdown, show
from whence.run import Run
from whence.stages.common import into
from whence.stages.finding import find_run
from whence.storage import write_atomically

log = logging.getLogger(__name__)


def compare(run: Run) -> None:
    """Compare every pair of the given runs, the seeds of one design together, and write compare.md."""
    folder = into(run)
    if len(run.config.runs) < 2:
        raise ConfigError(
            f"runs: expected two runs or more, got {len(run.config.runs)}; name them: runs=[vanilla-seed0,rope-seed0]"
        )
    results = [find_run(run, wanted, key="runs") for wanted in run.config.runs]
    for wanted, result in zip(run.config.runs, results, strict=True):
        if [r["weights"] for r in results].count(result["weights"]) > 1:
            raise ConfigError(f"runs: {wanted} stands there twice, or holds the same model as another one")
    designs = [read_answers(label, folders) for label, folders in _designs(results).items()]
    found = pairs(designs)
    together = []
    if len(results) > 2:
        score = voted(designs)
        low, high = (100 * end for end in score.interval)
        together.append(
            f"A vote of all {len(results)} runs answers {score.correct} of {score.total} questions, "
            f"{100 * score.accuracy:.1f}% (95% interval {low:.1f} to {high:.1f})."
        )
    show("Compared on the same questions", PAIR_HEADINGS, [pair.cells() for pair in found])
    for line in [*(pair.says for pair in found), *together]:
        log.info("%s", line)
    path = folder / "compare.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _page(found, together).encode())
    log.info("%s", path)


def _designs(results: list[dict[str, Any]]) -> dict[str, list[Path]]:
    """The runs' folders by design; a run is told by its folder where its design and seed stand twice, or all are one
    design's."""
    named = list(zip(labels(results), results, strict=True))
    counts = Counter((label, result["seed"]) for label, result in named)
    single = len({label for label, _ in named}) == 1
    designs: dict[str, list[Path]] = {}
    for label, result in named:
        name = result["folder"] if single or counts[label, result["seed"]] > 1 else label
        designs.setdefault(name, []).append(Path(result["folder"]))
    return designs


def _page(found: list[Pair], together: list[str]) -> str:
    lines = ["# Compared on the same questions", "", *markdown(PAIR_HEADINGS, [pair.cells() for pair in found]), ""]
    lines += [
        "Points are of accuracy; of single runs p is exact McNemar's and the last column counts the questions that "
        "only the first, and only the second, answered. Intervals: bootstrap over questions, Student's t over seeds.",
        "",
    ]
    lines += [line for said in together for line in (f"**{said}**", "")]
    for pair in found:
        lines += [f"**{pair.says}**", ""]
        if examples := pair.examples():
            headings = ("question", "gold", pair.first.label, pair.second.label)
            lines += [*markdown(headings, examples), ""]
    return "\n".join(lines)
