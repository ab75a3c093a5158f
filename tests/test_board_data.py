"""Boards as data: every committed board holds together, and impossible ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc import config
from hw_amc.errors import ConfigError

BOARDS = Path(__file__).parents[1] / "boards"
NAMES = ("kv260", "pynq-z1", "pynq-z2", "rfsoc2x2", "rfsoc4x2", "zcu104")


def test_six_boards_are_committed() -> None:
    assert tuple(sorted(path.parent.name for path in BOARDS.glob("*/board.toml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_board_agrees_with_its_family(name: str) -> None:
    board = config.load_board(name, BOARDS)
    assert board.sources
    assert board.budget.ff == 2 * board.budget.lut
    if board.ps == "zynq7":
        assert board.budget.carry == board.budget.lut // 4
        assert (board.dma.memory_bits, board.dma.memory_port) == (64, "S_AXI_HP0")
    else:
        assert board.budget.carry == board.budget.lut // 8
        assert (board.dma.memory_bits, board.dma.memory_port) == (128, "S_AXI_HP0_FPD")
    assert board.dma.length_bits == 26


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dma = 0x4040_0000", "dma = 0xA001_0000", r"address.dma = 0xa0010000 must be .* 0x40000000..0x7fffffff"),
        ("dma = 0x4040_0000", "dma = 0x4040_0004", r"address.dma = 0x40400004 must be a multiple of 0x10000"),
        ("dma = 0x4040_0000", "dma = 0x43C0_0000", "both 0x43c00000"),
        ("burst_beats = 16", "burst_beats = 17", "dma.burst_beats"),
    ],
)
def test_impossible_board_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (BOARDS / "pynq-z2" / "board.toml").read_text().replace(old, new)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "board.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        config.load_board("mine", tmp_path)
