"""What `hw-amc init` measured stands in report.json and on the page, for as long as the weights are those."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_init import bring_in, by_quadrature, capture

from hw_amc import report
from hw_amc.errors import DataError
from hw_amc.flows.init_report import quantisation_section
from hw_amc.flows.init_state import Outcome

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A float model that its 30 labelled frames prove right, before and after."""
    root = tmp_path_factory.mktemp("root")
    (root / "boards").symlink_to(ROOT / "boards")
    by_quadrature().save(root / "m.h5", save_format="h5")
    return bring_in(root, root / "m.h5", name="labelled", classes="BPSK,QPSK", data=capture(root / "x.h5"))


def test_accuracy_before_and_after_and_the_noise_of_each_layer(outcome: Outcome) -> None:
    found = report.load(outcome.folder / "build")
    mark = json.loads((outcome.folder / "init.json").read_text())
    section = found["quantisation"]
    assert (section["accuracy_before"], section["accuracy_after"], section["same_answers"]) == (1.0, 1.0, 1.0)
    assert (section["frames"], section["source"], section["kind"]) == (30, "x.h5", "measured")
    assert section["calibration_frames"] == mark["calibration"]["frames"]
    layers = {layer.name: layer.sqnr_db for layer in outcome.layers}
    assert section["sqnr_db"]
    assert section["sqnr_db"] == {name: round(layers[name] or 0.0, 1) for name in section["sqnr_db"]}
    integers = 8 * sum(int(np.prod(node.shape)) for node in outcome.graph.nodes[1:])
    assert (found["golden"]["frames"], found["golden"]["integers"], found["golden"]["mismatches"]) == (8, integers, 0)
    assert found["graph_sha256"] == outcome.graph.digest()
    assert found["model"]["accuracy"] == {"30": 1.0}


def test_the_page_shows_it(outcome: Outcome) -> None:
    build = outcome.folder / "build"
    text = (build / "report.md").read_text()
    chapter = text.split("## What quantisation costs\n")[1].split("\n## ")[0]
    assert "Judged on 30 frames: x.h5." in chapter
    assert "| 100.0 % | 100.0 % | 100.0 % |" in chapter
    for name, sqnr_db in report.load(build)["quantisation"]["sqnr_db"].items():
        assert f"| {name} | {sqnr_db:.1f} |" in chapter
    assert "| BPSK | 14 | 100.0 % | 100.0 % |" in text
    assert "**Equal in every integer, on up to 8 frames.**" in text
    assert (build / "report_pictures" / "network.svg").is_file()


def test_figures_of_other_weights_and_damaged_ones_are_not_taken(outcome: Outcome) -> None:
    weights, mark = outcome.folder / "weights.h5", outcome.folder / "init.json"
    assert quantisation_section(outcome.folder) is not None
    kept, told = weights.read_bytes(), mark.read_text()
    try:
        weights.write_bytes(kept + b"x")
        assert quantisation_section(outcome.folder) is None
        weights.write_bytes(kept)
        mark.write_text(told.replace('"after": 1.0', '"after": 7.0'))
        with pytest.raises(DataError, match=r"init\.json is damaged: .*accuracy_after.*; run hw-amc init again"):
            quantisation_section(outcome.folder)
        mark.unlink()
        assert quantisation_section(outcome.folder) is None
    finally:
        weights.write_bytes(kept)
        mark.write_text(told)
