"""The benchmarks run and print what they promise; their figures are not tested."""

import re

from conftest import TINY

from benchmarks import profile, run


def test_the_profile_of_a_step_adds_up(tmp_path, capsys):
    profile.main([*TINY, f"run_root={tmp_path}", "recipe=recall", "trainer.max_steps=8"])
    said = capsys.readouterr().out
    spent = {name: int(ms) for name, ms in re.findall(r"│ ([a-z ]+?) +│ +(\d+) │", said)}
    assert abs(spent["a step"] - sum(spent[name] for name in ("forward", "backward", "optimizer"))) <= 3
    assert "GFLOP at" in said


def test_two_sides_take_turns_and_their_ratio_is_told():
    asked = []
    found = run.measure((lambda: asked.append("theirs") or 2.0, lambda: asked.append("ours") or 6.0), rounds=2)
    assert asked == ["theirs", "ours"] * 3  # a warm-up first
    assert found["ratio"] == 3
    assert found["ratios"] == [3, 3]
