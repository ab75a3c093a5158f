"""Each command killed twice at random moments, and run again; tests/chaos.py does so more often."""

from __future__ import annotations

from pathlib import Path

import chaos
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.cosim]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> chaos.Place:
    return chaos.Place(Path(tmp_path_factory.mktemp("chaos")))


@pytest.mark.parametrize("name", chaos.COMMANDS)
def test_a_kill_costs_nothing(place: chaos.Place, name: str) -> None:
    found = chaos.kill_many(place, name, kills=2, seed=7)
    assert found.problems == []
    assert found.is_clean
