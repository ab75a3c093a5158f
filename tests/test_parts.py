"""One table of device families, and what asks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc.config import load_board
from hw_amc.errors import UnsupportedLayer
from hw_amc.parts import FAMILIES, SEVEN_SERIES, ULTRASCALE_PLUS, family_of, family_with

BOARDS = Path(__file__).parents[1] / "boards"


@pytest.mark.parametrize("board", sorted(path.parent.name for path in BOARDS.glob("*/board.toml")))
def test_a_board_s_part_and_ps_are_of_one_family(board: str) -> None:
    settings = load_board(board, BOARDS)
    family = family_of(settings.part)
    assert family is family_with(settings.ps)
    assert settings.resources["carry"] == settings.budget.carry * family.carry_bits / 4


def test_families_are_told_by_the_beginning_of_a_part_s_name() -> None:
    assert family_of("xc7z020clg400-1") is SEVEN_SERIES
    assert family_of("xck26-sfvc784-2LV-c") is family_of("xczu7ev-ffvc1156-2-e") is ULTRASCALE_PLUS
    with pytest.raises(UnsupportedLayer, match="xcv50"):
        family_of("xcv50")


def test_no_two_families_share_a_name() -> None:
    names = [name for family in FAMILIES for name in (*family.prefixes, family.ps, family.yosys, *family.ipxact)]
    assert len(set(names)) + len({"xc7"}) == len(names)
