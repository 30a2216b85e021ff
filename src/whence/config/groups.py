"""The groups of conf/ and their options, read off its folders; imports nothing, so that --help answers at once."""

from __future__ import annotations

from pathlib import Path

CONF = Path(__file__).resolve().parents[3] / "conf"
_ATTENTION = CONF / "model" / "attention"

_PAGE = """\
Whence asks small character-level GPTs "Where was X born?" and measures what they remember from pretraining.

python train.py                                        the whole experiment: pretrain, finetune, evaluate
python train.py stage=pretrain attention=synthesizer   one stage of one attention design
python train.py stage=finetune attention=synthesizer   finds the pretrained run; init_from=none for the control
python train.py stage=evaluate attention=synthesizer   dev accuracy, baselines, predictions
python train.py stage=predict  attention=synthesizer   answers for the test questions
python train.py stage=ask 'question="Where was Visa Zelmostein born?"'
python train.py stage=preview                          what the model is trained on, decoded
python train.py data=cs224n data.dir=PATH              the course's corpus ('make data' fetches it)
python train.py -m attention=vanilla,synthesizer seed=0,1,2     a sweep, then one table
python train.py stage=report report.runs=outputs       the table of any folder of runs
python train.py stage=compare 'runs=[RUN,RUN]'         is the difference real?
python train.py stage=analyse run=RUN against=RUN      did it remember, or make it up?
python train.py stage=explore                          what attention can do, measured
python train.py data=cs224n stage=evaluate init_from=vanilla.finetune.params     weights of the course's own code
python train.py stage=export run=RUN format=cs224n|safetensors                   and back to it

Choices (group=option):

{choices}

Values you may want to change (key=value; all of them: --cfg job):

seed=0  run_root=outputs  init_from=auto|none|RUN|FILE  rerun=true  debug=true
model.n_layer  model.n_head  model.n_embd  model.block_size  model.dropout
recipe.pretrain.epochs  recipe.pretrain.batch_size  recipe.pretrain.lr     (recipe.finetune likewise)
trainer.max_steps  trainer.precision  trainer.devices  trainer.accumulate_grad_batches
data.people  data.biographies  data.phrasings  data.dir  checkpoint.every_seconds

Flags of Hydra, in front: -m (every combination of comma-separated values), --cfg job, --hydra-help"""


def folder(group: str) -> Path:
    """Where the choices of a group lie; `attention` is the short spelling of `model/attention`."""
    return _ATTENTION if group == "attention" else CONF / group


def options(group: str) -> list[str]:
    return sorted(path.stem for path in folder(group).glob("*.yaml"))


def groups() -> list[str]:
    """All groups, by their long spelling."""
    return sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*") if path.is_dir())


def help_page() -> str:
    """What `python train.py --help` prints."""
    names = ["attention", *(group for group in groups() if group != "model/attention")]
    return _PAGE.format(choices="\n".join(f"{name}: {', '.join(options(name))}" for name in sorted(names)))
