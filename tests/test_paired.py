"""Networks beside one another, and beside the limit that noise sets, on the same held-out frames."""

from __future__ import annotations

import json
import re
from pathlib import Path

import deployed
import numpy as np
import pytest
from command_line import run

from hw_amc import compress
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import load_json
from hw_amc.models import GruCnnSpec
from hw_amc.radio import CLASSES
from hw_amc.radio.generator.limit import LINEAR, Limit, Point
from hw_amc.train import evaluate, reach
from hw_amc.train.data import FrameSet
from hw_amc.train.paired import compare_predictions, neighbours
from hw_amc.train.predictions import Predictions, load_predictions, save_predictions
from hw_amc.train.recipe import load_recipe_file
from hw_amc.train.sets import load_test_set

PROJECTS = Path(__file__).parents[1] / "hls_projects"
SPEC = GruCnnSpec("small", 6)
LIMIT = Limit(LINEAR, 128, "unknown", 0, (Point(-10, -1, 100, 0.25, 0.0), Point(10, 19, 100, 0.75, 0.0)))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with two small networks."""
    root = tmp_path_factory.mktemp("root")
    for seed, name in enumerate(("first", "second")):
        folder = root / "hls_projects" / name
        folder.mkdir(parents=True)
        compress.save_deployed(deployed.fill(deployed.untrained(SPEC), "random", seed), folder / "weights.h5")
        (folder / "project.toml").write_text("")
        (folder / "train.toml").write_text(
            """
            data = { recipe = "radioml2018-v1", train = [], validation = [], test = [[8, 12, 2, 1]] }
            stage = [{ name = "a", kind = "qat", phases = [{ crop = 64, steps = 1 }] }]
            """
        )
    return root


@pytest.fixture(autouse=True)
def _use_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))


def predictions(right: list[bool], snr_db: list[int], recipe: str = "r") -> Predictions:
    labels = np.arange(len(right), dtype=np.uint8)
    classes = np.where(right, labels, labels + 1).astype(np.uint8)
    return Predictions(classes, labels, np.array(snr_db, np.int8), {"recipe": recipe})


def test_two_networks_are_compared_frame_by_frame() -> None:
    a = predictions([True] * 8 + [False] * 4, [0] * 6 + [10] * 6)
    b = predictions([True] * 2 + [False] * 9 + [True], [0] * 6 + [10] * 6)
    paired = compare_predictions(a, b)
    assert (paired.frames, paired.only_first, paired.only_second) == (12, 6, 1)
    assert paired.p_value == pytest.approx(2 * 8 / 2**7)  # 0 or 1 heads of 7, or 6 or 7
    assert compare_predictions(a, b, 10).frames == 6
    assert paired.error == pytest.approx(np.std(a.right.astype(int) - b.right) / np.sqrt(12))
    assert compare_predictions(a, a).p_value == 1.0
    with pytest.raises(ConfigError, match="different frames"):
        compare_predictions(a, predictions([True] * 12, [0] * 12, "other"))
    with pytest.raises(ConfigError, match="no frame"):
        compare_predictions(a, b, 30)


def test_kept_predictions_belong_to_their_weights(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"one")
    save_predictions(tmp_path, predictions([True, False], [0, 2]))
    np.testing.assert_array_equal(load_predictions(tmp_path).right, [True, False])
    (tmp_path / "weights.h5").write_bytes(b"two")
    with pytest.raises(DataError, match="other weights"):
        load_predictions(tmp_path)
    for torn in (b"torn", b"", b"PK\x03\x04 cut off"):
        (tmp_path / "predictions.npz").write_bytes(torn)
        with pytest.raises(DataError, match="damaged"):
            load_predictions(tmp_path)
    (tmp_path / "predictions.npz").unlink()
    with pytest.raises(DataError, match="does not exist"):
        load_predictions(tmp_path)


def test_each_stands_against_the_first_and_the_one_before() -> None:
    assert neighbours("abcd") == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("c", "d")]
    assert neighbours("ab") == [("a", "b")]
    for wrong in ("a", "aba"):
        with pytest.raises(ConfigError, match="two different models"):
            neighbours(wrong)


def test_who_has_no_answers_classifies_the_frames_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "first", "second", "--markdown") == 0
    said = capsys.readouterr().out
    rows = re.findall(r"\| (all SNRs|from 10 dB) \| first \| second \| +([\d.]+)", re.sub(" +", " ", said))
    kept = {name: load_predictions(root / "hls_projects" / name) for name in ("first", "second")}
    right = kept["first"].right
    assert len(right) == 3 * 24
    loud = kept["first"].snr_db >= 10
    assert rows == [("all SNRs", f"{100 * right.mean():.2f}"), ("from 10 dB", f"{100 * right[loud].mean():.2f}")]
    model = compress.load_deployed(root / "hls_projects" / "first" / "weights.h5")
    recipe = load_recipe_file(root / "hls_projects" / "first" / "train.toml")
    frames, eval_set = load_test_set(recipe.data, root / "data", SPEC.classes)
    assert kept["first"].eval_set == eval_set
    logits = model.predict(frames.wire / np.float32(2**14), verbose=0)
    np.testing.assert_array_equal(kept["first"].classes, logits.argmax(axis=1))
    before = (root / "hls_projects" / "first" / "predictions.npz").read_bytes()
    assert run("compare", "first", "second") == 0  # this time at once
    assert (root / "hls_projects" / "first" / "predictions.npz").read_bytes() == before


def test_only_logits_of_the_limits_classes_count() -> None:
    labels = np.tile(np.arange(len(LINEAR), dtype=np.uint8), 2)
    snr_db = np.repeat(np.array([-10, 10], np.int8), len(LINEAR))
    logits = np.eye(len(CLASSES), dtype=np.float32)[labels]
    logits[:, CLASSES.index("FM")] = 2  # would win among all
    logits[0, 1] = 3  # wrong
    found = reach.judge(logits, FrameSet(np.zeros((len(labels), 4, 2), np.int16), labels, snr_db), LIMIT)
    assert found.accuracy == {-10: 16 / 17, 10: 1.0}
    assert found.frames == 17
    assert found.share([10]) == pytest.approx(1 / 0.75)
    assert found.share([-10, 10]) == pytest.approx((16 / 17 + 1) / (0.25 + 0.75))


def test_models_are_measured_beside_the_limit(root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "reach.svg"
    assert run("data", "reach", "first", "second", "--frames", "1", "--picture", str(picture)) == 0
    said = capsys.readouterr().out
    assert len(re.findall(r"^. +-?\d+ +[│|]", said, re.MULTILINE)) == 26
    assert picture.read_text().startswith("<?xml")
    assert run("data", "reach", "first", "--preset", "radioml2018") == ConfigError.exit_code
    assert "no limit of radioml2018-v2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in PROJECTS.glob("*/predictions.npz")), ids=lambda p: p.name
)
def test_committed_predictions_give_the_committed_accuracy(folder: Path) -> None:
    kept = load_predictions(folder)
    told = load_json(folder / "accuracy.json")
    found = json.loads(json.dumps(evaluate.accuracy_report(kept)))
    assert {key: told[key] for key in found} == found
    assert told["eval_set"] == kept.eval_set
