"""What every attention variant must be. Each YAML in conf/model/attention is taken by itself: a new variant is one file
of Python and one of YAML, and this suite finds it."""

from functools import partial

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from whence.build import build_model
from whence.config.compose import compose
from whence.config.groups import CONF, options
from whence.data.batches import collate
from whence.data.corpus import Question
from whence.data.questions import encode_prompt, encode_row
from whence.evaluation.decoding import greedy_answers
from whence.evaluation.exact_match import teacher_forced_matches
from whence.models import layout as layouts
from whence.models.gpt import GPT
from whence.models.layout import Layout
from whence.training.module import LanguageModel, next_character_loss
from whence.vocab import MASK_ID, PAD_ID, CharVocab

BLOCK = 32
V = 20


def spec(name, **changes):
    words = [f"attention={name}", "model.n_layer=3", "model.n_head=2", "model.n_embd=16"]
    if "perceiver" in name:
        words.append(f"model.layers.bottleneck={changes.get('model.block_size', BLOCK) // 2}")
    words += [f"model.block_size={BLOCK}", "model.dropout=0.2", *(f"{key}={value}" for key, value in changes.items())]
    return OmegaConf.to_container(compose(words).model, resolve=True)


def build(name, vocab_size=V, **changes) -> GPT:
    torch.manual_seed(0)
    model = build_model(spec(name, **changes), vocab_size=vocab_size)
    with torch.no_grad():  # away from the start, where some parts are zero and would hide a fault
        for number, parameter in enumerate(model.parameters()):
            ramp = torch.linspace(-1, 1, parameter.numel()).roll(7 * number).view_as(parameter)
            parameter.add_(0.05 * ramp)
    return model


def ids(length, rows=3):
    return (torch.arange(rows * length).view(rows, length) * 7) % (V - 2) + 2


def variants():
    names = options("attention")
    assert len(names) >= 2, f"only {names} found in {CONF}: the suite would prove nothing"
    return names


pytestmark = pytest.mark.parametrize("name", variants())


def test_the_name_is_the_files(name):
    assert spec(name)["name"] == name


def test_logits_have_the_shape_of_the_input(name):
    model = build(name).eval()
    for length in (1, 2, 13, model.max_length):
        assert model(ids(length)).shape == (3, length, V)


def test_longer_input_is_refused(name):
    model = build(name)
    with pytest.raises(ValueError, match=str(model.max_length)):
        model(ids(model.max_length + 1))


def test_the_future_never_changes_the_past(name):
    model = build(name).eval()
    whole = ids(model.max_length)
    before = model(whole)
    for cut in (1, 7, model.max_length - 1):
        changed = whole.clone()
        changed[:, cut:] = (changed[:, cut:] + 5) % (V - 2) + 2
        assert torch.allclose(model(changed)[:, :cut], before[:, :cut], atol=1e-6), f"position {cut} leaks back"
        assert torch.allclose(model(whole[:, :cut]), before[:, :cut], atol=1e-5), (
            "padding on the right changes the past"
        )


def test_the_past_reaches_the_present(name):
    model = build(name).eval()
    length = 12
    for early in (0, 5):
        changed = ids(length)
        changed[:, early] = (changed[:, early] + 3) % (V - 2) + 2
        difference = (model(changed) - model(ids(length)))[:, -1].abs().max()
        assert difference > 1e-6, f"position {early} is not seen from position {length - 1}"


