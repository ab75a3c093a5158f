"""A limit of time: how phases share it, and that a training ends in it with what it says of its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw_amc.models import MODELS, GruCnnSpec
from hw_amc.train import budget, run
from hw_amc.train.budget import Budget, Pace
from hw_amc.train.recipe import Phase, Stage

RECIPE = """
seed = 5
validate_every = 7
validate_frames = 24
checkpoint_every = 100000
[data]
recipe = "radioml2016-v1"
train = [[10, 10, 2, 2]]
validation = [[10, 10, 2, 1]]
test = [[10, 10, 2, 1]]
[[stage]]
name = "float"
kind = "prune"
sparsity = 0.5
ramp_steps = 3
phases = [{ crop = 32, steps = 1000000, batch = 4 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 32, steps = 1000000, batch = 4 }, { crop = 64, steps = 2, batch = 4 }]
"""


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


def stage(kind: str, *phases: Phase, ramp_steps: int = 0) -> Stage:
    return Stage.model_validate({"name": kind, "kind": kind, "phases": list(phases), "ramp_steps": ramp_steps})


def test_phases_share_the_time_by_their_work(clock: Clock) -> None:
    first, second = Phase(crop=64, steps=100, batch=10), Phase(crop=128, steps=100, batch=10)
    stages = [stage("float", first, second), stage("qat", first)]  # 1 + 2 + 1 parts
    limit = Budget(40.0, clock.now)
    assert limit.pace(stages, 0, 0) == Pace(0, 100, 100.0, 10.0)
    clock.now += 22  # the first phase took twice its time: 18 s are left for 3 parts
    assert limit.pace(stages, 1, 0) == Pace(0, 100, 122.0, 12.0)
    assert limit.pace(stages, 1, 50).seconds == 9.0  # half of its steps are done: 1 part of 2
    assert limit.pace(stages[1:], 0, 0).seconds == 18.0
    clock.now += 100
    assert limit.pace(stages[1:], 0, 0).seconds == 0.0
    assert Budget().pace(stages, 0, 0).seconds is None


def test_the_count_of_steps_keeps_up_with_the_time(clock: Clock) -> None:
    pace = Pace(20, 100, clock.now, 8.0)
    assert pace.after(20) == 21
    clock.now += 1.0  # an eighth of the time, so an eighth of the 80 steps
    assert (pace.after(20), pace.after(40)) == (30, 41)
    clock.now += 60.0
    assert pace.after(30) == 100
    assert Pace(0, 100, 0.0, None).after(7) == 8
    assert Pace(0, 100, 0.0, 0.0, whole=10).after(8) == 9  # weights are removed by an exact plan
    assert Pace(0, 100, 0.0, 0.0, whole=10).after(10) == 100


def test_a_pruning_phase_takes_all_steps_of_its_ramp(clock: Clock) -> None:
    phase = Phase(crop=64, steps=100)
    assert Budget(1.0, clock.now).pace([stage("prune", phase, phase, ramp_steps=30)], 0, 0).whole == 31
    assert Budget(1.0, clock.now).pace([stage("prune", phase, phase, ramp_steps=30)], 1, 0).whole == 0


@pytest.mark.train
def test_a_training_ends_in_its_time_and_says_how_many_steps_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = GruCnnSpec("tiny", 8, sparsity=0.5)
    monkeypatch.setitem(MODELS, "tiny", spec)
    (tmp_path / "train.toml").write_text(RECIPE)
    (tmp_path / "project.toml").write_text('classes = "radioml2016"\nframe = [128, 2]\n')
    seen: list[tuple[str, int]] = []
    told = lambda stage, phase, step, figures: seen.append((stage.name, step))  # noqa: E731
    options = run.RunOptions(data_dir=tmp_path / "data", progress=told, minutes=0.02)
    run.run_recipe("tiny", tmp_path / "train.toml", tmp_path, options)
    taken = json.loads((tmp_path / "checkpoints" / "summary.json").read_text())["steps"]
    assert sum(map(sum, taken.values())) == len(seen) < 100_000
    assert taken["float"][0] >= 4
    assert len(taken["deployed"]) == 2
    assert [step for name, step in seen if name == "float"][:4] == [0, 1, 2, 3]
    assert ("float", 999_999) in seen
    assert seen[-1] == ("deployed", 1)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"| float 1 | prune | 0.5 | 32 | 4 | {taken['float'][0]} of 1000000 |" in card
