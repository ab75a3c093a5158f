"""Training by PyTorch beside training by TensorFlow, on the processor: the same steps, states that change places.

Runs where PyTorch is installed (`make test-gpu` makes such an environment), on a GPU too where there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch: make test-gpu")

from hw_amc.errors import ConfigError  # noqa: E402
from hw_amc.models import find  # noqa: E402
from hw_amc.models.gru_cnn import GruCnnSpec  # noqa: E402
from hw_amc.train import run  # noqa: E402
from hw_amc.train.checkpoint import load_arrays, save_arrays  # noqa: E402
from hw_amc.train.data import FrameSet, Varied, crop  # noqa: E402
from hw_amc.train.gpu.gru import run_gru  # noqa: E402
from hw_amc.train.gpu.learner import GpuLearner  # noqa: E402
from hw_amc.train.recipe import Phase, Stage  # noqa: E402
from hw_amc.train.teacher import load_teacher  # noqa: E402
from hw_amc.train.trainee import Trainee  # noqa: E402

INPUT = (12, 2)
SPEC = GruCnnSpec("t", 6, frame=(32, 2))
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def stage(**changed: Any) -> Stage:
    fields = {"name": "dense", "kind": "float", "dropout": 0.0, "phases": [Phase(crop=32, steps=1)]}
    return Stage.model_validate({**fields, **changed})


def frames() -> FrameSet:
    generator = np.random.default_rng(3)
    wire = generator.integers(-20000, 20000, (40, 32, 2)).astype(np.int16)
    return FrameSet(wire, np.arange(40, dtype=np.uint8) % 24, np.zeros(40, np.int8))


def pair(device: str, given: Stage) -> tuple[Trainee, GpuLearner]:
    """The same network on both sides, with weights drawn once."""
    teacher = given.teacher and load_teacher(given.teacher, SPEC, INPUT, given.teacher_share, given.temperature)
    ours, theirs = Trainee(SPEC.build(0.0), INPUT, teacher), GpuLearner(SPEC, given, INPUT, device)
    ours.draw_weights(np.random.default_rng(1))
    theirs.set_state(ours.state)
    return ours, theirs


@pytest.mark.parametrize("device", DEVICES)
def test_steps_are_the_same(device: str) -> None:
    ours, theirs = pair(device, stage())
    for learner in (ours, theirs):
        learner.prune(300)
    for number in range(5):
        rows = np.arange(number, 24 + number)
        drawn = [np.random.default_rng(number) for _ in range(2)]
        for learner, generator in zip((ours, theirs), drawn, strict=True):
            x, labels = learner.crop(frames(), rows, 20, generator, Varied(0.01, 6.0, 0.5))
            learner.figures = learner.step(x, labels, 0.01)
        assert ours.figures == pytest.approx(theirs.figures, abs=1e-4)
        if number == 0:  # Adam's means: the gradients, and their squares; a later step makes noise of small ones large
            for a, b in zip(ours.state[23:], theirs.state[23:], strict=True):
                np.testing.assert_allclose(a, b, atol=2e-6)
    assert sum(np.count_nonzero(k.detach().cpu()) for k in theirs.network.kernels) == 300


@pytest.mark.parametrize("device", DEVICES)
def test_frames_are_cut_alike(device: str) -> None:
    _, theirs = pair(device, stage())
    rows = np.array([3, 1, 20])
    ours = crop(frames(), rows, 16, np.random.default_rng(2), Varied(0.01, 3.0))
    x, labels = theirs.crop(frames(), rows, 16, np.random.default_rng(2), Varied(0.01, 3.0))
    assert np.abs(x.cpu().numpy() - ours[0]).max() <= 2.0**-14  # a tie on the wire's grid may fall either way
    np.testing.assert_array_equal(labels, ours[1])


@pytest.mark.parametrize("device", DEVICES)
def test_statistics_are_recalibrated_alike(device: str) -> None:
    ours, theirs = pair(device, stage())
    for learner in (ours, theirs):
        batches = [learner.crop(frames(), np.arange(n, n + 8), 32, np.random.default_rng(n))[0] for n in range(4)]
        learner.recalibrate(batches)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for learner in (ours, theirs):
        x, _ = learner.crop(frames(), np.arange(8), 32, np.random.default_rng(9))
        learner.logits_seen = learner.predict(x)[0]
    np.testing.assert_allclose(ours.logits_seen, theirs.logits_seen, atol=1e-4)


def test_a_teacher_weighs_as_on_the_processor(tmp_path: Path) -> None:
    wide = GruCnnSpec("wide", 9, frame=(32, 2))
    teacher = Trainee(wide.build(0.0), INPUT)
    teacher.draw_weights(np.random.default_rng(8))
    save_arrays(tmp_path / "teacher.npz", teacher.weights, {"network": wide.to_dict()})
    ours, theirs = pair("cpu", stage(teacher=tmp_path / "teacher.npz", teacher_share=0.7, temperature=3.0))
    losses = []
    for learner in (ours, theirs):
        x, labels = learner.crop(frames(), np.arange(16), 32, np.random.default_rng(0))
        losses.append(learner.step(x, labels, 0.01)[0])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_what_a_gpu_cannot_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device 'cuda:99'"):
        GpuLearner(SPEC, stage(), INPUT, "cuda:99")
    with pytest.raises(ConfigError, match=r"cannot be frozen on a GPU; use --device cpu"):
        GpuLearner(SPEC, stage(freeze=["GRU"]), INPUT, "cpu")
    with pytest.raises(ConfigError, match=r"is no GRU-CNN, .* use --device cpu"):
        GpuLearner(find("mtl"), stage(), INPUT, "cpu")
    with pytest.raises(ConfigError, match="140 cells do not fit"):
        GpuLearner(GruCnnSpec("t", 140), stage(), INPUT, "cpu")
    with pytest.raises(ConfigError, match=r"teacher\.npz does not exist"):
        GpuLearner(SPEC, stage(teacher=tmp_path / "teacher.npz"), INPUT, "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_kernel_on_a_gpu_equals_the_slow_form() -> None:
    generator = np.random.default_rng(4)
    shapes = ((64, 50, 2), (2, 240), (80, 240), (2, 240))
    drawn = [torch.tensor(generator.normal(0, 0.3, shape), dtype=torch.float32) for shape in shapes]
    results = []
    for device in ("cpu", "cuda"):
        x, *weights = (each.detach().clone().to(device).requires_grad_() for each in drawn)
        h = run_gru(x, (weights[0], weights[1], weights[2]))
        results.append([h, *torch.autograd.grad((h * h).sum(), [x, *weights])])
    for slow, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast.cpu(), slow, rtol=1e-3, atol=1e-3)


TOML = """
seed = 3
validate_every = 5
validate_frames = 32
checkpoint_every = 4
[data]
recipe = "radioml2018-v1"
train = [[0, 4, 2, 4]]
validation = [[0, 2, 2, 2]]
test = [[0, 2, 2, 2]]
[[stage]]
name = "dense"
kind = "float"
dropout = 0.0
phases = [{ crop = 16, steps = 6, batch = 8 }]
[[stage]]
name = "half"
kind = "prune"
sparsity = 0.5
ramp_steps = 2
dropout = 0.0
phases = [{ crop = 16, steps = 6, batch = 8 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 16, steps = 2, batch = 8 }]
"""


class Killed(Exception):
    pass


def test_a_run_changes_devices_between_its_stages(tmp_path: Path) -> None:
    """The float stages by PyTorch, killed once; the qat stage by TensorFlow from what they kept."""
    (tmp_path / "train.toml").write_text(TOML, encoding="utf-8")
    seen: list[tuple[str, int]] = []

    def progress(stage: Stage, phase: int, step: int, figures: dict[str, float]) -> None:
        seen.append((stage.name, step))
        if len(seen) == 11:
            raise Killed

    def train(report: Any, device: str) -> Path:
        options = run.RunOptions(data_dir=tmp_path / "data", progress=report, device=device)
        return run.run_recipe("gru_cnn_c40", tmp_path / "train.toml", tmp_path / "m", options)

    # PyTorch's own name for the processor that is not "cpu" to the run: the same code as on a GPU.
    with pytest.raises(Killed):
        train(progress, "cpu:0")
    assert seen[-1] == ("half", 4)
    later: list[tuple[str, int]] = []
    train(lambda stage, phase, step, figures: later.append((stage.name, step)), "cpu:0")
    assert later == [("half", 4), ("half", 5), ("deployed", 0), ("deployed", 1)]
    half, _ = load_arrays(tmp_path / "m" / "checkpoints" / "half.npz")
    kernels = [half[0], half[1], half[7], half[13]]
    assert sum(map(np.count_nonzero, kernels)) == sum(k.size for k in kernels) - round(sum(k.size for k in kernels) / 2)
