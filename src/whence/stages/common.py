"""What several stages need: the data, the model to start from, the answers to a list of questions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from whence import build
from whence.config.naming import identity
from whence.data.corpus import Question
from whence.data.modules import CorpusData
from whence.data.questions import encode_prompt
from whence.errors import ConfigError, DataError, MissingInput
from whence.evaluation.decoding import Answer, greedy_answers
from whence.evaluation.exact_match import Score, always, exact_match, most_frequent
from whence.models.gpt import GPT
from whence.reporting.results import RESULT, Prediction, find_results, read_result, write_predictions
from whence.reporting.tensorboard import RunLogger
from whence.run import CONFIG, Inputs, Run, command, python
from whence.training.checkpoints import StoredModel, newest_checkpoint
from whence.training.weights import read_weights

log = logging.getLogger(__name__)

_TRAINING = ("recipe.", "pretraining.", "corruption.")  # keys of what a model learned from
_NOT_SHAPE = ("dropout", "name", "size")  # of a model's specification: free to differ from the checkpoint's


def load_data(run: Run, datamodule: dict[str, Any] | None = None) -> CorpusData:
    """The stage's datamodule, read and checked. Raises DataError or MissingInput."""
    node = datamodule or run.plain.get("datamodule", {"_target_": "whence.data.modules.BirthPlaceData"})
    data = build.build(
        node,
        path="datamodule",
        corpus=build.build(run.plain["data"], path="data"),
        block_size=run.config.model.block_size,
        batch_size=run.plain.get("training", {}).get("batch_size", 1),
        seed=run.config.seed,
        num_workers=run.config.trainer.num_workers,
    )
    data.setup()
    return data


def initial_model(run: Run, data: CorpusData, *, any_seed: bool = False) -> StoredModel | None:
    """The model that `init_from` names, checked against configuration and vocabulary; None for random weights.

    any_seed: whether `init_from=auto` may find a run of another seed, where there is none of this one.
    Raises MissingInput when there is none, telling what there is and how to make it.
    """
    wanted = run.config.init_from
    if wanted == "none":
        return None
    checkpoint = find_model(
        run, str(_matching_run(run, data, any_seed)) if wanted == "auto" else wanted, key="init_from"
    )
    stored = read_weights(checkpoint, spec=run.plain["model"], vocab=data.vocab)
    _check_compatible(run, data, stored)
    log.info("starting from %s (step %d)", stored.run, stored.step)
    return stored


def find_model(run: Run, wanted: str, *, key: str) -> Path:
    """The file of the model that `wanted` names: a file, a run directory, or a run of the stage before.

    Raises MissingInput, naming the configuration `key`, and DataError when no checkpoint of a run is intact.
    """
    stage = run.config.stage.init_from_stage or "pretrain"
    for path in (Path(wanted), Path(run.config.run_root) / stage / wanted):
        if path.is_file():
            return path
        if path.is_dir():
            if (checkpoint := newest_checkpoint(path / "checkpoints")) is None:
                raise MissingInput(f"{key}: {path} has no checkpoint")
            return checkpoint
    raise MissingInput(f"{key}: {wanted} is neither a file, a run directory nor a run in {run.config.run_root}/{stage}")


def find_run(run: Run, wanted: str, *, key: str) -> dict[str, Any]:
    """The result of the finished run that `wanted` names: its directory, or its name in finetune or evaluate.

    Raises MissingInput, naming the configuration `key`.
    """
    root = Path(run.config.run_root)
    for folder in (Path(wanted), *(root / stage / wanted for stage in ("finetune", "evaluate"))):
        if (folder / RESULT).is_file():
            result = read_result(folder)
            if "dev" not in result:
                raise MissingInput(f"{key}: {folder} is a {result['stage']} run and has no scored answers")
            return result
    there = ", ".join(r["name"] for r in find_results(root) if "dev" in r) or "none"
    raise MissingInput(f"{key}: {wanted} is neither a finished run nor the name of one in {root} (there: {there})")


def into(run: Run) -> Path:
    """The folder to write into. Raises ConfigError where none is named."""
    if not run.config.into:
        raise ConfigError("into: expected a folder, got nothing; name one: into=FOLDER")
    return Path(run.config.into)


