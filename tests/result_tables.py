"""Writes the tables of kills, fuzzing and mutation in docs/verification.md anew, from docs/results/*.json.

`python tests/result_tables.py` after `make chaos`, `make fuzz` or `make mutate`; tests/test_result_tables.py holds that
they agree.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mutation_tests import group_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "verification.md"
RESULTS = ROOT / "docs" / "results"

#: Column of the table of kills -> figure.
_KILLS = {
    "kills": "kills", "runs after them": "trials", "came after the end": "too_late", "failed again": "failed_again",
    "other results": "other_results", "half written": "half_written", "orphans": "orphans", "locks": "locks",
    "leftovers": "leftovers", "wrong words": "wrong_words",
}  # fmt: skip
#: The same of the table of fuzzing.
_INPUTS = {
    "inputs": "inputs", "of": "goal", "read": "read", "refused": "refused", "findings": "findings",
    "a second of a processor": "inputs_per_cpu_s", "hours of it left": "cpu_hours_to_goal",
}  # fmt: skip
#: The same of the table of mutation.
_CHANGES = {
    "files with a change": "files", "of": "of", "possible changes": "possible", "tried": "tried", "killed": "killed",
    "make no difference": "survived", "too long": "too long",
}  # fmt: skip


def _table(head: str, columns: dict[str, str], rows: dict[str, dict[str, Any]]) -> str:
    lines = ["| " + " | ".join([head, *columns]) + " |", "|" + "---|" * (1 + len(columns))]
    for name, figures in rows.items():
        cells = (_shown(figures.get(key)) for key in columns.values())
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def chaos_table(told: dict[str, Any]) -> str:
    """Each command that was killed."""
    return _table("command", _KILLS, {f"`{found['hw_amc']}`": found for found in told["chaos"].values()})


def fuzz_table(told: dict[str, Any]) -> str:
    """Each reader that was given wrong files, and all of them."""
    readers: dict[str, dict[str, Any]] = told["fuzz"]["readers"]
    sums = {key: sum(found[key] for found in readers.values()) for key in ("inputs", "read", "refused", "findings")}
    return _table("reader", _INPUTS, {**readers, f"all {len(readers)}": sums})


def mutation_table(told: dict[str, Any]) -> str:
    """Kinds of files, and all of them."""
    found = told["mutation"]
    rows = {
        name: {"of": all_["files"], "possible": all_["possible"], "files": 0} for name, all_ in found["all"].items()
    }
    for path, file in found["files"].items():
        row, outcomes = rows[group_of(path)], list(file["mutants"].values())
        row["files"] += bool(outcomes)
        for key in ("tried", "killed", "survived", "too long"):
            row[key] = row.get(key, 0) + (len(outcomes) if key == "tried" else outcomes.count(key))
    rows["all"] = {key: sum(row.get(key, 0) for row in rows.values()) for key in (*_CHANGES.values(),)}
    return _table("what", _CHANGES, rows)


def tables() -> dict[str, str]:
    """Name of a table in the page -> its text."""
    made = {"chaos": chaos_table, "fuzz": fuzz_table, "mutation": mutation_table}
    return {name: make(json.loads((RESULTS / f"{name}.json").read_text())) for name, make in made.items()}


def put(page: str, name: str, table: str) -> str:
    """Return the page with a table in its place; ValueError where it has none."""
    begin, end = f"<!-- {name}: python tests/result_tables.py -->\n", f"<!-- end of {name} -->\n"
    changed, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{table}\n{end}", page, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} places for the table {name}")
    return changed


def main() -> None:
    """Write the page anew."""
    page = PAGE.read_text()
    for name, table in tables().items():
        page = put(page, name, table)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
