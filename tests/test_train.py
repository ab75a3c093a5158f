"""Training: the fast kernels against Keras, recipes, checkpoints, the whole run to the card."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from tensorflow import keras

from hw_amc.compress import load_deployed
from hw_amc.compress.build import input_format_of
from hw_amc.compress.deploy import round_input
from hw_amc.errors import ConfigError, DataError
from hw_amc.models import MODELS, GruCnnSpec, find, find_classes, from_dict, kim, vtcnn2
from hw_amc.report import load_accuracy
from hw_amc.train import duration, evaluate, run
from hw_amc.train.card import confusion
from hw_amc.train.checkpoint import load_arrays, save_arrays
from hw_amc.train.data import FrameSet, Varied, crop, load_frames, whole
from hw_amc.train.fit import require_fitting, takes_length
from hw_amc.train.optimiser import Adam
from hw_amc.train.predictions import Predictions, load_predictions
from hw_amc.train.progress import training_bar
from hw_amc.train.recipe import Phase, Stage, load_recipe_file
from hw_amc.train.teacher import load_teacher, soft_loss
from hw_amc.train.trainee import Trainee

PROJECTS = Path(__file__).parents[1] / "hls_projects"
#: Format of the input where nobody asks for another.
INPUT = (8, 1)
FOUR = (("a", "b", "c", "d"),)


def test_adam_takes_the_published_first_step() -> None:
    v = tf.Variable([1.0, -2.0])
    Adam([v], clip=1e9).apply([tf.constant([0.5, -3.0])], tf.constant(0.1))
    np.testing.assert_allclose(v.numpy(), [0.9, -1.9], atol=1e-6)  # a step of the rate, against the sign


@pytest.mark.parametrize("gradient", [np.inf, np.nan, 3e30])
def test_adam_leaves_out_a_step_whose_gradient_overflows(gradient: float) -> None:
    v = tf.Variable([1.0, -2.0])
    adam = Adam([v])
    tf.function(adam.apply)([tf.constant([0.5, gradient])], tf.constant(0.1))
    assert v.numpy().tolist() == [1.0, -2.0]
    assert [each.numpy().tolist() for each in adam.state] == [0.0, [0.0, 0.0], [0.0, 0.0]]


def test_learning_rate_warms_up_and_falls() -> None:
    phase = Phase(crop=64, steps=1000, learning_rate=1.0, final_share=0.1, warmup=100)
    assert phase.rate(0) == pytest.approx(0.01)
    assert phase.rate(99) == pytest.approx(1.0)
    assert phase.rate(550) == pytest.approx(0.55, abs=0.01)
    assert phase.rate(1000) == pytest.approx(0.1)


def frame_set(n: int = 6, T: int = 32) -> FrameSet:
    generator = np.random.default_rng(12)
    wire = generator.integers(-(2**13), 2**13, (n, T, 2)).astype(np.int16)
    return FrameSet(wire, np.arange(n, dtype=np.uint8), np.zeros(n, np.int8))


def test_crops_stay_on_the_wire_grid_and_keep_their_power() -> None:
    frames = frame_set()
    x, labels = crop(frames, np.array([3, 1]), 16, np.random.default_rng(13))
    assert x.shape == (2, 16, 2)
    assert labels.tolist() == [3, 1]
    np.testing.assert_array_equal(x * 2**14, np.rint(x * 2**14))
    power = np.square(whole(frames, [3])[0][0]).sum(-1)
    got = np.square(x[0]).sum(-1)
    starts = [s for s in range(17) if np.allclose(power[s : s + 16], got, atol=1e-3)]
    assert len(starts) == 1


def test_a_share_of_the_frames_gets_a_random_gain() -> None:
    n, T = 200, 8
    frames = FrameSet(np.full((n, T, 2), 1000, np.int16), np.zeros(n, np.uint8), np.zeros(n, np.int8))
    for share, expected in ((1.0, 0), (0.5, 93), (0.0, 200)):
        x, _ = crop(frames, np.arange(n), T, np.random.default_rng(3), Varied(gain_db=6.0, gain_share=share))
        power = np.square(x * 2**14).sum(-1).mean(-1)
        assert np.count_nonzero(np.abs(power / 2e6 - 1) < 2e-3) == expected
        assert np.abs(10 * np.log10(power / 2e6)).max() <= 6.01


def test_a_carrier_offset_turns_each_sample_further() -> None:
    T = 32
    wire = np.zeros((1, T, 2), np.int16)
    wire[..., 0] = 2**13
    frames = FrameSet(wire, np.zeros(1, np.uint8), np.zeros(1, np.int8))
    x, _ = crop(frames, np.array([0]), T, np.random.default_rng(14), Varied(carrier_offset=0.01))
    turns = np.diff(np.unwrap(np.arctan2(x[0, :, 1], x[0, :, 0]))) / (2 * np.pi)
    assert 1e-4 < abs(turns.mean()) < 0.01
    np.testing.assert_allclose(turns, turns.mean(), atol=1e-4)  # but for the rounding to the wire


def test_damaged_kept_data_is_refused(tmp_path: Path) -> None:
    load_frames("radioml2018-v1", [([10], 1)], 1, tmp_path)
    kept = sorted(tmp_path.glob("*wire.npy"))
    # The name of every release: another one would make users generate their gigabytes again.
    assert [path.name for path in kept] == ["radioml2018-v1-d1b4f10610189950-wire.npy"]
    kept[0].write_bytes(b"torn")
    with pytest.raises(DataError, match="delete"):
        load_frames("radioml2018-v1", [([10], 1)], 1, tmp_path)


RECIPE = """
seed = 5
validate_every = 4
validate_frames = 24
checkpoint_every = 2
[data]
recipe = "radioml2018-v1"
train = [[10, 20, 10, 2]]
validation = [[20, 20, 2, 1]]
test = [[10, 10, 2, 1]]
beside = ["radioml2018-v2"]
[[stage]]
name = "dense"
kind = "float"
phases = [{ crop = 32, steps = 4, batch = 8, learning_rate = 3e-3, warmup = 1 }]
dropout = 0.0
[[stage]]
name = "pruned"
kind = "prune"
sparsity = 0.7
ramp_steps = 2
dropout = 0.0
phases = [{ crop = 32, steps = 5, batch = 8, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 64, steps = 4, batch = 8, warmup = 1 }]
"""


Tiny = tuple[GruCnnSpec, Path]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    spec = GruCnnSpec("tiny", 10, sparsity=0.7)
    monkeypatch.setitem(MODELS, "tiny", spec)
    (tmp_path / "train.toml").write_text(RECIPE)
    return spec, tmp_path


def train(folder: Path, out: Path, stop_after: int | None = None, restart: bool = False, model: str = "tiny") -> Path:
    seen: list[tuple[str, int]] = []

    def progress(stage: Stage, phase: int, step: int, figures: dict[str, float]) -> None:
        seen.append((stage.name, step))
        if stop_after is not None and len(seen) == stop_after:
            raise KeyboardInterrupt

    options = run.RunOptions(restart, folder / "data", progress)
    return run.run_recipe(model, folder / "train.toml", out, options)


def test_a_killed_and_resumed_training_ends_in_the_same_weights(tiny: Tiny) -> None:
    spec, folder = tiny
    straight = load_deployed(train(folder, folder / "a"))
    for stop_after in (3, 5, 4):  # in the dense stage, at the pruning ramp, in the quantised stage
        with pytest.raises(KeyboardInterrupt):
            train(folder, folder / "b", stop_after=stop_after)
    resumed = load_deployed(train(folder, folder / "b"))
    assert (folder / "a" / "weights.h5").read_bytes() == (folder / "b" / "weights.h5").read_bytes()
    for a, b in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    counts = evaluate.count_weights(resumed)
    assert counts["kernel_weights"] == spec.kernel_weights
    assert counts["kernel_nonzeros"] <= spec.kernel_nonzeros
    arrays, _ = load_arrays(folder / "b" / "checkpoints" / "pruned.npz")
    kernels = [a for a in arrays if a.shape in {(2, 30), (10, 30), (3, 10, 16), (3, 16, 24)}]
    biases = [a for a in arrays if a.shape == (2, 30)]
    assert len(biases) == 2  # the input kernel and the bias have one shape; the bias stays dense
    assert sum(np.count_nonzero(k) for k in kernels) - np.count_nonzero(arrays[2]) == spec.kernel_nonzeros
    assert [p.name for p in (folder / "b" / "checkpoints").glob(".*npz*")] == []
    report, problem = load_accuracy(folder / "b")
    assert report is not None, problem
    assert report["eval_set"]["frames"] == 24
    assert set(report["accuracy"]) == {"10"}
    card = (folder / "b" / "MODEL_CARD.md").read_text()
    assert f"| kernel weights | {spec.kernel_weights} | {counts['kernel_weights']} |" in card
    assert f"Average over all SNRs: {100 * report['average']:.2f} %" in card
    (other,) = report["beside"]
    assert (other["eval_set"]["recipe"], other["eval_set"]["frames"]) == ("radioml2018-v2", 24)
    assert f"| average | {100 * other['average']:.2f} |" in card
    assert report["float"]["checkpoint"] == "pruned.npz"
    assert f"`pruned.npz`, on the same frames: {100 * report['float']['average']:.2f} % on average" in card


def test_a_recipe_goes_on_from_another_one_and_learns_from_a_teacher(tiny: Tiny) -> None:
    spec, folder = tiny
    train(folder, folder / "a")
    first = RECIPE[: RECIPE.index("[[stage]]")]
    (folder / "train.toml").write_text(
        'start = "a/checkpoints/pruned.npz"\n'
        + first
        + """
