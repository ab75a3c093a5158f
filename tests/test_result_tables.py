"""docs/verification.md says of kills, fuzzing and mutation what docs/results says."""

from __future__ import annotations

import json

import pytest
import result_tables
from chaos import Outcome
from chaos_place import COMMANDS
from fuzz_targets import TARGETS


@pytest.mark.parametrize("name", ["chaos", "fuzz", "mutation"])
def test_the_tables_are_those_of_the_results(name: str) -> None:
    page = result_tables.PAGE.read_text()
    assert result_tables.put(page, name, result_tables.tables()[name]) == page


def test_a_table_has_one_place() -> None:
    with pytest.raises(ValueError, match="has 0 places for the table chaos"):
        result_tables.put("nothing", "chaos", "")


def test_every_row_is_a_command_or_a_reader_that_there_is() -> None:
    told = {name: json.loads((result_tables.RESULTS / f"{name}.json").read_text()) for name in ("chaos", "fuzz")}
    assert told["chaos"]["chaos"].keys() <= COMMANDS.keys()
    assert told["fuzz"]["fuzz"]["readers"].keys() <= {target.name for target in TARGETS}
    for found in told["chaos"]["chaos"].values():
        assert sum(found["by_kind"].values()) == found["kills"]
        assert found.keys() - {"hw_amc", "command", "date", "kind"} <= vars(Outcome()).keys()
