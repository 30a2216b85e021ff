"""Real sweeps: a failing job stops no other, the second call does what is missing, the table says it all."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY, at_home

ROOT = Path(__file__).resolve().parents[1]
QUICK = [*TINY, "trainer.max_steps=2", "logger=none"]

BROKEN = """
from whence.models.attention.vanilla import VanillaAttention


class Broken(VanillaAttention):
    def forward(self, x, layout):
        raise RuntimeError("this variant is broken on purpose")
"""
TOY = '''
from whence.models.attention.vanilla import VanillaAttention


class Toy(VanillaAttention):
    """Vanilla under another name."""
'''


@pytest.fixture
def variants(house):
    """Add variants as a user does: one Python file and one YAML each, nothing else."""

    def add(name, code, cls):
        (house / "src/whence/models/attention" / f"{name}.py").write_text(code)
        (house / "conf/model/attention" / f"{name}.yaml").write_text(
            f"# @package model\nname: {name}\nattention:\n"
            f"  _target_: whence.models.attention.{name}.{cls}\n  _partial_: true\n"
        )

    return add


def call(folder, *words, house=ROOT):
    return subprocess.run(
        [sys.executable, str(house / "train.py"), *words],
        cwd=folder, env=at_home(house), capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip


def test_three_rows_and_one_named_failure(tmp_path, variants, house):
    variants("zz_toy", TOY, "Toy")
    variants("zz_broken", BROKEN, "Broken")
    single = ["stage=finetune", "init_from=none"]
    words = ["-m", "attention=vanilla,zz_broken,synthesizer,zz_toy", "seed=0,1", *single, *QUICK]
    first = call(tmp_path, *words, house=house)
    assert first.returncode == 1
    for name in ("vanilla", "synthesizer", "zz_toy"):
        assert re.search(rf"{name} .*no .* 2 ", first.stdout), first.stdout + first.stderr
    assert "broken" not in first.stdout.replace("jobs", "")
    failures = [line for line in first.stderr.splitlines() if line.startswith("failed:")]
    assert len(failures) == 2
    assert all("attention=zz_broken" in line and "on purpose" in line for line in failures)
    sweep = next((tmp_path / "outputs/sweeps").iterdir())
    assert "on purpose" in next(sweep.glob("*/error.log")).read_text()
    assert {"report.md", "report.png"} <= {path.name for path in sweep.iterdir()}
    assert (sweep / "report.png").read_bytes().startswith(b"\x89PNG")

    (house / "src/whence/models/attention/zz_broken.py").write_text(TOY.replace("Toy", "Broken"))
    second = call(tmp_path, *words, house=house)
    assert second.returncode == 0, second.stderr
    assert len(re.findall(r"^finished before: ", second.stderr, flags=re.M)) == 6
    assert re.search(r"zz_broken .*no .* 2 ", second.stdout)
    notes = [json.loads(path.read_text()) for path in (tmp_path / "outputs/sweeps").glob("*/*/job.json")]
    assert [note["state"] for note in notes].count("failed") == 2


def test_a_toy_variant_passes_the_contract(variants, house):
    variants("zz_toy", TOY, "Toy")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-k", "zz_toy", "tests/contract"],
        cwd=house, env=at_home(house), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert re.search(r"1[0-9] passed|\.{10,}", process.stdout)


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers(tmp_path, launcher):
    pytest.importorskip({"joblib": "hydra_plugins.hydra_joblib_launcher",
                         "submitit_local": "hydra_plugins.hydra_submitit_launcher"}[launcher])  # fmt: skip
    process = call(tmp_path, "-m", f"launcher={launcher}", "attention=vanilla,synthesizer", "stage=finetune",
                   "init_from=none", *QUICK)  # fmt: skip
    assert process.returncode == 0, process.stderr
    for name in ("vanilla", "synthesizer"):
        assert re.search(rf"{name} .*no ", process.stdout), process.stdout + process.stderr


def test_several_devices_are_refused_in_a_sweep(tmp_path):
    process = call(tmp_path, "-m", "seed=0,1", "trainer=ddp", "stage=pretrain", *QUICK)
    assert process.returncode == 1
    assert "each job of a sweep runs on one device" in process.stderr


def test_two_processes_make_one_run(tmp_path):
    """DDP over gloo on two CPU processes: one result, the same steps."""
    words = [word for word in QUICK if word != "logger=none"]
    process = call(tmp_path, "trainer=ddp", "trainer.accelerator=cpu", *words)
    assert process.returncode == 0, process.stderr
    for stage in ("pretrain", "evaluate"):
        results = list((tmp_path / "outputs").glob(f"{stage}/*/result.json"))
        assert len(results) == 1
    assert json.loads(results[0].read_text())["dev"]["total"] > 0
    for once in ("predictions: ", "[2/4] ", "pretrain vanilla  step 2/2 "):
        assert process.stderr.count(once) == 1, "each process says it"
    assert "Next:" in process.stderr
    assert " -m " not in process.stderr.split("Next:")[1], "a sweep refuses several processes"
    again = call(tmp_path, "trainer=ddp", "trainer.accelerator=cpu", "rerun=true", *words)
    assert again.returncode == 0, again.stderr
    assert "going on from step" not in again.stderr, "a process that takes what another one clears away"


def test_a_sweep_makes_anew_what_its_jobs_share_once(tmp_path):
    words = ["-m", "stage=pipeline", "recipe.finetune.lr=1e-3,1e-4", *QUICK]
    assert call(tmp_path, *words).returncode == 0
    again = call(tmp_path, *words, "rerun=true")
    assert again.returncode == 0, again.stderr
    begun = re.findall(r"^(\w+): [0-9,]+ parameters, .* -> (\S+)$", again.stderr, flags=re.M)
    assert len(begun) == len(set(begun)), "trained twice"
    assert [stage for stage, _ in begun].count("pretrain") == 1
    assert [stage for stage, _ in begun].count("finetune") == 4
