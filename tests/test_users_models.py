"""Float models of users' kinds go from `.h5` through `hw-amc init` to `hw-amc hls`: every integer of every layer."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run

from hw_amc.graph import Graph
from hw_amc.hls import csim

ROOT = Path(__file__).parents[1]
MODELS = runpy.run_path(str(ROOT / "benchmarks" / "users_models.py"))
USERS, SIZE = MODELS["USERS"], MODELS["Size"]
FRAMES = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace, whose C++ is optimised less: these networks run for milliseconds."""
    root = tmp_path_factory.mktemp("users")
    (root / "boards").symlink_to(ROOT / "boards")
    (root / "hls_projects").mkdir()
    flavours = {name: ("-O0", *flags[1:]) for name, flags in csim.FLAVOURS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW_AMC_ROOT", str(root))
        patch.setattr(csim, "FLAVOURS", flavours)
        yield root


def save(path: Path, build: Any, size: Any) -> None:
    """Save a float model with random weights, as Keras writes it."""
    model, rng = build(size), np.random.default_rng(7)
    for layer in model.layers:
        weights = [rng.normal(0, 0.4, w.shape) for w in layer.get_weights()]
        if type(layer).__name__ == "BatchNormalization":
            weights[0], weights[3] = np.abs(weights[0]) + 0.5, np.abs(weights[3]) + 0.1
        layer.set_weights(weights)
    model.save(path, save_format="h5")


def require_equal(root: Path, name: str, size: Any) -> None:
    """Take a model all the way by the commands, and require what the report says."""
    save(root / f"{name}.h5", USERS[name.removeprefix("whole_")][0], size)
    assert run("init", str(root / f"{name}.h5"), "--classes", ";".join(map(_names, size.classes))) == 0
    assert run("hls", name, "--frames", str(FRAMES)) == 0
    folder = root / "hls_projects" / name
    report = json.loads((folder / "build" / "report.json").read_text())["csim"]["ap_fixed"]
    wanted = FRAMES * sum(int(np.prod(node.shape)) for node in Graph.load(folder).nodes[1:])
    assert (report["frames"], report["mismatches"], report["integers"]) == (FRAMES, 0, wanted)


def _names(count: int) -> str:
    return ",".join(f"class{number}" for number in range(count))


@pytest.mark.parametrize("name", USERS)
def test_a_users_model_becomes_hls_with_every_integer_equal(root: Path, name: str) -> None:
    whole = USERS[name][1]
    require_equal(root, name, SIZE(128 if name == "rows" else 18, 4, whole.classes))


@pytest.mark.slow
@pytest.mark.parametrize("name", USERS)
def test_a_whole_model_becomes_hls_with_every_integer_equal(root: Path, name: str) -> None:
    require_equal(root, f"whole_{name}", USERS[name][1])
