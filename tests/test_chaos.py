"""Each command killed twice at random moments, and run again; tests/chaos.py does so more often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chaos
import chaos_place
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.cosim]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chaos_place.Place]:
    found = chaos_place.Place(Path(tmp_path_factory.mktemp("chaos")))
    yield found
    found.starter.close()


@pytest.mark.parametrize("name", chaos_place.COMMANDS)
def test_a_kill_costs_nothing(place: chaos_place.Place, name: str) -> None:
    found = chaos.kill_many(place, name, chaos.Outcome(), chaos.Series(kills=2, seed=7))
    assert found.problems == []
    assert found.is_clean