[[stage]]
name = "sparser"
kind = "prune"
start_sparsity = 0.7
sparsity = 0.8
scope = "layer"
teacher = "a/checkpoints/dense.npz"
phases = [{ crop = 32, steps = 2, batch = 8, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
teacher = "a/checkpoints/dense.npz"
phases = [{ crop = 32, steps = 2, batch = 8, warmup = 1 }]
[widths.gru]
kernel_bits = 4
recurrent_bits = 4
"""
    )
    counts = evaluate.count_weights(load_deployed(train(folder, folder / "b")))
    assert 0 < counts["kernel_nonzeros"] <= round(0.2 * spec.kernel_weights)
    assert list((folder / "b" / "checkpoints" / "logs").glob("events.*"))
    card = (folder / "b" / "MODEL_CARD.md").read_text()
    assert "Begins with `a/checkpoints/pruned.npz`, SHA-256 " in card
    assert "a/checkpoints/dense.npz" in card.split("## Training")[1]
    times = duration.estimate_duration(spec, load_recipe_file(folder / "train.toml"))
    assert [(t.stage, t.phase, t.steps) for t in times] == [("sparser", 1, 2), ("deployed", 1, 2)]
    assert all(t.seconds_per_step > 0 for t in times)
    (folder / "a" / "checkpoints" / "pruned.npz").unlink()
    with pytest.raises(ConfigError, match="run the recipe that makes it"):
        train(folder, folder / "c")


@pytest.mark.parametrize("cells", [6, 14])
def test_a_recipe_goes_on_from_one_of_other_cells(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    _, folder = tiny
    train(folder, folder / "a")
    monkeypatch.setitem(MODELS, "other", GruCnnSpec("other", cells))
    (folder / "train.toml").write_text('start = "a/checkpoints/dense.npz"\n' + RECIPE)
    counts = evaluate.count_weights(load_deployed(train(folder, folder / "b", model="other")))
    assert counts["kernel_nonzeros"] <= MODELS["other"].kernel_weights
    monkeypatch.setitem(MODELS, "other", GruCnnSpec("other", cells, classes=(find_classes("radioml2018")[0][:5],)))
    with pytest.raises(ConfigError, match="holds the weights of another network"):
        train(folder, folder / "c", model="other")


def test_the_soft_loss_is_the_divergence_from_the_teacher() -> None:
    taught, given = np.array([[2.0, 0.0]], np.float32), np.array([[0.0, 0.0]], np.float32)
    p = 1 / (1 + np.exp(-1.0))  # at temperature 2
    expected = 4 * (p * np.log(p / 0.5) + (1 - p) * np.log((1 - p) / 0.5))
    np.testing.assert_allclose(soft_loss(taught, given, 2.0), expected, rtol=1e-5)
    assert float(soft_loss(taught, taught, 2.0)) == 0.0


def test_a_checkpoint_is_not_overwritten_or_mixed_up(tiny: Tiny) -> None:
    _, folder = tiny
    with pytest.raises(KeyboardInterrupt):
        train(folder, folder / "a", stop_after=3)
    (folder / "train.toml").write_text(RECIPE.replace("seed = 5", "seed = 6"))
    with pytest.raises(ConfigError, match=r"another train\.toml"):
        train(folder, folder / "a")
    (folder / "a" / "checkpoints" / "state.npz").write_bytes(b"torn")
    with pytest.raises(DataError, match="damaged"):
        train(folder, folder / "a")
    kept = folder / "a" / "checkpoints" / "another_recipes.npz"
    kept.write_bytes(b"weights")
    with pytest.raises(KeyboardInterrupt):
        train(folder, folder / "a", stop_after=1, restart=True)
    assert kept.read_bytes() == b"weights"


def test_a_training_does_not_begin_with_a_file_that_it_writes(tiny: Tiny) -> None:
    _, folder = tiny
    (folder / "train.toml").write_text('start = "a/checkpoints/dense.npz"\n' + RECIPE)
    with pytest.raises(ConfigError, match=r"start = dense\.npz is a file that this training writes"):
        train(folder, folder / "a")


def test_a_loss_that_is_no_number_ends_the_training_with_the_mend(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen before: a quantised stage that diverged went on to its end and gave weights that were not numbers."""
    _, folder = tiny
    monkeypatch.setattr(Trainee, "step", lambda *_: (float("nan"), 0.0))
    with pytest.raises(
        DataError, match=r"stage dense: the loss is nan at step 1 of 4; lower .* learning_rate of 0\.003"
    ):
        train(folder, folder / "a")
    assert not (folder / "a" / "weights.h5").exists()


def test_training_lowers_the_loss() -> None:
    trainee = Trainee(GruCnnSpec("t", 12).build(0.0), INPUT)
    frames = load_frames_once()
    generator = np.random.default_rng(14)
    losses = []
    for _ in range(40):
        x, labels = crop(frames, generator.integers(0, len(frames), 48), 64, generator)
        losses.append(trainee.step(x, labels, 1e-2)[0])
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.3


def load_frames_once() -> FrameSet:
    from hw_amc.radio import generate_wire_set, load_recipe

    return FrameSet(*generate_wire_set(load_recipe("radioml2018-v1"), 4, [30], 0, workers=1))


def test_recalibrated_statistics_are_the_mean_over_the_batches() -> None:
    trainee = Trainee(GruCnnSpec("t", 6, frame=(32, 2)).build(0.0), INPUT)
    generator = np.random.default_rng(15)
    batches = [generator.normal(0, 0.5, (4, 32, 2)).astype(np.float32) for _ in range(3)]
    trainee.recalibrate(batches)
    gru = keras.Model(trainee.model.input, trainee.model.get_layer("gru").output)
    means = [np.mean(gru(round_input(b, *INPUT)).numpy(), axis=(0, 1)) for b in batches]
    np.testing.assert_allclose(trainee.model.get_layer("gru_norm").moving_mean, np.mean(means, 0), atol=1e-5)


def test_accuracy_report_counts_by_snr() -> None:
    classes, labels = np.array([[0, 1, 1, 0, 1, 2], [0, 1, 2, 0, 1, 2]], np.uint8)
    report = evaluate.accuracy_report(Predictions(classes, labels, np.array([0, 0, 0, 10, 10, 10], np.int8), {}))
    assert report["accuracy"] == {"0": 0.66667, "10": 1.0}
    assert report["average"] == 0.83333
    assert report["at_least_10_db"] == 1.0
    assert report["confusion"]["0"][2][1] == 1
    assert sum(map(sum, report["confusion"]["10"])) == 3
    names = find("gru_cnn_c40").classes
    lines = confusion(report, names)
    assert lines[lines.index("At 0 dB:") + 5].split() == ["8ASK", ".", "1", *22 * "."]
    assert confusion({"confusion": {}}, names) == []


def test_answers_of_two_heads_are_right_when_both_are() -> None:
    answers, labels = np.array([[0, 1], [1, 1], [1, 0]], np.uint8), np.array([[0, 1], [1, 0], [1, 0]], np.uint8)
    names = (("a", "b"), ("c", "d", "e"))
    report = evaluate.accuracy_report(Predictions(answers, labels, np.array([0, 0, 10], np.int8), {}, names))
    assert (report["accuracy"], report["average"], report["confusion"]) == ({"0": 0.5, "10": 1.0}, 0.66667, {})
    assert [head["average"] for head in report["heads"]] == [1.0, 0.66667]
    assert report["heads"][1]["confusion"]["0"] == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    lines = confusion(report, names)
    assert [line.split() for line in lines if line.startswith("c")] == [["c", ".", "1", "."], ["c", "1", ".", "."]]


TWO_HEADS = """
head_shares = [0.2, 0.8]
validate_frames = 16
[data]
recipe = "radcom-awgn-v1"
train = [[10, 18, 8, 2]]
validation = [[18, 18, 2, 2]]
test = [[10, 10, 2, 2]]
[[stage]]
name = "dense"
kind = "float"
phases = [{ crop = 128, steps = 3, batch = 8, warmup = 1 }]
[[stage]]
name = "sparse"
kind = "prune"
sparsity = 0.5
freeze = ["trunk*"]
phases = [{ crop = 128, steps = 2, batch = 8, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 128, steps = 2, batch = 8, warmup = 1 }]
[widths.input_quant]
bits = 6
"""


def test_a_network_with_two_heads_is_trained_and_measured(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(TWO_HEADS)
    model = load_deployed(train(tmp_path, tmp_path / "mtl", model="mtl"))
    assert input_format_of(model) == (6, 1)
    counts = evaluate.count_weights(model)
    assert counts["kernel_weights"] == find("mtl").kernel_weights == 253576
    assert 0 < counts["kernel_nonzeros"] <= 126788
    report, problem = load_accuracy(tmp_path / "mtl")
    assert report is not None, problem
    assert report["eval_set"]["frames"] == 24  # twelve emitters
    assert [np.array(head["confusion"]["10"]).shape for head in report["heads"]] == [(9, 9), (11, 11)]
    card = (tmp_path / "mtl" / "MODEL_CARD.md").read_text()
    assert "9 + 11 classes, frames of 128 I/Q samples" in card
    assert "Average over all SNRs, signal:" in card
    kept = load_predictions(tmp_path / "mtl")
    assert (kept.classes.shape, kept.names) == ((24, 2), find("mtl").classes)
    _, note = load_arrays(tmp_path / "mtl" / "checkpoints" / "dense.npz")
    assert from_dict(note["network"]).to_dict() == find("mtl").to_dict()


def test_classes_of_project_toml_are_trained(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(
        RECIPE.replace("radioml2018-v1", "radioml2016-v1").replace("[10, 10, 2, 1]", "[10, 10, 2, 2]")
    )
    out = tmp_path / "c40"
    out.mkdir()
    (out / "project.toml").write_text('classes = "radioml2016"\nframe = [128, 2]\n')
    model = load_deployed(train(tmp_path, out, model="gru_cnn_c40"))
    assert (model.input_shape, model.output_shape) == ((None, 128, 2), (None, 11))
    assert json.loads((out / "accuracy.json").read_text())["eval_set"]["frames"] == 22


def test_a_wait_without_steps_is_shown_with_its_time(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = tiny
    monkeypatch.setenv("TERM", "xterm")  # a dumb terminal is shown the last line only
    stage = load_recipe_file(folder / "train.toml").stages[0]
    shown = StringIO()
    with training_bar(Console(file=shown, force_terminal=True, width=100)) as bar:
        with bar.waiting("frames of the recipe"):
            pass
        bar(stage, 0, 0, {"loss": 1.5})
    assert re.search(r"frames of the recipe .*0:00:00", shown.getvalue())
    last = shown.getvalue().splitlines()[-2]  # then the cursor is shown again
    assert "loss 1.500" in last
    assert "frames of the recipe" not in last


def test_an_unknown_recipe_beside_is_said_before_training(tiny: Tiny) -> None:
    _, folder = tiny
    (folder / "train.toml").write_text(RECIPE.replace("radioml2018-v2", "radioml2018-v9"))
    with pytest.raises(ConfigError, match="radioml2018-v9"):
        train(folder, folder / "a")
    assert not list((folder / "a").rglob("*.npz"))


def test_what_does_not_fit_a_network_is_said_before_training(tiny: Tiny) -> None:
    _, folder = tiny
    for old, new, message in (
        ("crop = 64", "crop = 2048", "crop = 2048 is more than the 1024 samples of a frame"),
        ('name = "dense"', 'name = "dense"\nmin_snr_db = 30', "no training frame has min_snr_db = 30 dB or more"),
        ("seed = 5", "seed = 5\nhead_shares = [0.5, 0.5]", "head_shares must have 1 entries"),
    ):
        (folder / "train.toml").write_text(RECIPE.replace(old, new))
        with pytest.raises(ConfigError, match=message):
            train(folder, folder / "a")


@pytest.mark.parametrize("build", [kim.KimSpec, vtcnn2.Vtcnn2Spec])
def test_a_network_of_one_length_takes_no_crops(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One begins with a Reshape, the other has a dense layer behind a Flatten."""
    for field in ("FIRST", "SECOND", "UNITS"):
        monkeypatch.setattr(vtcnn2, field, 4)
    spec = build("small", classes=FOUR, frame=(64, 2))
    assert takes_length(spec, 64)
    assert not takes_length(spec, 32)
    assert takes_length(GruCnnSpec("tiny", 4, frame=(64, 2)), 32)
    phase = Phase(crop=32, steps=1, batch=1)
    recipe = load_recipe_file(PROJECTS / "lightweight" / "train.toml")
    stage = recipe.stages[0].model_copy(update={"phases": (phase,)})
    frames = FrameSet(np.zeros((1, 64, 2), np.int16), np.zeros(1, np.uint8), np.array([30], np.int8))
    with pytest.raises(ConfigError, match="small takes whole frames alone; crop must be 64, not 32"):
        require_fitting(spec, recipe.model_copy(update={"stages": (stage,), "head_shares": ()}), frames)


@pytest.mark.parametrize(
    "wrong", [{"generator": {}}, {"position": {"stage": 0, "foo": 1}}, {"best": "x"}, {"position": 3}]
)
def test_a_state_that_lacks_something_is_damaged(tiny: Tiny, wrong: dict[str, object]) -> None:
    spec, folder = tiny
    recipe = load_recipe_file(folder / "train.toml")
    made = run.Run(spec, recipe, folder / "damaged", folder / "data", lambda *_: None)
    made.save()
    arrays, note = load_arrays(made._state_path)
    assert made.resume()
    save_arrays(made._state_path, arrays, {**note, **wrong})
    with pytest.raises(DataError, match=r"state\.npz is damaged; delete it, or give --restart"):
        made.resume()


def test_the_input_is_rounded_in_training_as_it_is_deployed(tiny: Tiny) -> None:
    spec, folder = tiny
    (folder / "train.toml").write_text(RECIPE + "[widths.input_quant]\nbits = 4\n")
    recipe = load_recipe_file(folder / "train.toml")
    made = run.Run(spec, recipe, folder / "a", folder / "data", lambda *_: None)
    assert made.input_format == (4, 1)
    trainee = made._make_learner(recipe.stages[0])
    x = np.random.default_rng(1).normal(size=(4, 64, 2)).astype(np.float32)
    (coarse,), (exact,) = trainee.predict(round_input(x, 4, 1)), trainee.predict(x)
    np.testing.assert_array_equal(coarse, exact)


@pytest.mark.parametrize("path", sorted(PROJECTS.glob("*/checkpoints/*.npz")), ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_committed_checkpoints_fit_their_networks(path: Path) -> None:
    arrays, _ = load_arrays(path)
    shapes = [array.shape for array in arrays]
    spec = find(path.parts[-3])
    expected = Trainee(deployed.untrained(spec), None).weights if path.stem == "deployed" else spec.build().weights
    assert shapes == [tuple(variable.shape) for variable in expected]


def test_a_teacher_is_found_by_its_weights_or_by_what_its_file_says(tmp_path: Path) -> None:
    student = find("gru_cnn_c40")
    x = np.zeros((1, 1024, 2), np.float32)
    old = load_teacher(PROJECTS / "gru_cnn_c80" / "checkpoints" / "dense.npz", student, INPUT)
    assert old.logits(x)[0].shape == (1, 24)
    odd = GruCnnSpec("odd", 13)
    save_arrays(tmp_path / "odd.npz", odd.build().get_weights(), {"stage": "a", "network": odd.to_dict()})
    assert load_teacher(tmp_path / "odd.npz", student, INPUT).logits(x)[0].shape == (1, 24)
    save_arrays(tmp_path / "unsaid.npz", odd.build().get_weights(), {"stage": "a"})
    save_arrays(tmp_path / "mtl.npz", find("mtl").build().get_weights(), {"network": find("mtl").to_dict()})
    for name in ("unsaid", "mtl"):
        with pytest.raises(ConfigError, match=f"{name}.npz holds no network of gru_cnn_c40's classes"):
            load_teacher(tmp_path / f"{name}.npz", student, INPUT)
