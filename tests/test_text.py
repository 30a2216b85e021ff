"""A character model of any text, end to end: trained, resumed by its name, sampled."""

import pytest
from conftest import TINY

from whence.config.compose import compose
from whence.config.groups import options
from whence.errors import ConfigError, DataError, MissingInput
from whence.run import execute, prepare

TEXT = "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n" * 40
SHORT = [word for word in TINY if not word.startswith("data.")]


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "sonnet.txt"
    path.write_text(TEXT, encoding="utf-8")
    return [*SHORT, "data=text", f"data.path={path}", "model.block_size=32", f"run_root={tmp_path / 'outputs'}"]


def do(*words):
    return execute(prepare(compose(words), words))


@pytest.mark.parametrize("attention", ["vanilla", "synthesizer", "rope", "perceiver"])
def test_a_text_is_learned_and_sampled(words, attention, capsys):
    small = ["model.layers.bottleneck=16"] if attention == "perceiver" else []
    chosen = [*words, f"attention={attention}", *small]
    result = do(*chosen, "stage=pretrain")
    assert result["loss"].keys() == {"train", "validation"}
    assert 0 < result["loss"]["validation"] < 5
    assert do(*chosen, "stage=pretrain") == result | {"folder": result["folder"]}, "a finished run is not repeated"
    capsys.readouterr()
    texts = []
    for seed in (1, 1, 2):
        do(*chosen, "stage=sample", "length=60", f"seed={seed}", "prompt=Shall", "top_k=null")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0]) == len("Shall") + 60 + 1
    assert texts[0].startswith("Shall")


def test_the_whole_experiment_of_a_text_is_pretraining_and_a_sample(words, capsys):
    result = do(*words)
    assert len(result["runs"]) == 1
    assert len(capsys.readouterr().out) > 500
    do("experiment=shakespeare_small", *words, "prompt=Shall")  # which has a prompt, and another is typed
    assert capsys.readouterr().out.startswith("Shall")


def test_what_a_model_has_never_seen_is_told(words):
    do(*words, "stage=pretrain")
    with pytest.raises(DataError, match=r"prompt: characters that the model has never seen: 'é'"):
        do(*words, "stage=sample", "prompt='Thé'")
    with pytest.raises(DataError, match="at least one character"):
        do(*words, "stage=sample", "prompt=''")
    with pytest.raises(MissingInput, match="no finished pretrain run"):
        do(*words, "stage=sample", "attention=rope")
    with pytest.raises(ConfigError, match="temperature: expected a number from 0 to 100, got -1"):
        do(*words, "stage=sample", "temperature=-1")
    for stage in ("finetune", "evaluate", "ask", "predict"):
        with pytest.raises(ConfigError, match="a text has no questions"):
            do(*words, f"stage={stage}", "init_from=none", *(["question=Who?"] if stage == "ask" else []))


def test_a_preview_shows_windows(words, capsys):
    do(*words, "stage=preview", "samples=2")
    assert "finetune" not in capsys.readouterr().out


def test_the_demo_has_its_published_size(words):
    from omegaconf import OmegaConf

    from whence.build import build_model

    spec = OmegaConf.to_container(compose(["data=text", "model=gpt_char", "data.path=x"]).model, resolve=True)
    assert build_model(spec, vocab_size=65).parameter_count() == 25_352_192


def test_experiments_on_shakespeare_compose():
    names = [name for name in options("experiment") if name.startswith("shakespeare")]
    assert names == ["shakespeare", "shakespeare_small"]
    for name in names:
        run = prepare(compose([f"experiment={name}"]), [f"experiment={name}"])
        assert run.neighbour("stage=pretrain").folder.name == f"vanilla-seed0-{name}"