def inputs(data: CorpusData, stored: StoredModel | None, *files: str) -> Inputs:
    """What a run is made from, by its SHA-256: the named files of the corpus and the initial weights."""
    found = {name: data.corpus.fingerprint(name) for name in ("documents", *files)}
    return found if stored is None else found | {"initial weights": stored.digest}


def build_model(run: Run, data: CorpusData, stored: StoredModel | None) -> GPT:
    """The configured model with the stored weights, or with new ones drawn from the run's seed."""
    torch.manual_seed(run.config.seed)
    model = build.build_model(run.plain["model"], vocab_size=len(data.vocab))
    data.fit(model.max_length)
    if stored is not None:
        model.load_state_dict(stored.weights)
    return model


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


def _matching_run(run: Run, data: CorpusData, any_seed: bool) -> Path:
    """The finished run of the stage before with this model, seed and data."""
    stage = run.config.stage.init_from_stage
    expected = run.neighbour(f"stage={stage}")
    documents = data.corpus.fingerprint("documents")
    if (expected.folder / RESULT).is_file():
        if read_result(expected.folder)["inputs"].get("documents") != documents:
            raise DataError(
                f"{expected.folder} was made from other documents than {data.corpus.documents} holds now; "
                f"make it again: {command([*expected.overrides, 'rerun=true'], interpreter=python())}"
            )
        return expected.folder
    there = find_results(Path(run.config.run_root) / stage)
    matching = [
        r
        for r in there
        if r.get("model") == run.plain["model"]
        and (any_seed or r["seed"] == run.config.seed)
        and r["inputs"].get("documents") == documents
        and _trained_alike(Path(r["folder"]), expected)
    ]
    if len(matching) == 1 or (matching and any_seed):
        return Path(matching[0]["folder"])
    make = command(expected.overrides, interpreter=python())
    if matching:
        names = ", ".join(r["folder"] for r in matching)
        raise MissingInput(f"init_from: {len(matching)} {stage} runs match ({names}); choose one: init_from=PATH")
    others = ", ".join(r["name"] for r in there[:8]) or "none"
    raise MissingInput(
        f"init_from: there is no finished {stage} run {expected.folder} (finished ones in {run.config.run_root}: "
        f"{others}); make it: {make}" + ("; or set init_from=none for random weights" if stage == "pretrain" else "")
    )


def _trained_alike(folder: Path, expected: Run) -> bool:
    """Whether a run had the samples and the recipe that the expected one would have; its length, its name and its
    optimizer, which each stage chooses anew, may be others."""
    try:
        configs = OmegaConf.load(folder / CONFIG), expected.config
        there, here = ({k: v for k, v in identity(c).items() if k.startswith(_TRAINING)} for c in configs)  # type: ignore[arg-type]
    except (OSError, YAMLError, OmegaConfBaseException, KeyError, TypeError):
        return False
    return there == here


def _check_compatible(run: Run, data: CorpusData, stored: StoredModel) -> None:
    there, here = stored.spec, run.plain["model"]
    if there.get("name") != here["name"]:
        raise ConfigError(
            f"{stored.path} was trained with attention={there.get('name')}, the configuration has "
            f"attention={here['name']}; add attention={there.get('name')} or choose another init_from"
        )
    for key in sorted({*there, *here} - {*_NOT_SHAPE}):
        if there.get(key) != here.get(key):
            raise ConfigError(
                f"{stored.path} was trained with model.{key}={there.get(key)}, the configuration has "
                f"model.{key}={here.get(key)}; they must be the same"
            )
    if stored.vocab != data.vocab:
        missing = "".join(sorted(set(data.vocab.characters) - set(stored.vocab.characters)))[:20]
        extra = "".join(sorted(set(stored.vocab.characters) - set(data.vocab.characters)))[:20]
        raise DataError(
            f"{stored.path} was trained on another text: its vocabulary of {len(stored.vocab)} characters lacks "
            f"{missing!r} and has {extra!r} besides; use the corpus it was trained on (data=...)"
        )