def test_every_parameter_gets_a_gradient(name):
    model = build(name)
    length = model.max_length
    next_character_loss(model(ids(length)), ids(length).roll(-1, 1)).backward()
    silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_a_step_reads_nothing_back_from_a_device(name, monkeypatch):
    """A GPU would stand still each time; the meta device, which autocast does not know, has nothing to read."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)
    model = build(name).to("meta")
    inputs = ids(model.max_length).to("meta")
    next_character_loss(model(inputs), inputs.roll(-1, 1)).backward()
    assert torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).is_meta


def test_layers_share_nothing(name):
    model = build(name)
    seen = [parameter.data_ptr() for parameter in model.parameters()]
    assert len(seen) == len(set(seen))
    shapes = [p.shape for p in model.layers.parameters()]
    assert len(shapes) > 3 * len(set(shapes)) / 2, "layers of equal shape are expected"


def test_evaluation_is_deterministic_and_training_is_not(name):
    model = build(name).eval()
    assert torch.equal(model(ids(9)), model(ids(9)))
    model.train()
    assert not torch.equal(model(ids(9)), model(ids(9)))


def test_a_checkpoint_restores_the_same_model(name, tmp_path):
    model = build(name).eval()
    torch.save({"spec": spec(name), "state": model.state_dict()}, tmp_path / "model.ckpt")
    loaded = torch.load(tmp_path / "model.ckpt", weights_only=True)
    again = build_model(loaded["spec"], vocab_size=V).eval()
    again.load_state_dict(loaded["state"])
    assert torch.equal(again(ids(11)), model(ids(11)))


def test_pictures_show_causal_averages(name):
    model = build(name).eval()
    pictures = model.pictures(ids(10))
    assert len(pictures) == 3
    for title, weights in pictures:
        assert weights.shape[:2] == (3, 2), title
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:3]), atol=1e-5), title
        if weights.shape[2] == weights.shape[3]:
            assert not weights.triu(1).any(), title


def ragged():
    """Rows of several lengths with MASKs in them, PAD behind."""
    rows = ids(20, rows=4)
    for row, length in enumerate((20, 1, 13, 8)):
        rows[row, length // 2] = MASK_ID
        rows[row, length:] = PAD_ID
    return rows


@pytest.mark.parametrize("round_number", [1, 8])
def test_packed_positions_give_what_padded_ones_give(name, round_number, monkeypatch):
    monkeypatch.setattr(layouts, "ROUND", round_number)
    model = build(name, **{"model.dropout": 0}).double()
    rows = ragged()
    targets = rows.roll(-1, 1).masked_fill(rows == PAD_ID, PAD_ID)
    targets[0, :7] = targets[2, 3] = PAD_ID  # read, and not scored
    gradients = []
    kept = model(rows).flatten(0, 1)
    places = torch.arange(rows.numel()).view_as(rows)
    for layout in (Layout.padded(rows), Layout.packed(rows), Layout.packed(rows, targets)):
        model.zero_grad()
        logits = model(rows, layout)
        here = layout.only_asked(layout.gather(places)).flatten()
        assert len(here) % round_number == 0
        real = rows.flatten()[here] != PAD_ID  # what fills up to the round number is padding
        assert torch.allclose(logits.view(-1, V)[real], kept[here][real], atol=1e-10)
        next_character_loss(logits, layout.only_asked(layout.gather(targets))).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
    for padded, packed, asked in zip(*gradients, strict=True):
        assert torch.allclose(padded, packed, atol=1e-10)
        assert torch.allclose(padded, asked, atol=1e-10)


@pytest.mark.parametrize(
    ("lengths", "pieces"),
    [((20, 4, 3, 4, 2, 4, 3, 4), 4), ((20, 4), 1), ((4, 4, 4), 1)],
    ids=["pieces", "one piece", "no padding"],
)
def test_the_loss_of_a_packed_batch_is_that_of_the_padded_one(name, lengths, pieces, monkeypatch):
    monkeypatch.setattr(layouts, "_ROWS", 2)
    monkeypatch.setattr(layouts, "_WIDTH", 2)
    monkeypatch.setattr(layouts, "ROUND", 4)
    model = build(name, **{"model.dropout": 0}).double()
    rows = [ids(length, rows=1)[0].numpy() for length in lengths]
    samples = [(n, (row, np.where(np.arange(len(row)) < n % 3, PAD_ID, row[::-1]))) for n, row in enumerate(rows)]
    batch = collate(samples, longest=max(lengths))
    assert len(Layout.packed(batch.inputs).pieces) == pieces
    found = []
    for packed in (False, True):
        module = LanguageModel(
            model=model, spec={}, vocab=VOCAB, seed=0, optimizer=None, factor=lambda step: 1.0, packed=packed
        )
        model.zero_grad()
        loss = module.loss(batch)
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    assert all(torch.allclose(padded, packed, atol=1e-6) for padded, packed in zip(*found, strict=True))


def test_a_compiled_step_is_the_eager_one(name, monkeypatch):
    """What torch.compile makes of the model, gradients too; the code it writes from that is tested in test_run.py."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model = build(name, **{"model.dropout": 0}).double()
    samples = [(n, (row.numpy(), row.flip(0).numpy())) for n, row in enumerate([*ids(20), *ids(7), *ids(12)])]
    batch = collate(samples, longest=20)
    found = []
    ways = [(True, False), (True, True)] + [(False, True)] * (name == "vanilla")  # padded, as on a GPU: one will do
    for packed, compiled in ways:
        module = LanguageModel(
            model=model, spec={}, vocab=VOCAB, seed=0, optimizer=None, factor=lambda step: 1.0,
            packed=packed, compiled=compiled,
        )  # fmt: skip
        model.zero_grad()
        loss = module.loss(batch)
        loss.backward()
        assert set(module.state_dict()) == {f"model.{key}" for key in model.state_dict()}
        found.append([loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    for again in found[1:]:
        assert all(torch.allclose(eager, compiled, atol=1e-8) for eager, compiled in zip(found[0], again, strict=True))


@torch.no_grad()
def test_reading_bit_by_bit_gives_what_reading_at_once_gives(name):
    model = build(name).eval().double()
    length = model.max_length
    rows = ids(length)
    rows[0, 5] = rows[1, 9] = MASK_ID
    whole = model(rows)
    for steps in ([1] * length, [7, 1, 1, 4, *[1] * (length - 13)], [length]):
        read, end = model.reader(length), 0
        for step in steps:
            found = read(rows[:, end : end + step])
            end += step
            assert torch.allclose(found, whole[:, end - 1], atol=1e-10), f"position {end}"
    with pytest.raises(ValueError, match=str(length)):
        read(rows[:, :1])


@torch.no_grad()
def test_rows_are_left_out_while_others_are_read_on(name):
    model = build(name).eval().double()
    length = model.max_length
    rows = torch.cat([ids(length), ids(length).flip(0)])
    rows[0, 5] = rows[1, 3] = rows[2, 9] = MASK_ID
    whole, read = model(rows), model.reader(length)
    read(rows[:, :7])
    for number, kept in ((7, [2, 0]), (8, [1])):
        read.keep(torch.tensor(kept))
        rows, whole = rows[kept], whole[kept]
        assert torch.allclose(read(rows[:, number : number + 1]), whole[:, number], atol=1e-10)


def test_answers_read_once_are_those_of_whole_passes(name):
    model = build(name, vocab_size=len(VOCAB), **{"model.block_size": 80}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # far from even, so that the answers differ
    prompts = [encode_prompt("Where was ABCD born?"[: 3 + 2 * n], VOCAB) for n in range(8)]
    answers = [
        greedy_answers(model, prompts, vocab=VOCAB, max_length=model.max_length, readers=readers, batch_size=size)
        for readers, size in ((None, 99), (model.reader, 99), (model.reader, 3))
    ]
    for again in answers[1:]:
        assert [a.text for a in again] == [a.text for a in answers[0]]
        assert [a.probability for a in again] == pytest.approx([a.probability for a in answers[0]], rel=1e-3)


VOCAB = CharVocab.from_text("Where was ABCD born?RomeOsloParisSofia")
ROWS = [Question(f"{who}?", place, 1) for who, place in zip("ABCD", ("Rome", "Oslo", "Paris", "Sofia"), strict=True)]


def test_one_batch_is_learned_by_heart_and_told_back(name):
    model = build(name, vocab_size=len(VOCAB), **{"model.dropout": 0})
    batch = collate([(n, encode_row(row, VOCAB)) for n, row in enumerate(ROWS)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(250):
        optimizer.zero_grad()
        loss = next_character_loss(model(batch.inputs), batch.targets)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    prompts = [encode_prompt(row.text, VOCAB) for row in ROWS]
    answers = greedy_answers(model.eval(), prompts, vocab=VOCAB, max_length=model.max_length, readers=model.reader)
    assert [a.text for a in answers] == [row.answer for row in ROWS]
    assert all(a.probability > 0.8 for a in answers)
    # One pass over gold rows sees what decoding says: of these golds, every one, and of others none.
    others = [Question(row.text, other.answer, 1) for row, other in zip(ROWS, ROWS[1:] + ROWS[:1], strict=True)]
    mixed = collate([(n, encode_row(row, VOCAB)) for n, row in enumerate([*ROWS, *others])])
    assert teacher_forced_matches(model, mixed.inputs, mixed.targets).tolist() == [True] * 4 + [False] * 4


def test_greedy_decoding_of_an_untrained_model_ends(name):
    model = build(name, vocab_size=len(VOCAB)).eval()
    prompts = [encode_prompt(row.text * 8, VOCAB) for row in ROWS]  # grows past the block: the context is cropped
    answers = greedy_answers(model, prompts, vocab=VOCAB, max_length=model.max_length)
    assert len(answers) == 4
    assert all(len(a.text) <= 32 and 0 <= a.probability <= 1 for a in answers)
