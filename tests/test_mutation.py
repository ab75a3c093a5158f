"""The mutation runner itself, and what its committed results leave open."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mutate import (
    BY_HAND,
    EQUIVALENT,
    ROOT,
    by_hand,
    change_functions,
    drawn,
    files_of,
    met_by,
    mutants_of,
    python_mutants,
    token_mutants,
)
from mutation_tests import TESTS

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


def test_changes_of_the_same_text_on_a_line_have_names_of_their_own() -> None:
    found = python_mutants("a.py", "def f() -> int:\n    return 1 + g(1)\n")
    assert [mutant.key for mutant in found if "2" in mutant.text] == ["a.py:2: 1 -> (2)", "a.py:2: 1 -> (2) [2]"]
    assert len({mutant.text for mutant in found}) == len(found) == 3


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
        "hw_amc/hls/*.py",
    ):
        files = files_of(pattern)
        assert files
        assert sum(len(mutants_of(path)) for path in files) > 200


def test_the_tests_that_files_meet_exist() -> None:
    for test in sorted({test for _, tests in TESTS for test in tests}):
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text()
        name, _, case = name.partition("[")
        network = case.removesuffix("]").partition("-")[0]
        assert not name or re.search(rf"^def {name}\(", text, re.MULTILINE), test
        assert not network or f'"{network}": ' in text + (ROOT / "tests" / "hls_networks.py").read_text(), test


def test_changes_by_hand_can_be_made_and_come_first() -> None:
    paths = {file for file, _, _ in json.loads(BY_HAND.read_text())}
    for path in paths:
        assert met_by(path)
        found = by_hand(path)
        assert drawn(path, 3, 1)[: len(found)] == found
        assert all(mutant.text != (ROOT / path).read_text() for mutant in found)


def test_a_larger_sample_holds_the_smaller_one() -> None:
    path = "hw_amc/rtl/blocks/amc_pool.v"
    small = drawn(path, 3, 1)
    assert drawn(path, 40, 1)[: len(small)] == small
    assert drawn(path, 3, 2) != drawn(path, 3, 1)


def _twice(x: int) -> int:
    return (lambda y: y * 2)(x)


def test_a_loaded_function_gets_the_code_of_another_text() -> None:
    text = Path(__file__).read_text()
    change_functions(__file__, text, text.replace("y * " + "2", "y + 5"))
    assert _twice(10) == 15
    change_functions(__file__, text, text)
    assert _twice(10) == 20
