from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress import build_deployed, load_deployed, round_weights
from hw_amc.compress.deployed import rebuild
from hw_amc.compress.formats import merge
from hw_amc.errors import ConfigError, DataError
from hw_amc.models import MODELS, build_float
from hw_amc.models.floating import keras_gru
from hw_amc.models.specs import GruCnnSpec
from hw_amc.train import duration, evaluate, kernel, run
from hw_amc.train.card import confusion
from hw_amc.train.checkpoint import load_arrays
from hw_amc.train.data import FrameSet, crop, load_frames, whole
from hw_amc.train.fast_affine import fast_front_layers, fast_norm_relu
from hw_amc.train.fast_gru import FastGru, fast_gru, run_gru_slowly
from hw_amc.train.optimiser import Adam, learning_rate
from hw_amc.train.paired import Predictions
from hw_amc.train.recipe import Phase, load_recipe_file
from hw_amc.train.teacher import soft_loss
from hw_amc.train.trainee import Trainee, quantise_input

needs_compiler = pytest.mark.skipif(not kernel.available(), reason="no C++ compiler")


def random_weights(seed: int, cells: int, scale: float = 0.3) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    shapes = ((2, 3 * cells), (cells, 3 * cells), (2, 3 * cells))
    return [generator.normal(0, scale, s).astype(np.float32) for s in shapes]


def gradients(layer, x, weight):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        total = tf.reduce_sum(y * weight)
    return [y, *tape.gradient(total, [x, *layer.trainable_weights])]


@needs_compiler
@pytest.mark.parametrize(("batch", "steps", "cells"), [(1, 3, 5), (16, 20, 16), (37, 30, 40), (18, 12, 50)])
def test_kernel_equals_keras_forwards_and_backwards(batch, steps, cells):
    generator = np.random.default_rng(batch)
    x = tf.constant(generator.normal(size=(batch, steps, 2)).astype(np.float32))
    weight = generator.normal(size=(batch, steps, cells)).astype(np.float32)
    ours, theirs = FastGru(cells, trainable_input=True), keras_gru(cells, "gru")
    for layer in (ours, theirs):
        layer.build((None, steps, 2))
        layer.set_weights(random_weights(cells, cells, 0.5 / np.sqrt(cells) + 0.1))
    for a, b in zip(gradients(ours, x, weight), gradients(theirs, x, weight), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4 * float(tf.reduce_max(tf.abs(b))))


@needs_compiler
@pytest.mark.parametrize(
    ("scale", "widths"),
    [(0.2, {}), (1.5, {}), (0.4, {"gate_bits": 6, "candidate_bits": 5, "state_bits": 7, "recurrent_bits": 4})],
)
def test_quantised_kernel_equals_qgru_in_every_integer(scale, widths):
    spec = GruCnnSpec("t", 20, classes=4, frame_len=64)
    slow = build_deployed(spec, {"gru": widths})
    generator = np.random.default_rng(7)
    slow.set_weights([generator.normal(0, scale, w.shape).astype(np.float32) for w in slow.get_weights()])
    round_weights(slow)
    fast = rebuild(slow, fast_front_layers)
    words = generator.integers(-(2**15), 2**15, (19, 64, 2))
    x = words.astype(np.float32) / np.float32(2**14)
    expected = keras.Model(slow.input, [slow.get_layer(n).output for n in ("gru_quant", "gru_relu", "head")])(x)
    got = keras.Model(fast.input, [fast.get_layer(n).output for n in ("gru", "gru_affine", "head")])(x)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(np.unique(expected[0])) > 10


@needs_compiler
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_quantised_kernel_equals_qgru_with_extreme_weights(sign):
    spec = GruCnnSpec("t", 16, classes=4, frame_len=48)
    slow = build_deployed(spec)
    slow.set_weights([np.full(w.shape, sign * 4, np.float32) for w in slow.get_weights()])
    generator = np.random.default_rng(8)
    gru = slow.get_layer("gru")
    kernel_, recurrent, bias = gru.get_weights()
    recurrent = np.where(generator.uniform(size=recurrent.shape) < 0.5, recurrent, -recurrent)
    gru.set_weights([kernel_, recurrent, bias])
    round_weights(slow)
    fast = rebuild(slow, fast_front_layers)
    x = np.where(generator.uniform(size=(5, 48, 2)) < 0.5, -2.0, 2.0 - 2.0**-14).astype(np.float32)
    a = keras.Model(slow.input, slow.get_layer("gru_quant").output)(x).numpy()
    b = keras.Model(fast.input, fast.get_layer("gru").output)(x).numpy()
    np.testing.assert_array_equal(a, b)
    assert len(np.unique(a)) > 1


