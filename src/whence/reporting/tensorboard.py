"""The dashboard of a run: scalars, predictions, attention maps, and a row in the table of hyperparameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from tensorboard.plugins.hparams import summary_v2

from whence.data.corpus import Question
from whence.data.questions import encode_prompt
from whence.evaluation.decoding import Answer
from whence.models.gpt import GPT
from whence.reporting.figures import attention_maps
from whence.reporting.tables import markdown
from whence.vocab import CharVocab

METRICS = {"dev/exact_match": "exact match on dev", "train/loss": "training loss"}
_TABLE_ROWS = 50
_MAPS = 2


class RunLogger(TensorBoardLogger):
    """Event files in `save_dir`/tb, so that runs keep the names of their directories in the dashboard."""

    def __init__(self, *, save_dir: str) -> None:
        super().__init__(save_dir=save_dir, name="", version="tb", default_hp_metric=False)

    @rank_zero_only
    def begin(
        self, hyperparameters: dict[str, Any], *, trial: str, first_step: int, metrics: Iterable[str] = ()
    ) -> None:
        """Write the run's row of hyperparameters; what was logged from `first_step` on is logged again.

        Runs with the same `trial` form a group, whose metrics the dashboard averages.
        """
        if first_step:
            self._kwargs["purge_step"] = first_step
        shown = [summary_v2.Metric(tag, display_name=METRICS[tag]) for tag in metrics]
        columns = [summary_v2.HParam(name) for name in hyperparameters]
        writer = self.experiment._get_file_writer()
        writer.add_summary(summary_v2.hparams_config_pb(hparams=columns, metrics=shown))
        writer.add_summary(summary_v2.hparams_pb(hyperparameters, trial_id=trial))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `begin` has written them, with the group that Lightning cannot set."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """All but Lightning's epoch, which is the whole run here and would be a card of zeros."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    def save(self) -> None:
        self.experiment.flush()

    def show_answers(
        self, model: GPT, vocab: CharVocab, questions: Sequence[Question], answers: Sequence[Answer], step: int
    ) -> None:
        """A table of predictions, and what the model attends to while it reads the first questions."""
        shown = list(zip(questions, answers, strict=True))[:_TABLE_ROWS]
        rows = [(q.text, q.answer or "", said.text, f"{said.probability:.3f}") for q, said in shown]
        table = markdown(("question", "gold", "prediction", "probability"), rows)
        self.experiment.add_text("dev/predictions", "\n".join(table), step)
        device = next(model.parameters()).device
        for number, question in enumerate(questions[:_MAPS], 1):
            ids = torch.as_tensor(encode_prompt(question.text, vocab), dtype=torch.long, device=device)
            pictures = [(name, weights[0]) for name, weights in model.pictures(ids[None])]
            text = vocab.decode(ids.tolist())
            self.experiment.add_figure(f"attention/question {number}", attention_maps(pictures, text), step)
        self.experiment.flush()
