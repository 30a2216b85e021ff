"""What a student learns from its teachers, against the plain formulas."""

import pytest
import torch
from omegaconf import OmegaConf

from whence.build import build_model
from whence.config.compose import compose
from whence.data.batches import collate
from whence.models.layout import Layout
from whence.training.distillation import Teachers
from whence.training.module import LanguageModel
from whence.vocab import MASK, PAD, PAD_ID, CharVocab

VOCAB = CharVocab(PAD + MASK + "abcdefgh")


def model(seed):
    words = ["model.n_layer=2", "model.n_head=2", "model.n_embd=16", "model.block_size=32", "model.dropout=0"]
    spec = OmegaConf.to_container(compose(words).model, resolve=True)
    torch.manual_seed(seed)
    made = build_model(spec, vocab_size=len(VOCAB)).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)  # so that models differ in what they say
    return made


def batch():
    rows = [torch.arange(length) % (len(VOCAB) - 2) + 2 for length in (20, 7, 12, 9)]
    return collate([(n, (row.numpy(), row.flip(0).numpy())) for n, row in enumerate(rows)], longest=31)


def divergence_by_hand(student, teachers, inputs, targets):
    found = []
    for row in range(len(inputs)):
        for place in range(inputs.shape[1]):
            if targets[row, place] == PAD_ID:
                continue
            said = [t(inputs[row : row + 1, : place + 1])[0, -1].softmax(-1) for t in teachers]
            mean = sum(said) / len(said)
            own = student(inputs[row : row + 1, : place + 1])[0, -1].softmax(-1)
            found.append(sum(p * (p / q).log() for p, q in zip(mean, own, strict=True)))
    return sum(found) / len(found)


@pytest.mark.parametrize("packed", [False, True])
def test_the_divergence_is_that_of_the_mean_probabilities(packed):
    student, others, given = model(0), [model(1), model(2)], batch()
    teachers = Teachers(others, share=0.5)
    layout = Layout.packed(given.inputs, given.targets) if packed else None
    targets = layout.only_asked(layout.gather(given.targets)) if packed else given.targets
    found = teachers.divergence(
        student(given.inputs, layout), teachers.probabilities(given.inputs, layout), targets
    ).item()
    assert found == pytest.approx(divergence_by_hand(student, others, given.inputs, given.targets).item(), rel=1e-5)
    assert teachers.divergence(others[0](given.inputs), Teachers(others[:1], 1.0).probabilities(given.inputs, None),
                               given.targets).item() == pytest.approx(0, abs=1e-6)  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_step_learns_from_text_and_teachers_by_their_shares(share, monkeypatch):
    student, given = model(0), batch()
    teachers = Teachers([model(1)], share)
    module = LanguageModel(
        model=student, spec={}, vocab=VOCAB, seed=0, optimizer=None, factor=lambda step: 1.0,
        packed=True, teachers=teachers,
    )  # fmt: skip
    told = {}
    monkeypatch.setattr(module, "log", lambda name, value: told.update({name: value.item()}))
    loss = module.training_step(given, 0)
    assert told["train/loss"] == pytest.approx(module.loss(given).item()), "comparable with runs without teachers"
    assert loss.item() == pytest.approx((1 - share) * told["train/loss"] + share * told["train/divergence"])
    loss.backward()
    assert all(parameter.grad is not None for parameter in student.parameters())
    assert all(parameter.grad is None for teacher in teachers.models for parameter in teacher.parameters())
    assert set(module.state_dict()) == {f"model.{name}" for name in student.state_dict()}, "saved without teachers"


def test_a_student_comes_to_say_what_its_teacher_says():
    student, teachers, given = model(0), Teachers([model(1)], 1.0), batch()
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2)
    found = []
    for _ in range(100):
        divergence = teachers.divergence(
            student(given.inputs), teachers.probabilities(given.inputs, None), given.targets
        )
        optimizer.zero_grad()
        divergence.backward()
        optimizer.step()
        found.append(divergence.item())
    assert found[-1] < found[0] / 20
