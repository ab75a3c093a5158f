"""The mutation runner itself, and what its committed results leave open."""

from __future__ import annotations

import json

from mutate import EQUIVALENT, ROOT, files_of, met_by, mutants_of, python_mutants, token_mutants

RESULTS = json.loads((ROOT / "docs" / "results" / "mutation.json").read_text())["mutation"]


def test_no_mutation_survives_unexplained() -> None:
    explained = json.loads(EQUIVALENT.read_text())
    survived = {
        key
        for file in RESULTS["files"].values()
        for key, outcome in file["mutants"].items()
        if outcome in ("survived", "no tests")
    }
    assert survived == set(explained)
    assert all(reason for reason in explained.values())


def test_python_is_changed_in_functions_alone() -> None:
    text = "A = 1 + 2\n\ndef f(x: int = 3) -> int:\n    # 5 - 4\n    return x << 1 if not x < 0 else -x\n"
    changes = [mutant.change for mutant in python_mutants("a.py", text)]
    assert sorted(changes) == [
        "-x -> (x)",
        "0 -> (1)",
        "1 -> (2)",
        "not x < 0 -> (x < 0)",
        "x < 0 -> (x <= 0)",
        "x << 1 -> (x >> 1)",
    ]
    (shifted,) = (mutant.text for mutant in python_mutants("a.py", text) if ">>" in mutant.change)
    assert shifted == text.replace("x << 1", "(x >> 1)")


def test_verilog_is_changed_outside_comments_and_parameters() -> None:
    text = "    parameter A = 1 + 2, // 1 + 1\n    assign y = !a && b[0];  // a + b\n"
    text += "    always @(posedge clk) q <= 1'b0;\n"
    found = [mutant.text.splitlines()[mutant.line - 1].strip() for mutant in token_mutants("a.v", text)]
    assert sorted(found) == [
        "always @(posedge clk) q <= 1'b1;",
        "assign y = !a && b[1];  // a + b",
        "assign y = !a || b[0];  // a + b",
        "assign y = a && b[0];  // a + b",
    ]


def test_every_kind_of_source_has_mutations_and_tests_that_exist() -> None:
    for pattern in (
        "hw_amc/graph/ops/*",
        "hw_amc/rtl/*.v",
        "hw_amc/rtl/*.py",
        "hw_amc/driver/*",
        "hw_amc/hls/firmware/*",
    ):
        files = files_of(pattern)
        assert files
        assert sum(len(mutants_of(path)) for path in files) > 200
        assert all((ROOT / test).exists() for path in files for test in met_by(path))
