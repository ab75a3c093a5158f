"""Small accelerators as simulated overlays, for the tests of driver and board."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from networks import gru_cnn_graph

from hw_amc import config
from hw_amc.bench.simulated import write_sim_overlay
from hw_amc.graph import Graph
from hw_amc.interface import registers
from hw_amc.interface.manifest import Head, Manifest
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sources import Sources

BOARDS = Path(__file__).parents[1] / "boards"


#: What stands in a trained model's folder for its weights, which nothing here reads.
WEIGHTS = b"of the test"


def small_graph(seed: int = 1, frame_len: int = 16) -> Graph:
    graph = gru_cnn_graph(np.random.default_rng(seed), frame_len=frame_len)
    return replace(graph, weights_digest=hashlib.sha256(WEIGHTS).hexdigest())


def small_manifest(graph: Graph, board: str = "pynq-z2", n_channels: int = 1, automatic_gain: bool = False) -> Manifest:
    settings = config.load_board(board, BOARDS)
    fmt = graph["input_quant"].fmt
    return Manifest(
        name=graph.name,
        graph_digest=graph.digest(),
        project_digest="0" * 64,
        flow="rtl",
        interface=registers.GAIN_VERSION if automatic_gain else registers.VERSION,
        frame_len=graph.frame_len,
        wire_frac=graph.input.fmt.frac,
        normalise="none",
        input_shift=0,
        input_bits=fmt.bits,
        input_frac=fmt.frac,
        heads=tuple(Head(name, classes) for name, classes in zip(graph.outputs, graph.classes, strict=True)),
        logit_frac=graph.logit_frac,
        mode="channels" if n_channels > 1 else "frames",
        contexts=max(n_channels, 2),
        n_channels=n_channels,
        lanes=1,
        cycles_per_frame=graph.frame_len * 2,
        latency_cycles=graph.frame_len * 2 + 30,
        board=board,
        part=settings.part,
        clock_mhz=settings.clock_mhz,
        automatic_gain=automatic_gain,
    )


def golden_overlay(
    folder: Path, graph: Graph, board: str = "pynq-z2", n_channels: int = 1, automatic_gain: bool = False
) -> Path:
    """Write an overlay whose accelerator is the behavioural model."""
    accelerator = Accelerator(Sources({}), small_manifest(graph, board, n_channels, automatic_gain))
    return write_sim_overlay(folder, accelerator, graph, config.load_board(board, BOARDS), "golden")


def trained_model(root: Path, name: str, seed: int = 1) -> None:
    """Write `small_graph` to a checkout at `root` as if it had been trained."""
    folder = root / "hls_projects" / name
    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(WEIGHTS)
    small_graph(seed).save(folder)
    if not (root / "boards").exists():
        (root / "boards").symlink_to(BOARDS)
