"""Whence against the textbook loop, side by side in one process: `python -m benchmarks.run [--quick]`.

Same model, documents, dropout and batch size; the two take turns, after a warm-up, and what is printed is the ratio of
their speeds with its spread over the rounds. `--data FOLDER` takes the course's corpus in place of the built-in one.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.ours import Ours, answer_all
from benchmarks.textbook import Textbook
from whence import build
from whence.config.compose import compose
from whence.models.course import to_course
from whence.origin import git_state, versions
from whence.reporting.tables import show
from whence.training.devices import describe_device, pick_device, pick_precision

Side = Callable[[], float]
Way = tuple[str, str]  # a choice of conf/trainer, a precision
Sides = tuple[Side, dict[Way, Side]]  # the textbook's, and ours
OTHERS = ("answers/s", "first steps a minute")
HEADINGS = ("design", "what", "trainer", "precision", "textbook", "whence", "times better", "over the rounds")


@dataclass(frozen=True)
class Sizes:
    """How much is done in a round: training steps, samples a step, and questions put to the textbook's loop."""

    steps: int
    batch: int
    questions: int


def trainings(kind: str, folder: Path, into: Path, ways: Sequence[Way], sizes: Sizes) -> dict[str, Sides]:
    """Samples a second in both stages."""
    theirs, ours = Textbook(kind, folder), {way: Ours(kind, folder, into, *way) for way in ways}

    def sides(stage: str) -> Sides:
        return (
            lambda: theirs.train(sizes.steps, sizes.batch, corrupted=stage == "pretrain"),
            {way: partial(one.speed, sizes.steps, sizes.batch, stage=stage) for way, one in ours.items()},
        )

    return {"pretraining, documents/s": sides("pretrain"), "finetuning, questions/s": sides("finetune")}


def others(kind: str, folder: Path, into: Path, sizes: Sizes, *, quick: bool) -> dict[str, Sides]:
    """What does not depend on how it was trained: answers, and unless it must be quick the first step."""
    way = ("auto", "32-true")
    ours, asked = Ours(kind, folder, into, *way), Textbook(kind, folder)
    model, questions, data, spec = ours.asked()
    asked.model.load_state_dict(to_course(model.state_dict(), spec))

    def their_answers(count: int = sizes.questions) -> float:
        few = questions[:count]
        said, speed = asked.answer([row.text for row in few])
        assert said == answer_all(model, few, data)[0], f"{kind}: the two give other answers"
        return speed

    if not quick:
        their_answers(len(questions))  # a minute, once: that all of them are alike
    found: dict[str, Sides] = {OTHERS[0]: (their_answers, {way: lambda: answer_all(model, questions, data)[1]})}
    if not quick:
        found[OTHERS[1]] = (
            lambda: 60 / Textbook.first_step(kind, folder, sizes.batch),
            {way: lambda: 60 / ours.first_step(sizes.batch)},
        )
    return found


def measure(sides: Sides, rounds: int) -> list[dict[str, Any]]:
    """The textbook and each of our ways in turn, `rounds` times after a warm-up; a row for each way."""
    theirs, ours = sides
    for side in (theirs, *ours.values()):
        side()
    found = [(theirs(), {way: side() for way, side in ours.items()}) for _ in range(rounds)]
    rows = []
    for way in ours:
        ratios = [own[way] / textbook for textbook, own in found]
        rows.append(
            {"trainer": way[0], "precision": way[1]}
            | {"textbook": statistics.median(textbook for textbook, _ in found)}
            | {"whence": statistics.median(own[way] for _, own in found)}
            | {"ratio": statistics.median(ratios), "ratios": ratios}
        )
    return rows


