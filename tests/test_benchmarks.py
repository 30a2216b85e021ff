"""The benchmarks run and print what they promise; their figures are not tested."""

import json
import re

from conftest import TINY

from benchmarks import profile, rivals, run


def test_a_step_is_profiled(tmp_path, capsys):
    profile.main([*TINY, f"run_root={tmp_path}", "recipe=recall", "trainer.max_steps=8"])
    said = capsys.readouterr().out
    spent = {name: int(ms) for name, ms in re.findall(r"│ ([a-z ]+?) +│ +(\d+) │", said)}
    kinds = [spent[kind] for kind in profile.KINDS]
    assert spent["attention"] < sum(kinds)
    assert spent["a step"] > 0
    # 6 multiply-adds by two operations, of matrices with weights, for the characters that pass them all.
    characters = int(re.search(r"([\d,]+) real characters", said)[1].replace(",", ""))
    assert 0 < float(re.search(r"floor: ([\d.]+) GFLOP at", said)[1]) < 6 * 15_000 * characters / 1e9
    assert float(re.search(r"floor: (\d+) MB at", said)[1]) > 7 * 4 * 15_000 / 1e6


def test_rivals_run_and_are_set_beside_the_textbook(capsys):
    assert rivals.main(["--rounds", "1", "--steps", "1", "--batch", "2"]) == 0
    said = capsys.readouterr().out
    assert {name.strip() for name in re.findall(r"│ ([\w' ]+?) +│", said)} >= {"textbook", "nanoGPT's loop", "whence"}


def test_sides_take_turns_and_their_ratios_are_told():
    asked = []

    def side(name, speed):
        return lambda: asked.append(name) or speed

    ours = {("auto", "32-true"): side("ours", 6.0), ("fast", "32-true"): side("fast", 8.0)}
    auto, fast = run.measure((side("theirs", 2.0), ours), rounds=2)
    assert asked == ["theirs", "ours", "fast"] * 3  # a warm-up first
    assert (auto["trainer"], auto["ratio"], auto["ratios"]) == ("auto", 3, [3, 3])
    assert (fast["trainer"], fast["ratio"], fast["textbook"]) == ("fast", 4, 2)


def test_quick_prints_a_table_and_keeps_its_figures(tmp_path, capsys):
    assert run.main(["--quick", "--into", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    rows = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    assert [row["what"] for row in rows] == ["pretraining, documents/s", "finetuning, questions/s", "answers/s"]
    assert all(row["what"] in said and f"{row['ratio']:.1f}" in said for row in rows)
    assert (tmp_path / "benchmark.png").stat().st_size > 1000
