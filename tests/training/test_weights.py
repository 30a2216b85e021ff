"""The course's weights in and out, against a naive implementation of the course's equations."""

import io

import pytest
import torch
from course_gpt import CourseGPT
from omegaconf import OmegaConf

from whence.build import build_model
from whence.config.compose import compose
from whence.data.world import World
from whence.errors import ConfigError, DataError, MissingInput
from whence.models.course import VARIANTS
from whence.run import execute, prepare
from whence.training.checkpoints import StoredModel, read_model
from whence.training.weights import course_bytes, read_weights, safetensors_file
from whence.vocab import CharVocab

SIZES = {
    "small": {"layers": 3, "heads": 2, "width": 16, "block": 96, "bottleneck": 48},
    "reference": {"layers": 4, "heads": 8, "width": 256, "block": 128, "bottleneck": 64},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "cs224n"
    World(people=40, biographies=2, phrasings=12, train=50, dev=40, seed=0).write(folder)
    return folder


@pytest.fixture(scope="module")
def vocab(corpus):
    return CharVocab.from_text((corpus / "wiki.txt").read_text(encoding="utf-8"))


def words(kind, size, corpus, *more):
    said = [
        "data=cs224n", f"data.dir={corpus}", f"attention={kind}", f"model.n_layer={size['layers']}",
        f"model.n_head={size['heads']}", f"model.n_embd={size['width']}", f"model.block_size={size['block']}",
        "trainer.threads=1", *more,
    ]  # fmt: skip
    return [*said, f"model.layers.bottleneck={size['bottleneck']}"] if kind == "perceiver" else said


def spec(kind, size, corpus):
    return OmegaConf.to_container(compose(words(kind, size, corpus)).model, resolve=True)


def ours(stored: StoredModel):
    model = build_model(stored.spec, vocab_size=len(stored.vocab)).eval()
    model.load_state_dict(stored.weights)
    return model


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", VARIANTS)
def test_the_same_weights_give_the_same_logits_and_answers(kind, size, corpus, vocab, tmp_path):
    course = CourseGPT(kind, vocab=len(vocab), **SIZES[size])
    file = tmp_path / f"{kind}.finetune.params"
    torch.save(course.state_dict(), file)
    stored = read_weights(file, spec=spec(kind, SIZES[size], corpus), vocab=vocab)
    for length in (1, 17, SIZES[size]["block"] - 1):
        ids = (torch.arange(2 * length).view(2, length) * 7) % len(vocab)
        with torch.no_grad():
            difference = (ours(stored)(ids) - course(ids)).abs().max().item()
        assert difference < 1e-5 * max(1.0, course(ids).abs().max().item()), length
    said = words(kind, SIZES[size], corpus, "stage=evaluate", f"init_from={file}", f"run_root={tmp_path}")
    result = execute(prepare(compose(said), said))
    predictions = (tmp_path / "evaluate" / result["name"] / "predictions.txt").read_text(encoding="utf-8")
    questions = [line.split("\t")[0] for line in (corpus / "birth_dev.tsv").read_text(encoding="utf-8").splitlines()]
    answers = [course.answer(question, vocab.characters).replace("\n", "\\n") for question in questions]
    assert predictions.split("\n")[:-1] == answers
    assert len(set(answers)) > 3, "answers that are all alike prove little"


@pytest.mark.parametrize("kind", VARIANTS)
def test_the_course_loads_what_we_export(kind, corpus, vocab):
    stored = fresh(kind, corpus, vocab)
    course = CourseGPT(kind, vocab=len(vocab), **SIZES["small"])
    course.load_state_dict(torch.load(io.BytesIO(course_bytes(stored)), weights_only=True), strict=True)
    ids = (torch.arange(60).view(2, 30) * 7) % len(vocab)
    with torch.no_grad():
        assert torch.allclose(ours(stored)(ids), course(ids), atol=1e-5)


def fresh(kind, corpus, vocab):
    model = build_model(spec(kind, SIZES["small"], corpus), vocab_size=len(vocab))
    return StoredModel(corpus / "step-1.ckpt", spec(kind, SIZES["small"], corpus), vocab, model.state_dict(), 1)


@pytest.mark.parametrize("kind", ["alibi", "synthesizer_random"])
def test_every_design_travels_as_safetensors(kind, corpus, vocab, tmp_path):
    stored = fresh(kind, corpus, vocab)
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors_file(stored))
    again = read_weights(file, spec={}, vocab=CharVocab.from_text("other"))
    assert again.digest == stored.digest
    assert (again.spec, again.vocab, again.step) == (stored.spec, vocab, 1)
    with pytest.raises(ConfigError, match=f"no {kind}; use format=safetensors"):
        course_bytes(stored)


def test_heads_apart_are_not_the_courses(corpus, vocab):
    stored = fresh("synthesizer", corpus, vocab)
    stored.spec["attention"]["per_head"] = True
    with pytest.raises(ConfigError, match="per_head"):
        course_bytes(stored)


