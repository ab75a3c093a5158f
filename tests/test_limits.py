"""Numbers that do not fit the board or the interface are refused where the accelerator is built, in one line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_overlays import BOARDS, golden_overlay, small_graph, small_manifest
from networks import random_frames
from test_shell import mean_core, mean_graph

from hw_amc import config, sim_device
from hw_amc.config import ProjectSettings
from hw_amc.driver import AmcOverlay
from hw_amc.errors import ConfigError
from hw_amc.graph import golden
from hw_amc.overlay.design import build_design
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.rtl.shell.limits import require_limits

GRAPH = small_graph()
BOARD = config.load_board("pynq-z2", BOARDS)


def with_length(bits: int) -> config.BoardSettings:
    return BOARD.model_copy(update={"dma": BOARD.dma.model_copy(update={"length_bits": bits})})


def test_frame_longer_than_a_transfer_is_refused_when_the_accelerator_is_built() -> None:
    """4,096 samples are 16,384 bytes; 14 bits, the DMA's own default, count to 16,383."""
    graph = mean_graph(np.random.default_rng(0), frame_len=4096)
    message = (
        r"a frame is 16384 bytes; a DMA transfer on pynq-z2 carries 16383: "
        r"set dma.length_bits = 15 or more in board.toml, not 14"
    )
    with pytest.raises(ConfigError, match=message):
        build_accelerator(graph, mean_core(graph), ProjectSettings(), with_length(14))
    assert build_accelerator(graph, mean_core(graph), ProjectSettings(), with_length(15)).manifest.frame_len == 4096


@pytest.mark.parametrize(
    ("changes", "bits", "message"),
    [
        ({"frame_len": 4095}, 14, None),
        ({"frame_len": 4096}, 14, "a frame is 16384 bytes"),
        ({"frame_len": 16, "n_channels": 4, "mode": "channels"}, 8, "a frame of each of 4 channels is 256 bytes"),
        ({"frame_len": 15, "n_channels": 4, "mode": "channels"}, 8, None),
        ({"frame_len": 2, "heads": (replace(small_manifest(GRAPH).heads[0], classes=("c",) * 63),)}, 8,
         "a result is 256 bytes"),
        ({"frame_len": (1 << 24) - 1, "n_channels": 2, "mode": "channels"}, 26,
         "length register has 26 bits at most; take shorter frames or fewer channels"),
        ({"n_channels": 256}, 26, "n_channels = 256 does not fit register MODE, which shows 0 to 255"),
        ({"contexts": 1 << 16}, 26, "contexts = 65536 does not fit register MODE, which shows 0 to 65535"),
        ({"logit_frac": 128}, 26, "logit_frac = 128 does not fit register FORMAT, which shows -128 to 127"),
        ({"logit_frac": -128, "input_frac": 127}, 26, None),
        ({"input_frac": -129}, 26, "input_frac = -129 does not fit register FORMAT"),
        ({"wire_frac": 300}, 26, "wire_frac = 300 does not fit register FORMAT"),
        ({"input_bits": 256}, 26, "input_bits = 256 does not fit register FORMAT, which shows 0 to 255"),
    ],
)  # fmt: skip
def test_every_limit_has_its_number(changes: dict[str, object], bits: int, message: str | None) -> None:
    manifest = replace(small_manifest(GRAPH), **changes)  # type: ignore[arg-type]
    if message is None:
        require_limits(manifest, with_length(bits))
        return
    for check in (require_limits, build_design):
        with pytest.raises(ConfigError, match=re.escape(message)):
            check(manifest, with_length(bits))


def shorten_length(bitstream: Path, bits: int) -> Path:
    """Rewrite an overlay as one with another DMA than its manifest was built for."""
    path = bitstream.with_suffix(".hwh")
    text, count = re.subn(r'(c_sg_length_width" VALUE=")\d+', rf"\g<1>{bits}", path.read_text(), flags=re.IGNORECASE)
    assert count
    path.write_text(text)
    return bitstream


def test_driver_refuses_a_dma_that_is_too_short(tmp_path: Path) -> None:
    path = shorten_length(golden_overlay(tmp_path, GRAPH), 6)
    with pytest.raises(ConfigError, match=r"64 bytes, .* do not fit one DMA transfer of 63; .*length_bits = 7 or more"):
        AmcOverlay(path, device=sim_device.enable())


def test_driver_fits_batches_to_the_results_too(tmp_path: Path) -> None:
    """A frame of 4 samples is 16 bytes, its result of 24 logits 100."""
    graph = mean_graph(np.random.default_rng(0), frame_len=4, heads=(24,))
    frames = random_frames(np.random.default_rng(0), graph, 11)
    with AmcOverlay(shorten_length(golden_overlay(tmp_path, graph), 9), device=sim_device.enable()) as amc:
        assert amc.batch == 5
        np.testing.assert_array_equal(amc.classify(frames).logits, golden.classify(graph, frames)[1])
