"""The published sizes, the initial weights and what is refused."""

import pytest
import torch
from omegaconf import OmegaConf

from whence.build import build_model
from whence.config.compose import compose
from whence.config.groups import options
from whence.errors import ConfigError
from whence.models.layout import Layout
from whence.vocab import PAD_ID


def model(*words, vocab_size=256):
    spec = OmegaConf.to_container(compose(["data=cs224n", *words]).model, resolve=True)
    return build_model(spec, vocab_size=vocab_size)


REFERENCE = {
    "vanilla": 3_323_392,  # 65,536 + 32,768 + 4 * 789,760 + 512 + 65,536
    "synthesizer": 3_076_988,
    "rope": 3_290_624,
    "sinusoidal": 3_290_624,  # vanilla without its 128 * 256 positions
    "nope": 3_290_624,
    "alibi": 3_290_624,
    "linear": 3_323_392,
    "sliding_window": 3_323_392,
    "synthesizer_random": 3_321_344,  # vanilla + 4 * (8 * 128 * 128 - 2 * (256 * 256 + 256))
    "synthesizer_factorized_random": 2_862_592,  # 4 * 2 * 8 * 128 * 8 in place of 4 * 8 * 128 * 128
    "synthesizer_factorized_dense": 3_063_392,  # 4 * 33 * (16 + 8) in place of the synthesizer's 4 * 33 * 127
    "perceiver": 3_339_776,  # vanilla + 64 * 256
    "perceiver_aligned": 3_339_776,
    "synthesizer_mixture": 3_603_332,  # synthesizer + 4 * (2 * (256 * 256 + 256) + 2)
}


@pytest.mark.parametrize(("attention", "parameters"), REFERENCE.items())
def test_the_reference_size_is_the_published_one(attention, parameters):
    assert model(f"attention={attention}").parameter_count() == parameters


def test_synthesizer_heads_apart_cost_what_the_yaml_says():
    made = model("attention=synthesizer", "model.attention.per_head=true")
    assert made.parameter_count() == 3_194_336  # 4 * 7 * 33 * 127 more


def test_the_sizes_are_of_all_variants():
    assert set(REFERENCE) == set(options("attention"))


def test_initial_weights_follow_their_table():
    made = model()
    for name, parameter in made.named_parameters():
        if name.endswith("bias") or "positions" in name:
            assert not parameter.any(), name
        elif "ln" in name:
            assert (parameter == 1).all(), name
        else:
            assert abs(float(parameter.std()) - 0.02) < 0.001, name
            assert abs(float(parameter.mean())) < 0.001, name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.n_head=7"], "n_embd=256 is not a multiple of n_head=7"),
        (["attention=synthesizer", "model.attention.columns=500"], "columns"),
    ],
)
def test_impossible_sizes_are_told_by_key(words, said):
    with pytest.raises(ConfigError, match=said):
        model(*words)


def test_only_models_are_built_from_a_specification():
    for target in ("os.system", "whence.data.world.folder_corpus", "pathlib.Path", "torch.load", "builtins.eval"):
        spec = OmegaConf.to_container(compose().model, resolve=True)
        for place in (spec, spec["attention"], spec["positions"]):
            kept, place["_target_"] = place["_target_"], target
            with pytest.raises(ConfigError, match="expected _target_ under whence.models"):
                build_model(spec, vocab_size=9)
            place["_target_"] = kept


def test_batches_of_other_shapes_run_the_same_compiled_code():
    """Of other lengths, whose pieces may be equally wide, with any number of positions beyond a round one."""
    torch.compiler.reset()
    small = ("model.n_layer=1", "model.n_head=2", "model.n_embd=40", "model.dropout=0")
    compiled = torch.compile(model(*small), dynamic=True, backend="aot_eager")

    def run(lengths):
        rows = [torch.arange(length) % 5 + 2 for length in lengths]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD_ID)
        compiled(ids, Layout.packed(ids)).sum().backward()

    run([3 + n % 11 for n in range(70)])
    with torch.compiler.set_stance("fail_on_recompile"):
        for rest in range(-2, 3):
            run([16 - rest, *[14] * 7, *[13] * 46, *[12] * 14, 8, 8])
