"""Every command of the README and the guides is executed, as it stands, in a folder that looks like a checkout.

A comment before a block says how, for readers of the source: `<!-- run: slow -->`, `<!-- run: gnuradio -->` (the
markers), `<!-- run: no (REASON) -->`, or `<!-- run: file NAME -->` for a program that later commands use. Blocks of a
page run one after another in one shell. What users bring is small: files made here, and in the slow runs a small
network under the model's name, and recipes of a few steps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGES = {path.stem: path for path in [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("[a-z]*.md"))]}
#: What keeps a command from being executed by a test.
REASONS = {
    "installs system packages",
    "is the test suite",
    "needs the network",
    "needs Vivado",
    "needs a board",
    "needs a receiver",
    "needs a GPU",
    "opens a window",
    "runs until it is stopped",
    "takes hours",
}
_BLOCK = re.compile(r"(?:^ *<!-- run: (.*?) -->\n)?^( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    line: int
    language: str
    text: str
    #: run, slow, gnuradio, no or file.
    how: str
    #: The reason, or the file's name.
    detail: str


@cache
def blocks(page: str) -> list[Block]:
    text = PAGES[page].read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        how, _, detail = (match[1] or "run").partition(" ")
        found.append(Block(text[: match.start(4)].count("\n"), match[3], match[4], how, detail.strip("()")))
    return found


def pages_with(*ways: str) -> list[str]:
    return [name for name in PAGES if any(block.language == "sh" and block.how in ways for block in blocks(name))]


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_what_they_are(page: str) -> None:
    for block in blocks(page):
        assert block.language, f"{page}, line {block.line}: a block without a language"
        assert block.how in ("run", "slow", "gnuradio", "no", "file"), (page, block)
        if block.language == "sh":
            assert (block.detail in REASONS) if block.how == "no" else not block.detail, (page, block)
        else:
            assert block.how in ("run", "file"), (page, block)


def test_every_reason_is_used() -> None:
    assert {block.detail for page in PAGES for block in blocks(page) if block.how == "no"} == REASONS


def test_commands_of_the_fast_run() -> None:
    """What is executed by every run of the tests."""
    assert {"board", "captures", "radioml"} <= set(pages_with("run"))


def checkout(folder: Path) -> Path:
    """A folder that looks like a checkout with its environment; only its models are copies."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "hw_amc", "boards", "sim", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def copy_model(folder: Path, name: str) -> Path:
    target = folder / "hls_projects" / name
    shutil.copytree(ROOT / "hls_projects" / name, target, ignore=shutil.ignore_patterns("build", "predictions.npz"))
    return target


def write_inputs(folder: Path) -> None:
    """The files that a reader of the guides has, and those that the guides' own programs make."""
    from test_radio_pickle import make_cells, python2_pickle

    (program,) = (block.text for block in blocks("captures") if block.language == "python")
    execute(folder, ["python", "-c", program])
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal((5000, 2)) @ [0.7, 0.7j]).astype(np.complex64)
    np.save(folder / "capture.npy", samples)
    (samples.view(np.float32) * 8000).astype("<i2").tofile(folder / "capture.iq")
    (folder / "RML2016.10a_dict.pkl").write_bytes(python2_pickle(make_cells(), 2))
    (folder / "program.py").write_text("import sys\nprint(sys.argv)\n")
    cell = {"cell_type": "code", "source": "1 + 1", "metadata": {}, "outputs": [], "execution_count": None, "id": "a"}
    book = {"cells": [cell], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}}
    (folder / "book.ipynb").write_text(json.dumps({**book, "nbformat": 4, "nbformat_minor": 5}))
    arguments = "data make GOLD_XYZ_OSC.0001_1024.hdf5 --preset awgn --snrs 10 --frames 4 --workers 1"
    execute(folder, ["hw-amc", *arguments.split()])


def environment() -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("HW_AMC_", "PYNQ_", "MAKE"))}
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    return {**known, "PATH": path, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def execute(folder: Path, command: list[str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}"


#: The environment is there: make is not to install it again.
_MAKE = 'make() { command make -o .venv/.train -o .venv/.all "$@"; }\n'


def follow(page: str, folder: Path, *ways: str) -> None:
    """Execute the blocks of a page that run in one of these ways, in one shell."""
    script = "set -euo pipefail\n" + _MAKE
    for block in blocks(page):
        if block.how == "file":
            (folder / block.detail).write_text(block.text)
        elif block.language == "sh" and block.how in ways:
            script += f"echo '--- {page}, line {block.line}' >&2\n{block.text}"
    execute(folder, ["bash", "-c", script])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = checkout(tmp_path_factory.mktemp("guides"))
    copy_model(folder, "gru_cnn_sparse07")
    write_inputs(folder)
    return folder


@pytest.mark.parametrize("page", pages_with("run"))
def test_the_commands_run(workspace: Path, page: str) -> None:
    follow(page, workspace, "run")


@pytest.mark.gnuradio
def test_the_commands_run_under_gnu_radio(workspace: Path) -> None:
    if shutil.which("grcc") is None or sysconfig.get_python_version() != "3.11":
        pytest.skip("GNU Radio is not installed, or for another Python; apt-get install gnuradio")
    follow("gnuradio", workspace, "run", "gnuradio")


#: A recipe of a few steps on few frames, in place of hours.
SHORT = """
seed = 1
validate_every = 2
checkpoint_every = 2

[data]
recipe = "radioml2018-v1"
train = [[0, 10, 10, 4]]
validation = [[0, 10, 10, 2]]
test = [[0, 10, 10, 2]]

[[stage]]
name = "dense"
kind = "float"
phases = [{ crop = 64, steps = 2, batch = 8, learning_rate = 1e-3 }]

[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 64, steps = 2, batch = 8, learning_rate = 1e-4 }]
"""


@pytest.fixture(scope="module")
def small_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the models are small, or trained for a few steps."""
    import deployed

    from hw_amc import compress
    from hw_amc.models import GruCnnSpec

    folder = checkout(tmp_path_factory.mktemp("guides"))
    project = folder / "hls_projects" / "gru_cnn_sparse07"
    project.mkdir(parents=True)
    (project / "project.toml").write_text("[hls.layers.gru]\nreuse_factor = 1\n[rtl]\ncycles_per_step = 1\n")
    rng = np.random.default_rng(5)
    model = deployed.untrained(GruCnnSpec("gru_cnn_sparse07", 6))
    for layer in model.layers:
        layer.set_weights([deployed.FILLS["sparse"](rng, w.shape).astype(np.float32) for w in layer.get_weights()])
    compress.save_deployed(model, project / "weights.h5")
    execute(folder, ["hw-amc", "graph", "gru_cnn_sparse07", "--update"])
    for name in ("gru_cnn_c80", "gru_cnn_sparse05", "gru_cnn_sparse08"):
        (copy_model(folder, name) / "train.toml").write_text(SHORT)
    short = folder / "hls_projects" / "gru_cnn_c40"
    short.mkdir()
    (short / "train.toml").write_text(SHORT)
    write_inputs(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("slow"))
def test_all_commands_run(small_workspace: Path, page: str) -> None:
    follow(page, small_workspace, "run", "slow")
