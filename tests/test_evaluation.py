"""accuracy.json, read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw_amc.errors import DataError
from hw_amc.report import load_accuracy

COMMITTED = Path(__file__).parents[1] / "hls_projects"


MEASURED = sorted(path.parent.name for path in COMMITTED.glob("*/accuracy.json"))


@pytest.mark.parametrize("model", MEASURED)
def test_committed_figures_belong_to_the_committed_weights(model: str) -> None:
    accuracy, problem = load_accuracy(COMMITTED / model)
    assert problem is None
    assert accuracy is not None
    assert accuracy["kind"] == "measured"


def write(folder: Path, **changes: object) -> None:
    good = {"eval_set": {"recipe": "x"}, "accuracy": {"-2": 0.5, "10": 0.9}, "average": 0.7, "at_least_10_db": 0.9}
    (folder / "accuracy.json").write_text(json.dumps({**good, **changes}))


def test_no_file_and_no_weights(tmp_path: Path) -> None:
    assert load_accuracy(tmp_path) == (None, None)
    write(tmp_path)
    accuracy, problem = load_accuracy(tmp_path)
    assert problem is None
    assert accuracy is not None
    assert accuracy["average"] == 0.7


def test_figures_without_a_digest_belong_to_nobody(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "weights.h5").write_bytes(b"weights")
    accuracy, problem = load_accuracy(tmp_path)
    assert accuracy is None
    assert problem == f"accuracy.json is of other weights than weights.h5; measure again: hw-amc train {tmp_path.name}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accuracy": {"10": 1.5}}, "accuracy.10: "),
        ({"accuracy": {"<b>": 0.5}}, "accuracy.<b>"),
        ({"accuracy": [0.5]}, "accuracy: "),
        ({"average": "0.5"}, "average: "),
        ({"confusion": {"10": [[-1]]}}, "confusion.10.0.0: "),
        ({"confusion": {"10": "<script>"}}, "confusion.10: "),
        ({"heads": [{"accuracy": 3}]}, "heads.0.accuracy: "),
        ({"classes": ["A", 3]}, "classes.1: "),
        ({"surprise": 1}, "surprise: "),
        ({"weights_sha256": 7}, "weights_sha256: "),
    ],
)
def test_other_content_is_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(DataError, match="measure again: hw-amc train") as caught:
        load_accuracy(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
