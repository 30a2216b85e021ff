"""The answers to a list of questions: given, scored, told and kept."""

from __future__ import annotations

import logging
from typing import Any

import torch

from whence.data.corpus import Question
from whence.data.modules import CorpusData
from whence.data.questions import encode_prompt
from whence.evaluation.decoding import Answer, greedy_answers
from whence.evaluation.exact_match import Score, always, exact_match, most_frequent
from whence.models.gpt import GPT
from whence.reporting.results import Prediction, write_predictions
from whence.reporting.tensorboard import RunLogger
from whence.run import Run

log = logging.getLogger(__name__)


def answer(model: GPT, questions: list[Question], data: CorpusData, device: torch.device | str) -> list[Answer]:
    """The model's greedy answers to questions, in their order."""
    model.eval().to(device)
    prompts = [encode_prompt(question.text, data.vocab) for question in questions]
    return greedy_answers(
        model, prompts, vocab=data.vocab, max_length=model.max_length, readers=model.reader, device=device
    )


def score(questions: list[Question], answers: list[Answer], trained: list[Question]) -> dict[str, Any]:
    """Exact match and the baselines, as they stand in result.json."""
    gold = [question.answer or "" for question in questions]
    right = exact_match([a.text for a in answers], gold)
    place = most_frequent([row.answer or "" for row in trained])
    return {
        "dev": {"correct": right.correct, "total": right.total, "accuracy": right.accuracy},
        "baseline": {
            "london": always("London", gold).accuracy,
            "most_frequent": always(place, gold).accuracy,
            "most_frequent_place": place,
        },
    }


def tell_score(result: dict[str, Any], questions: list[Question], answers: list[Answer]) -> None:
    """Exact match, baselines and a few examples, in the log."""
    dev, baseline = result["dev"], result["baseline"]
    log.info("dev accuracy: %s", spell(Score(dev["correct"], dev["total"])))
    constant = {"London": baseline["london"], baseline["most_frequent_place"]: baseline["most_frequent"]}
    for place, share in constant.items():
        log.info("always %s: %s", place, spell(Score(round(share * dev["total"]), dev["total"])))
    for question, said in list(zip(questions, answers, strict=True))[:5]:
        verdict = "right" if said.text == question.answer else f"wrong, {question.answer}"
        log.info("  %s %r (%.0f%% sure; %s)", question.text, said.text, 100 * said.probability, verdict)


def spell(score: Score) -> str:
    return f"{score.correct} of {score.total} = {100 * score.accuracy:.1f}%"


def keep_answers(
    run: Run, model: GPT, data: CorpusData, questions: list[Question], answers: list[Answer], step: int
) -> None:
    """Write the predictions, and show them on the dashboard beside what the model attends to."""
    write_predictions(
        run.folder,
        [Prediction(q.text, q.answer or "", a.text, a.probability) for q, a in zip(questions, answers, strict=True)],
    )
    if "tensorboard" in run.config.logger:
        RunLogger(save_dir=str(run.folder)).show_answers(model, data.vocab, questions, answers, step)