def peak_memory(kind: str, folder: Path, batch: int) -> dict[str, Any]:
    """Megabytes at most of a process of its own that trains; Linux tells it.

    The textbook's steps are all alike, so that two do; ours takes two hundred, since products of new shapes are kept.
    """
    found = []
    for side in ("textbook", "ours"):
        call = [sys.executable, "-m", f"benchmarks.{side}", kind, str(folder), str(batch)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        found.append(int(done.stdout.split()[-1]) / 1024)
    return {"textbook": found[0], "whence": found[1], "ratio": found[0] / found[1], "ratios": [found[0] / found[1]]}


def world_folder(into: Path | str, **size: int) -> Path:
    """The folder of a built-in corpus."""
    words = [f"run_root={into}", *(f"data.{key}={value}" for key, value in size.items())]
    folder: Path = build.build(compose(words).data, path="data").documents.parent
    return folder


def growth(into: Path, batch: int, steps: int) -> list[dict[str, Any]]:
    """Documents a second on 1, 4 and 16 times the corpus, and the seconds to the first step."""
    found = []
    for times in (1, 4, 16):
        ours = Ours("vanilla", world_folder(into, people=490 * times, biographies=6), into, "auto", "auto")
        seconds = ours.first_step(batch)
        speed = ours.train(steps, batch, stage="pretrain")["samples_per_second"]
        found.append({"documents": 2940 * times, "documents_per_second": speed, "seconds_to_first_step": seconds})
    return found


def chart(rows: Sequence[dict[str, Any]]) -> Figure:
    """How many times better, a bar a row, on a logarithmic scale."""
    figure = Figure(figsize=(8, 0.32 * len(rows) + 1.2), layout="constrained")
    axis = figure.subplots()
    names = [f"{row['design']}: {row['what']} ({row['trainer']}, {row['precision']})" for row in rows]
    axis.barh(range(len(rows)), [row["ratio"] for row in rows], color="#4c72b0")
    axis.set_yticks(range(len(rows)), [f"{n}   {r['ratio']:.1f}" for n, r in zip(names, rows, strict=True)], fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.axvline(1, color="#222222", linewidth=1)
    axis.set_xlabel("times the textbook loop")
    return figure


def _cells(row: dict[str, Any]) -> list[str]:
    spread = f"{min(row['ratios']):.1f} to {max(row['ratios']):.1f}"
    figures = (f"{row['textbook']:,.1f}", f"{row['whence']:,.1f}", f"{row['ratio']:.1f}", spread)
    return [row["design"], row["what"], row["trainer"], row["precision"], *figures]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one design, small batches, speeds alone: under a minute")
    parser.add_argument("--data", type=Path, help="folder with the course's corpus; the built-in one if left out")
    parser.add_argument("--variants", nargs="+", default=["vanilla", "synthesizer", "rope", "perceiver"])
    parser.add_argument("--precision", nargs="+", default=["auto"], help="auto: as a run picks it")
    parser.add_argument("--trainers", nargs="+", default=["auto", "fast"], help="fast: compiled, which --quick is not")
    parser.add_argument("--only", default="", help="a part of the rows' names, such as pretraining")
    parser.add_argument("--steps", type=int, help="of training, in a round: 4, or 3 if quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, help="samples a step: 128, or 16 if quick")
    parser.add_argument("--into", type=Path, default=Path("outputs/benchmarks"))
    chosen = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    usual = Sizes(3, 16, 2) if chosen.quick else Sizes(4, 128, 8)
    sizes = replace(usual, steps=chosen.steps or usual.steps, batch=chosen.batch or usual.batch)
    variants, rounds = chosen.variants, chosen.rounds
    if chosen.quick:
        variants, rounds, chosen.trainers = variants[:1], 1, ["auto"]
    rows = []
    with tempfile.TemporaryDirectory() as into:
        # As large as the course's; quick ones ask fewer questions.
        folder = chosen.data or world_folder(into, people=3000, biographies=1, dev=5 if chosen.quick else 17)
        for kind in variants:
            picked = [pick_precision({"precision": named, "accelerator": "cpu"}) for named in chosen.precision]
            found = trainings(kind, folder, Path(into), list(product(chosen.trainers, picked)), sizes)
            if any(chosen.only in what for what in OTHERS):
                found |= others(kind, folder, Path(into), sizes, quick=chosen.quick)
            for what, sides in found.items():
                if chosen.only in what:
                    rows += [{"design": kind, "what": what} | row for row in measure(sides, rounds)]
        grown = []
        if not (chosen.quick or chosen.only):
            auto = pick_precision({"precision": "auto", "accelerator": "cpu"})
            labels = {"design": variants[0], "what": "peak memory, MB", "trainer": "auto", "precision": auto}
            rows.append(labels | peak_memory(variants[0], folder, sizes.batch))
            grown = growth(Path(into), sizes.batch, sizes.steps)
    show("Side by side", HEADINGS, [_cells(row) for row in rows], right_from=3)
    for row in grown:
        print(
            f"{row['documents']:,} documents: {row['documents_per_second']:.1f} documents/s, first step after "
            f"{row['seconds_to_first_step']:.1f} s"
        )
    chosen.into.mkdir(parents=True, exist_ok=True)
    chart(rows).savefig(chosen.into / "benchmark.png", dpi=110)
    about = {"device": describe_device(pick_device("cpu")), "versions": versions(), "git": git_state()}
    about |= {
        "command": ["python", "-m", "benchmarks.run", *(arguments or sys.argv[1:])],
        "rows": rows,
        "growth": grown,
    }
    (chosen.into / "benchmark.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(f"{chosen.into}/benchmark.json, {chosen.into}/benchmark.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
