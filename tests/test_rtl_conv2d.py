"""The compact CNNs in Verilog against golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import conv2d, hakimi_graph, linear, max_pool2d, mtl_graph, random_frames, reshape
from rtl_bench import check

from hw_amc import graph as ir
from hw_amc.config import LayerRtl, RtlSettings
from hw_amc.cosim.simulators import lint
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import golden
from hw_amc.rtl import build_core
from hw_amc.rtl.blocks.join import JoinBlock
from hw_amc.rtl.lowering.network import lower
from hw_amc.rtl.lowering.options import Options
from hw_amc.rtl.lowering.streams.rewrite import as_streams


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("frame_len", "taps", "settings"),
    [
        (32, (8, 4, 2), RtlSettings()),
        (64, (8, 8, 8), RtlSettings(cycles_per_step=2)),
        (
            32,
            (4, 2, 2),
            RtlSettings(layers={"conv1": LayerRtl(cycles_per_step=2), "conv2": LayerRtl(cycles_per_step=4)}),
        ),
    ],
)
def test_images_of_height_one(frame_len: int, taps: Any, settings: Any, cache: Path, tmp_path: Path) -> None:
    graph = hakimi_graph(np.random.default_rng(frame_len), frame_len, taps=taps)
    core, run = check(graph, settings, tmp_path, frames=5, cache=cache)
    results = run.word_cycles[:: core.words_per_result]
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    check(graph, settings, tmp_path, frames=4, cache=cache, busy=0.6, ready=0.3)


@pytest.mark.cosim
def test_kernels_may_reach_over_the_frame(cache: Path, tmp_path: Path) -> None:
    """Eight taps on four samples: an output waits for more of them than the frame has."""
    check(hakimi_graph(np.random.default_rng(0), 16, taps=(2, 2, 8)), RtlSettings(), tmp_path, frames=5, cache=cache)


#: Image, kernel of the trunk, hidden units, signed activations.
IMAGES = [
    ((8, 8, 1), (3, 3), (5, 4), False),
    ((7, 6, 2), (2, 3), (3, 7), True),
    ((5, 12, 1), (1, 2), (4, 1), False),
]


@pytest.mark.parametrize("case", IMAGES)
def test_blocks_model_images(case: Any, cache: Path) -> None:
    """Every pixel of every block's model is golden's, and so are the logits of the program."""
    graph = mtl_graph(np.random.default_rng(1), *case)
    chain = lower(graph, Options("t", cache=cache))
    frames = random_frames(np.random.default_rng(3), graph, 2)
    tensors = golden.run(graph, frames, keep=[node.name for node in graph.nodes])
    for index in range(len(frames)):
        streams = {"": tensors[chain.entry.name][index]}
        for layer in chain.links:
            block = layer.block
            if isinstance(block, JoinBlock):
                x = np.concatenate([streams[feed.last] for feed in block.feeds], axis=1)
            else:
                x = streams[layer.branch.last]
            streams[block.name] = block.model(x)
        logits = np.concatenate([tensors[name][index] for name in graph.outputs])
        np.testing.assert_array_equal(chain.results.model(streams[chain.branch.last]), logits)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("case", "settings", "traffic"),
    [
        (IMAGES[0], RtlSettings(), {}),
        (IMAGES[0], RtlSettings(cycles_per_step=4), {"busy": 0.5, "ready": 0.3}),
        (IMAGES[1], RtlSettings(cycles_per_step=2), {}),
        (IMAGES[1], RtlSettings(), {"busy": 0.8, "reset_at": 97}),
        (IMAGES[2], RtlSettings(mode="channels", cycles_per_step=3), {}),
    ],
)
def test_images_equal_golden(case: Any, settings: Any, traffic: Any, cache: Path, tmp_path: Path) -> None:
    graph = mtl_graph(np.random.default_rng(2), *case)
    core, run = check(graph, settings, tmp_path, frames=5, cache=cache, **traffic)
    if traffic:
        return
    results = run.word_cycles[:: core.words_per_result]
    assert results[0] - run.frame_cycles[0] == core.latency_cycles


@pytest.mark.cosim
def test_lint_is_clean(cache: Path, tmp_path: Path) -> None:
    for index, case in enumerate(IMAGES):
        core = build_core(mtl_graph(np.random.default_rng(1), *case), RtlSettings(mode="channels"), cache=cache)
        core.sources.write(tmp_path / str(index))
        lint(tmp_path / str(index), core.name, sorted(core.sources.files))


def test_more_cycles_take_fewer_multipliers(cache: Path) -> None:
    graph = mtl_graph(np.random.default_rng(1))
    lanes = [build_core(graph, RtlSettings(cycles_per_step=R), cache=cache).costs["results"].dsp for R in (1, 2, 8)]
    assert lanes == sorted(lanes, reverse=True)
    assert lanes[0] > lanes[-1]


@pytest.mark.parametrize("padded", [True, False])
def test_padding_and_strides_make_vectors_of_rows(padded: bool) -> None:
    """What is not done row by row has its rows side by side in a vector (tests/test_rtl_streams.py simulates it)."""
    graph, rng = mtl_graph(np.random.default_rng(1)), np.random.default_rng(1)
    image = graph["image"]
    node = conv2d(rng, "conv", image, 2, (3, 3), same=True) if padded else max_pool2d("most", image, (2, 2), (2, 2))
    flat = reshape("flat", node, (int(np.prod(node.shape)),))
    head = linear(rng, ir.Dense, "head", flat, 2)
    other = ir.Graph("other", (*graph.nodes[:3], node, flat, head), ("head",), (("a", "b"),))
    frames = random_frames(np.random.default_rng(1), other, 3)
    stream = as_streams(other)
    assert stream["image_taps"].shape == (8, 8)
    np.testing.assert_array_equal(golden.run(stream, frames)["head"], golden.run(other, frames)["head"])


def test_rows_must_be_whole_samples(cache: Path) -> None:
    with pytest.raises(UnsupportedLayer, match="rows of 'image'"):
        build_core(mtl_graph(np.random.default_rng(1), (8, 7, 1), (1, 1)), RtlSettings(), cache=cache)