def test_prefixes_and_other_names_of_the_cross_attention_are_read(corpus, vocab, tmp_path):
    course = CourseGPT("perceiver", vocab=len(vocab), **SIZES["small"])
    file = tmp_path / "perceiver.params"
    renamed = {f"_orig_mod.{k.replace('_block.attn', '_block.cross_attn')}": v for k, v in course.state_dict().items()}
    torch.save(renamed, file)
    read = read_weights(file, spec=spec("perceiver", SIZES["small"], corpus), vocab=vocab)
    ours(read)  # every name is known


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("head.weight"), "lacks head.weight"),
        (lambda state: state.update({"more.weight": torch.zeros(2)}), "has more.weight besides"),
    ],
)
def test_incomplete_weights_are_told(change, said, corpus, vocab, tmp_path):
    file = tmp_path / "vanilla.params"
    state = CourseGPT("vanilla", vocab=len(vocab), **SIZES["small"]).state_dict()
    change(state)
    torch.save(state, file)
    given = words("vanilla", SIZES["small"], corpus, "stage=evaluate", f"init_from={file}", f"run_root={tmp_path}")
    with pytest.raises(DataError, match=f"vanilla.params.*{said}"):
        execute(prepare(compose(given), given))


SMALL = SIZES["small"]


@pytest.mark.parametrize(
    ("kind", "configured", "change", "said"),
    [
        ("vanilla", SMALL | {"layers": 4}, {}, "has model.n_layer=3, the configuration 4; add model.n_layer=3"),
        ("vanilla", SMALL | {"block": 64}, {}, "has model.block_size=96, the configuration 64"),
        ("synthesizer", SMALL | {"heads": 4}, {}, "has model.n_head=2, the configuration 4"),
        ("rope", SMALL | {"heads": 4}, {}, "has model.n_head=2, the configuration 4"),
        ("perceiver", SMALL | {"bottleneck": 40}, {}, "model.layers.bottleneck=48, the configuration 40"),
        ("rope", SMALL, {"rope": 500.0}, "other angles than base=500"),
    ],
)
def test_other_sizes_are_told_by_their_key(kind, configured, change, said, corpus, vocab, tmp_path):
    file = tmp_path / "some.params"
    torch.save(CourseGPT(kind, vocab=len(vocab), **SMALL).state_dict(), file)
    given = spec(kind, configured, corpus)
    if change:
        given["attention"]["base"] = change["rope"]
    with pytest.raises(ConfigError, match=said):
        read_weights(file, spec=given, vocab=vocab)


def test_another_design_or_alphabet_is_told(corpus, vocab, tmp_path):
    file = tmp_path / "some.params"
    torch.save(CourseGPT("perceiver", vocab=len(vocab), **SMALL).state_dict(), file)
    with pytest.raises(ConfigError, match="holds weights of perceiver, .* add attention=perceiver"):
        read_weights(file, spec=spec("vanilla", SMALL, corpus), vocab=vocab)
    with pytest.raises(DataError, match=f"knows {len(vocab)} characters, this corpus has 7"):
        read_weights(file, spec=spec("perceiver", SMALL, corpus), vocab=CharVocab.from_text("abcd"))


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", "evil", "dict"])
def test_files_that_are_no_weights_are_refused(content, corpus, vocab, tmp_path, capsys):
    file = tmp_path / "some.params"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save({"tok_emb.weight": Evil()} if content == "evil" else {"layer": torch.ones(2)}, file)
    with pytest.raises(DataError, match=r"some.params"):
        read_weights(file, spec=spec("vanilla", SMALL, corpus), vocab=vocab)
    assert "run" not in capsys.readouterr().out


def test_safetensors_of_others_and_damaged_ones_are_refused(vocab, tmp_path):
    from safetensors.torch import save_file

    file = tmp_path / "some.safetensors"
    save_file({"a": torch.ones(2)}, file)
    with pytest.raises(DataError, match="exported by whence"):
        read_weights(file, spec={}, vocab=vocab)
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DataError, match="not a readable safetensors file"):
        read_weights(file, spec={}, vocab=vocab)
    with pytest.raises(MissingInput, match="no such file"):
        read_weights(tmp_path / "none.params", spec={}, vocab=vocab)


def test_a_run_is_exported_and_taken_up_again(do, make_run, tmp_path):
    trained = do("stage=pretrain")
    assert do("stage=export", f"run={trained['folder']}") == {}
    file = tmp_path / "outputs" / "pretrain" / trained["name"] / "vanilla.pretrain.params"
    assert {"pos_emb", "blocks.0.attn.mask"} <= torch.load(file, weights_only=True).keys()
    assert do("stage=finetune", f"init_from={file}")["inputs"]["initial weights"] == trained["weights"]
    do("stage=export", f"run={trained['folder']}", "format=safetensors", f"into={tmp_path}/there/x.safetensors")
    stored = read_weights(tmp_path / "there" / "x.safetensors", spec={}, vocab=CharVocab.from_text(""))
    assert stored.digest == trained["weights"]
    assert stored.spec == read_model(next(file.parent.glob("checkpoints/*.ckpt"))).spec


def test_export_says_what_it_needs(do):
    with pytest.raises(ConfigError, match="run: expected the run to export"):
        do("stage=export")
    with pytest.raises(MissingInput, match="run: nowhere is neither a file"):
        do("stage=export", "run=nowhere")
    with pytest.raises(ConfigError, match="format: expected one of cs224n, safetensors"):
        do("stage=export", "run=nowhere", "format=onnx")
