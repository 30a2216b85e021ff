"""Did it remember, or make it up? A page about one run's answers, or about two runs side by side."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from whence import build
from whence.data.corpus import Question
from whence.data.modules import BirthPlaceData
from whence.data.people import by_name, invented_names, withheld_names
from whence.errors import ConfigError, DataError, MissingInput
from whence.evaluation.strangers import Strangers
from whence.reporting import analysis, strangers
from whence.reporting.page import write_page
from whence.reporting.report import labels
from whence.reporting.results import PREDICTIONS, read_predictions
from whence.reporting.tables import show
from whence.run import Run
from whence.stages.answers import answer
from whence.stages.common import load_data
from whence.stages.finding import find_model, find_run
from whence.training.devices import pick_device
from whence.training.weights import read_weights

log = logging.getLogger(__name__)

_SIDE = 20  # first and last names of invented people


def analyse(run: Run) -> None:
    """Write analysis.md with its figures and a dashboard for the run that `run` names, and print its tables.

    Raises ConfigError, MissingInput, or DataError when the run was made from another corpus than the configured one.
    """
    if run.config.run is None:
        raise ConfigError("run: expected the run to analyse, got nothing; name one: run=outputs/finetune/vanilla-seed0")
    data = load_data(run)
    assert isinstance(data, BirthPlaceData)
    places = Counter(row.answer or "" for row in data.train)
    known = analysis.Known(by_name(data.documents), places, withheld_names(data.corpus))
    results = [find_run(run, run.config.run, key="run")]
    if run.config.against is not None:
        results.append(find_run(run, run.config.against, key="against"))
    names = labels(results)
    if len(set(names)) < len(names):  # two seeds of one design
        names = [f"{name} ({Path(result['folder']).name})" for name, result in zip(names, results, strict=True)]
    asked = [_asked(name, result, data, known) for name, result in zip(names, results, strict=True)]
    sections = [analysis.where_from(asked), analysis.confidence(asked), analysis.where_lost(asked)]
    if (found := _strangers(run, results[0], data, known)) is not None:
        sections.append(strangers.invented(found, known))
    if known.withheld:
        sections.append(strangers.withheld(asked[0]))
    if len(asked) == 2:
        sections.append(analysis.what_changed(asked[1], asked[0]))
    for section in sections:
        show(section.title, section.headings, section.rows)
        for says in section.says:
            log.info("%s", says)
    folder = Path(run.config.into) if run.config.into else Path(results[0]["folder"]) / "analysis"
    introduction = f"{' against '.join(result['folder'] for result in results)}, on {data.corpus.dev}."
    log.info("%s", write_page(folder, "analysis", "Did it remember, or make it up?", introduction, sections))


def _asked(label: str, result: dict[str, Any], data: BirthPlaceData, known: analysis.Known) -> analysis.Asked:
    folder = result["folder"]
    if result["inputs"]["dev"] != data.corpus.fingerprint("dev"):
        raise DataError(
            f"{folder} answered other questions than {data.corpus.dev} holds; name the data it was made from: "
            f"data={result['data']}, and evaluate it without questions="
        )
    for name in ("documents", "train"):
        if result["inputs"].get(name) != data.corpus.fingerprint(name):
            raise DataError(
                f"{folder} was made from another {name} file than {getattr(data.corpus, name)}; name the data it was "
                f"made from: data={result['data']}, and its data.withheld"
            )
    predictions = read_predictions(Path(folder))
    if [(p.question, p.gold) for p in predictions] != [(row.text, row.answer) for row in data.dev]:
        raise DataError(f"{folder}/{PREDICTIONS}: not the questions of {data.corpus.dev}; do the run again: rerun=true")
    return analysis.Asked(label, predictions, known)


def _strangers(run: Run, result: dict[str, Any], data: BirthPlaceData, known: analysis.Known) -> Strangers | None:
    """The run's model asked about people who do not exist; None where the names allow no such people, or the model is
    there no more."""
    grid = invented_names(known.documents, side=_SIDE, seed=run.config.seed)
    if not grid:
        log.warning("the documents have no first and last names to invent people from; that part is left out")
        return None
    source = result["folder"] if result["stage"] == "finetune" else result["source"]
    try:
        stored = read_weights(find_model(run, str(source), key="run"), spec=result["model"], vocab=data.vocab)
    except (MissingInput, DataError) as error:
        log.warning("people it never saw are left out: %s", error)
        return None
    if stored.digest != result["weights"]:
        log.warning("people it never saw are left out: %s holds another model than answered the questions", source)
        return None
    model = build.build_model(stored.spec, vocab_size=len(stored.vocab))
    model.load_state_dict(stored.weights)
    questions = [Question(f"Where was {name} born?", None, 1) for row in grid for name in row]
    said = answer(model, questions, data, pick_device(run.config.trainer.accelerator))
    shape = (len(grid), len(grid[0]))
    return Strangers(
        np.array([a.text for a in said], dtype=object).reshape(shape),
        np.array([a.probability for a in said]).reshape(shape),
    )
