"""Adders of a part's own cells equal their plain form: proved by Yosys for every width, sign and state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_amc.config import RtlSettings
from hw_amc.errors import ToolFailed
from hw_amc.graph import Graph
from hw_amc.parts import FAMILIES
from hw_amc.rtl import build_core
from hw_amc.rtl.verilog import library
from hw_amc.sources import Sources
from hw_amc.synth.yosys import run_yosys

PROJECTS = Path(__file__).parents[1] / "hls_projects"
DEFINES = [family.defines for family in FAMILIES]
Cases = list[dict[str, int]]
#: Widths of sums, and of digits, that are proved.
WIDTHS, DIGITS = range(1, 21), range(1, 11)

#: No state: the outputs are equal for all inputs.
EQUAL = ("sat -verify -prove trigger 0 miter",)
#: The states are equal from the first `clear` on, and stay so: base case behind it, then induction from any state.
INDUCTION = (
    "sat -verify -tempinduct -tempinduct-baseonly -maxsteps 3 -seq 2 -set-at 1 in_clear 1 -prove trigger 0 miter",
    "sat -verify -tempinduct -tempinduct-inductonly -maxsteps 3 -prove trigger 0 miter",
)


def _proof(module: str, parameters: dict[str, int], goal: tuple[str, ...]) -> Iterator[str]:
    """Commands; the sources were read with the part's macros into design `cells`, without them into `plain`."""
    chosen = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    for form in ("cells", "plain"):
        yield f"design -load {form}"
        yield f"chparam {chosen} {module}"
        yield from (f"hierarchy -top {module}", "proc", "flatten", f"rename -top {form}_form")
        yield f"design -stash {form}_form"
    for form in ("cells", "plain"):
        yield f"design -copy-from {form}_form -as {form}_form {form}_form"
    yield "miter -equiv -flatten -make_outputs plain_form cells_form miter"
    yield from ("hierarchy -top miter", "opt", *goal)


def _prove(files: dict[str, str], cases: Cases, goal: tuple[str, ...], defines: tuple[str, ...], folder: Path) -> str:
    """Run the proofs of a module, whose file is the first, with all these parameters; return the log."""
    module = next(iter(files)).removesuffix(".v")
    script = ["read_verilog +/xilinx/cells_sim.v", "design -save cells", "design -reset"]
    script += [f"read_verilog {' '.join(sorted(files))}", "design -save plain"]
    for parameters in cases:
        script += _proof(module, parameters, goal)
    run_yosys(Sources(files), folder, script, defines)
    return (folder / "synth.log").read_text()


@pytest.mark.cosim
@pytest.mark.parametrize("defines", DEFINES)
def test_sums_of_three_terms(defines: tuple[str, ...], tmp_path: Path) -> None:
    cases = [{"WIDTH": width, "NEGATIVE": negative} for width in WIDTHS for negative in range(3)]
    log = _prove(library("amc_sum3"), cases, EQUAL, defines, tmp_path)
    assert log.count("SAT proof finished - no model found: SUCCESS!") == len(cases)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("module", "sign", "signs", "defines"),
    [*(("amc_digit_add3", "NEGATIVE", 3, defines) for defines in DEFINES), ("amc_digit_add", "SUB", 2, DEFINES[0])],
)
def test_digit_serial_sums(module: str, sign: str, signs: int, defines: tuple[str, ...], tmp_path: Path) -> None:
    cases = [{"D": digit, sign: value} for digit in DIGITS for value in range(signs)]
    log = _prove(library(module), cases, INDUCTION, defines, tmp_path)
    assert log.count("Induction step proven: SUCCESS!") == len(cases)
    assert log.count("proved base case for 3 steps: SUCCESS!") == len(cases)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("module", "case", "goal", "file", "right", "wrong"),
    [
        ("amc_sum3", {"WIDTH": 6, "NEGATIVE": 1}, EQUAL, "amc_sum3_bit.v", "98e8e8e8e", "98e8f8e8e"),
        ("amc_digit_add3", {"D": 3, "NEGATIVE": 1}, INDUCTION, "amc_digit_add3.v", "> 1 : m[D]", "> 0 : m[D]"),
    ],
)
def test_a_wrong_cell_is_found(
    module: str, case: dict[str, int], goal: tuple[str, ...], file: str, right: str, wrong: str, tmp_path: Path
) -> None:
    files = library(module)
    assert files[file].count(right) == 1
    files[file] = files[file].replace(right, wrong)
    with pytest.raises(ToolFailed):
        _prove(files, [case], goal, DEFINES[0], tmp_path)
    assert "Called with -verify and proof did fail!" in (tmp_path / "synth.log").read_text()


def test_what_the_lead_model_uses_is_proved() -> None:
    graph = Graph.load(PROJECTS / "gru_cnn_sparse07")
    for cycles, pattern, proved in ((1, r"amc_sum3 #\(\.WIDTH\((\d+)\)", WIDTHS), (10, r"\.D\((\d+)\)", DIGITS)):
        texts = build_core(graph, RtlSettings(cycles_per_step=cycles)).sources.files.values()
        used = {int(width) for text in texts for width in re.findall(pattern, text)}
        assert used
        assert used <= set(proved)
