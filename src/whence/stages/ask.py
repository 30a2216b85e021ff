"""Asking a finetuned model: the dev questions, the test questions, or what a user types."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from whence.data.corpus import Question, fingerprint
from whence.data.modules import BirthPlaceData
from whence.errors import DataError
from whence.evaluation.decoding import Answer
from whence.reporting.results import RESULT, read_result
from whence.run import Run
from whence.stages.answers import answer, keep_answers, score, tell_score
from whence.stages.common import build_model, inputs, load_data
from whence.stages.finding import initial_model
from whence.training.checkpoints import StoredModel, weights_digest
from whence.training.devices import pick_device
from whence.vocab import describe

log = logging.getLogger(__name__)


def evaluate(run: Run) -> dict[str, Any]:
    """Score the answers to the dev questions, or to a file of one's own with answers."""
    return _answer_all(run, scored=True)


def predict(run: Run) -> dict[str, Any]:
    """Answer the test questions, or a file of one's own; no answers are needed."""
    return _answer_all(run, scored=False)


def ask(run: Run) -> None:
    """Answer one question, or each line typed until an empty one."""
    data, stored = _model_and_data(run)
    model = build_model(run, data, stored)
    device = pick_device(run.config.trainer.accelerator)
    typed = [run.config.question] if run.config.question is not None else _typed()
    for text in typed:
        if unknown := data.vocab.unknown(text):
            problem = f"characters that the model has never seen: {describe(unknown)}"
        elif len(text) + 1 > model.max_length:
            problem = f"{len(text)} characters are more than the model reads ({model.max_length - 1})"
        else:
            said = answer(model, [Question(text, None, 1)], data, device)[0]
            unsure = "I do not know; at best: " if said.probability < run.config.abstain_below else ""
            print(f"{unsure}{said.text}   ({100 * said.probability:.1f}% sure)", flush=True)
            continue
        if run.config.question is not None:
            raise DataError(f"question: {problem}")
        print(problem, file=sys.stderr)


def _typed() -> Any:
    if sys.stdin.isatty():
        print('Ask "Where was NAME born?"; an empty line ends.', file=sys.stderr)
    for line in sys.stdin:
        if not line.strip():
            return
        yield line.rstrip("\n")


def _model_and_data(run: Run) -> tuple[BirthPlaceData, StoredModel | None]:
    data = load_data(run)
    assert isinstance(data, BirthPlaceData)
    return data, initial_model(run, data)


def _answer_all(run: Run, *, scored: bool) -> dict[str, Any]:
    data, stored = _model_and_data(run)
    path = Path(run.config.questions) if run.config.questions else data.corpus.dev if scored else data.corpus.test
    key = "questions" if run.config.questions else data.corpus.key
    questions = data.questions(path, inputs_only=not scored, key=key)
    made_from = inputs(data, stored, "train") | {"dev" if scored else "questions": fingerprint(path)}
    if result := run.finished(made_from):
        return result
    model = build_model(run, data, stored)
    with run.opened(made_from):
        started = time.monotonic()
        answers = answer(model, questions, data, pick_device(run.config.trainer.accelerator))
        seconds = time.monotonic() - started
        result = {
            "model": run.plain["model"],
            "parameters": model.parameter_count(),
            "inputs": made_from,
            "weights": weights_digest(model.state_dict()),
            "pretrained": _was_pretrained(stored),
            "source": str(stored.run) if stored else None,
            "questions": len(questions),
            "seconds": round(seconds, 2),
            "samples_per_second": round(len(questions) / seconds, 2),
        }
        if scored:
            result |= score(questions, answers, data.train)
        else:
            answers, result["abstained"] = _certain(answers, run.config.abstain_below)
        if run.is_main_process:
            keep_answers(run, model, data, questions, answers, stored.step if stored else 0)
            if scored:
                tell_score(result, questions, answers)
            if result.get("abstained"):
                log.info("left unanswered: %d of %d", result["abstained"], len(questions))
            log.info("predictions: %s", run.folder / "predictions.txt")
        return run.write_result(**result)


def _certain(answers: list[Answer], least: float) -> tuple[list[Answer], int]:
    """The answers, those less probable than `least` left empty, and how many these are."""
    kept = [a if a.probability >= least else replace(a, text="") for a in answers]
    return kept, sum(a.probability < least for a in answers)


def _was_pretrained(stored: StoredModel | None) -> bool:
    """What the evaluated run's own result says of it; a bare checkpoint file is taken as it comes."""
    if stored is None or not (stored.run / RESULT).is_file():
        return stored is not None
    return bool(read_result(stored.run).get("pretrained", True))