@needs_compiler
def test_the_road_without_a_compiler_gives_the_same_states():
    formats = merge({})["gru"]
    layer = FastGru(12, formats)
    layer.build((None, 40, 2))
    layer.set_weights(random_weights(9, 12))
    x = tf.constant(quantise_input(np.random.default_rng(10).normal(size=(6, 40, 2)).astype(np.float32)))
    rounded = [rounder(w) for rounder, w in zip(layer.rounders, layer.trainable_weights, strict=True)]
    np.testing.assert_array_equal(layer(x), run_gru_slowly(x, rounded, layer.quantise))


@needs_compiler
def test_fused_network_equals_keras_in_loss_and_gradients():
    spec = GruCnnSpec("t", 13, classes=5)
    slow, fast = build_float(spec, None, dropout=0.0), build_float(spec, None, fast_gru, fast_norm_relu, 0.0)
    fast.set_weights(slow.get_weights())
    generator = np.random.default_rng(11)
    x = tf.constant(generator.normal(size=(9, 40, 2)).astype(np.float32))
    labels = generator.integers(0, 5, 9)
    found = []
    for model in (slow, fast):
        logits = keras.Model(model.input, model.get_layer("head_norm").output)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits(x, training=True)))
        grads = tape.gradient(loss, model.trainable_weights)
        found.append([loss, *grads, *model.non_trainable_weights, logits(x, training=False)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_kernel_is_compiled_once(tmp_path, monkeypatch):
    if not kernel.available():
        pytest.skip("no C++ compiler")
    first = kernel.build()
    monkeypatch.setattr(kernel.tools, "run", lambda *a, **k: pytest.fail("compiled again"))
    assert kernel.build()._name == first._name


def test_adam_takes_the_published_first_step():
    v = tf.Variable([1.0, -2.0])
    Adam([v], clip=1e9).apply([tf.constant([0.5, -3.0])], tf.constant(0.1))
    np.testing.assert_allclose(v.numpy(), [0.9, -1.9], atol=1e-6)  # a step of the rate, against the sign


def test_learning_rate_warms_up_and_falls():
    phase = Phase(crop=64, steps=1000, learning_rate=1.0, final_share=0.1, warmup=100)
    assert learning_rate(phase, 0) == pytest.approx(0.01)
    assert learning_rate(phase, 99) == pytest.approx(1.0)
    assert learning_rate(phase, 550) == pytest.approx(0.55, abs=0.01)
    assert learning_rate(phase, 1000) == pytest.approx(0.1)


def frame_set(n: int = 6, T: int = 32) -> FrameSet:
    generator = np.random.default_rng(12)
    wire = generator.integers(-(2**13), 2**13, (n, T, 2)).astype(np.int16)
    return FrameSet(wire, np.arange(n, dtype=np.uint8), np.zeros(n, np.int8))


def test_crops_stay_on_the_wire_grid_and_keep_their_power():
    frames = frame_set()
    x, labels = crop(frames, np.array([3, 1]), 16, np.random.default_rng(13))
    assert x.shape == (2, 16, 2)
    assert labels.tolist() == [3, 1]
    np.testing.assert_array_equal(x * 2**14, np.rint(x * 2**14))
    power = np.square(whole(frames, [3])[0][0]).sum(-1)
    got = np.square(x[0]).sum(-1)
    starts = [s for s in range(17) if np.allclose(power[s : s + 16], got, atol=1e-3)]
    assert len(starts) == 1


def test_a_carrier_offset_turns_each_sample_further():
    T = 32
    wire = np.zeros((1, T, 2), np.int16)
    wire[..., 0] = 2**13
    frames = FrameSet(wire, np.zeros(1, np.uint8), np.zeros(1, np.int8))
    x, _ = crop(frames, np.array([0]), T, np.random.default_rng(14), carrier_offset=0.01)
    turns = np.diff(np.unwrap(np.arctan2(x[0, :, 1], x[0, :, 0]))) / (2 * np.pi)
    assert 1e-4 < abs(turns.mean()) < 0.01
    np.testing.assert_allclose(turns, turns.mean(), atol=1e-4)  # but for the rounding to the wire


def test_damaged_kept_data_is_refused(tmp_path):
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


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    spec = GruCnnSpec("tiny", 10, 0.7)
    monkeypatch.setitem(MODELS, "tiny", spec)
    (tmp_path / "train.toml").write_text(RECIPE)
    return spec, tmp_path


def train(folder, out, stop_after=None, restart=False):
    seen = []

    def progress(stage, phase, step, figures):
        seen.append((stage.name, step))
        if stop_after is not None and len(seen) == stop_after:
            raise KeyboardInterrupt

    return run.run_recipe("tiny", folder / "train.toml", out, restart, folder / "data", progress)


def test_a_killed_and_resumed_training_ends_in_the_same_weights(tiny):
    spec, folder = tiny
    straight = load_deployed(train(folder, folder / "a"))
    for stop_after in (3, 5, 4):  # in the dense stage, at the pruning ramp, in the quantised stage
        with pytest.raises(KeyboardInterrupt):
            train(folder, folder / "b", stop_after=stop_after)
    resumed = load_deployed(train(folder, folder / "b"))
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
    report = json.loads((folder / "b" / "accuracy.json").read_text())
    assert report["eval_set"]["frames"] == 24
    assert set(report["accuracy"]) == {"10"}
    card = (folder / "b" / "MODEL_CARD.md").read_text()
    assert f"| kernel weights | {spec.kernel_weights} | {counts['kernel_weights']} |" in card
    assert f"Average over all SNRs: {100 * report['average']:.2f} %" in card
    assert report["float"]["checkpoint"] == "pruned.npz"
    assert f"`pruned.npz`, on the same frames: {100 * report['float']['average']:.2f} % on average" in card


def test_a_recipe_goes_on_from_another_one_and_learns_from_a_teacher(tiny):
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


def test_the_soft_loss_is_the_divergence_from_the_teacher():
    taught, given = np.array([[2.0, 0.0]], np.float32), np.array([[0.0, 0.0]], np.float32)
    p = 1 / (1 + np.exp(-1.0))  # at temperature 2
    expected = 4 * (p * np.log(p / 0.5) + (1 - p) * np.log((1 - p) / 0.5))
    np.testing.assert_allclose(soft_loss(taught, given, 2.0), expected, rtol=1e-5)
    assert float(soft_loss(taught, taught, 2.0)) == 0.0


def test_a_checkpoint_is_not_overwritten_or_mixed_up(tiny):
    _, folder = tiny
    with pytest.raises(KeyboardInterrupt):
        train(folder, folder / "a", stop_after=3)
    (folder / "train.toml").write_text(RECIPE.replace("seed = 5", "seed = 6"))
    with pytest.raises(ConfigError, match=r"another train\.toml"):
        train(folder, folder / "a")
    (folder / "a" / "checkpoints" / "state.npz").write_bytes(b"torn")
    with pytest.raises(DataError, match="damaged"):
        train(folder, folder / "a")
    with pytest.raises(KeyboardInterrupt):
        train(folder, folder / "a", stop_after=1, restart=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 5", "sed = 5", "unknown key 'sed'"),
        ('kind = "qat"', 'kind = "qta"', "kind must be one of"),
        ("crop = 64", "crop = 63", "must be positive"),
        ("sparsity = 0.7", "sparsity = 70", "sparsity must lie in"),
        ('name = "pruned"', 'name = "dense"', "a name of its own"),
        ("seed = 5", "seed = = 5", "not valid TOML"),
        ("steps = 4, batch = 8, learning", "stepz = 4, batch = 8, learning", "unknown key 'stepz'"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path, old, new, message):
    (tmp_path / "train.toml").write_text(RECIPE.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_recipe_file(tmp_path / "train.toml")


def test_missing_recipe_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load_recipe_file(tmp_path / "train.toml")


def test_training_lowers_the_loss():
    spec = GruCnnSpec("t", 12)
    trainee = Trainee(spec, None, 0.0)
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


def test_recalibrated_statistics_are_the_mean_over_the_batches():
    trainee = Trainee(GruCnnSpec("t", 6), None, 0.0)
    generator = np.random.default_rng(15)
    batches = [generator.normal(0, 0.5, (4, 32, 2)).astype(np.float32) for _ in range(3)]
    trainee.recalibrate(batches)
    gru = keras.Model(trainee.model.input, trainee.model.get_layer("gru").output)
    means = [np.mean(gru(quantise_input(b)).numpy(), axis=(0, 1)) for b in batches]
    np.testing.assert_allclose(trainee.model.get_layer("gru_norm").moving_mean, np.mean(means, 0), atol=1e-5)


def test_accuracy_report_counts_by_snr():
    classes, labels = np.array([[0, 1, 1, 0, 1, 2], [0, 1, 2, 0, 1, 2]], np.uint8)
    report = evaluate.accuracy_report(Predictions(classes, labels, np.array([0, 0, 0, 10, 10, 10], np.int8), {}))
    assert report["accuracy"] == {"0": 0.66667, "10": 1.0}
    assert report["average"] == 0.83333
    assert report["at_least_10_db"] == 1.0
    assert report["confusion"]["0"][2][1] == 1
    assert sum(map(sum, report["confusion"]["10"])) == 3
    lines = confusion(report)
    assert lines[lines.index("At 0 dB:") + 5].split() == ["8ASK", ".", "1", *22 * "."]
    assert confusion({"confusion": {}}) == []
