"""HLS projects without the tools: their scripts in tclsh, against stand-ins that refuse what the tools would refuse."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deployed
import pytest

from hw_amc import hls
from hw_amc.errors import ToolFailed
from hw_amc.graph import golden
from hw_amc.hls import vendor

PART = "xc7z020clg400-1"
FRAMES = deployed.wire_frames(3)
STANDINS = Path(__file__).with_name("standins") / "hls.tcl"
REPORTS = Path(__file__).parent / "data" / "hls"
BENCH_LAYERS = ["gru", "conv1", "head"]
#: Steps that compile nothing here.
AFTER_CSIM = ("csynth", "cosim", "export")

#: A program's command line ends in its script, whatever the tool.
PROGRAM = """#!/bin/sh
for script in "$@"; do :; done
export LOG="$PWD/calls.txt" TOOL={tool} RELEASE={release} REPORTS={reports}{environment}
exec tclsh {standins} "$script"
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A written project for each tool."""
    root = tmp_path_factory.mktemp("projects")
    model, graph = deployed.build("random", root / "weights.h5")
    tensors = golden.run(graph, FRAMES, BENCH_LAYERS)
    for backend in ("Vivado", "Vitis"):
        hls.build_project(model, graph, hls.Target(backend, PART, 10.0), FRAMES, tensors).write(root / backend)
    return {backend: root / backend for backend in ("Vivado", "Vitis")}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a stand-in program, and the system's, on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def add(program: str, release: str, **environment: str) -> None:
        tool = "vivado_hls" if program == "vivado_hls" else "vitis_hls"
        more = "".join(f" {name.upper()}={value}" for name, value in environment.items())
        text = PROGRAM.format(tool=tool, release=release, reports=REPORTS, environment=more, standins=STANDINS)
        (programs / program).write_text(text)
        (programs / program).chmod(0o755)

    return add


@pytest.fixture
def project(projects: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copy a tool's project, into a folder with a space."""
    return lambda backend: shutil.copytree(projects[backend], tmp_path / f"my {backend}")


def calls(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "calls.txt").read_text().splitlines()]


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


@pytest.mark.parametrize(("backend", "program", "release"), [
    ("Vivado", "vivado_hls", "2020.1"), ("Vitis", "vitis_hls", "2023.2"),
])  # fmt: skip
def test_every_step(project: Any, install: Any, backend: str, program: str, release: str) -> None:
    """The bench is compiled with the script's own flags, and compares every layer, not the logits alone."""
    install(program, release, patched="1")
    folder = project(backend)
    outcome = vendor.run(folder, backend)
    assert outcome is not None
    assert not outcome.failed
    assert tuple(outcome.figures) == ("csim", *AFTER_CSIM)
    said = (folder / "logs" / "csim.log").read_text()
    assert "gru: 0 of 288 integers differ" in said
    assert "PASS: 3 frames" in said
    assert ["set_part", PART] in calls(folder)
    assert ["create_clock", "-period", "10", "-name", "default"] in calls(folder)


@pytest.mark.parametrize(
    ("backend", "program", "release", "export"),
    [
        ("Vivado", "vivado_hls", "2019.2", "hw_amc_core_export.rpt"),
        ("Vivado", "vivado_hls", "2020.1", "hw_amc_core_export.rpt"),
        ("Vitis", "vitis_hls", "2020.2", "export_syn.rpt"),
        ("Vitis", "vitis_hls", "2023.2", "export_syn.rpt"),
        ("Vitis", "vitis-run", "2024.2", "export_syn.rpt"),
    ],
)
def test_reports_of_every_release(
    project: Any, install: Any, backend: str, program: str, release: str, export: str
) -> None:
    install(program, release, patched="1")
    folder = project(backend)
    outcome = vendor.run(folder, backend, AFTER_CSIM)
    assert outcome is not None
    assert outcome.figures["export"]["lut"] == 71840
    (left,) = (folder / vendor.SOLUTION / "impl" / "report" / "verilog").iterdir()
    assert left.name == export


@pytest.mark.parametrize(("backend", "program", "release"), [
    ("Vivado", "vivado_hls", "2020.1"), ("Vitis", "vitis_hls", "2020.2"), ("Vitis", "vitis_hls", "2021.2"),
])  # fmt: skip
def test_an_export_without_amds_patch_costs_no_other_figure(
    project: Any, install: Any, backend: str, program: str, release: str
) -> None:
    install(program, release)
    outcome = vendor.run(project(backend), backend, AFTER_CSIM)
    assert outcome is not None
    assert tuple(outcome.figures) == ("csynth", "cosim")
    assert "y2k22 patch, which every one up to 2021.2 needs: answer record 76960" in outcome.failed["export"]


def test_a_release_after_the_patch_needs_none(project: Any, install: Any) -> None:
    install("vitis_hls", "2022.1")
    outcome = vendor.run(project("Vitis"), "Vitis", ("csynth", "export"))
    assert outcome is not None
    assert not outcome.failed


@pytest.mark.parametrize(("step", "before"), [("csim", ()), ("csynth", ()), ("cosim", ("csynth",))])
def test_a_step_that_fails_is_named_and_ends_the_tool(
    project: Any, install: Any, step: str, before: tuple[str, ...]
) -> None:
    install("vitis_hls", "2023.2", fault=f"{step}_design")
    folder, told = project("Vitis"), {}
    with pytest.raises(ToolFailed, match=f"exit code 1 .*{step}_design failed on purpose"):
        vendor.run(folder, "Vitis", (*before, step), told.__setitem__)
    assert tuple(told) == before


@pytest.mark.parametrize(
    ("backend", "name", "old", "new", "message"),
    [
        ("Vivado", "project.tcl", "-std=c++0x", "-std=c++14", 'unrecognized command line option "-std=c++14"'),
        ("Vitis", "project.tcl", "config_compile", "config_array_partition -maximum_size 8192\nconfig_compile",
         "'config_array_partition -maximum_size' command is not supported"),
        ("Vitis", "csim.tcl", "add_files -tb tb_data", "", "cannot open tb_data/samples.dat"),
        ("Vitis", "csynth.tcl", "-tb tb_data", "-tb tb_dat", "'tb_dat' does not exist"),
        ("Vitis", "csynth.tcl", "-cflags", "-flags", "Unknown option '-flags'"),
        ("Vitis", "csynth.tcl", "tool_settings\n", "", "csynth_design: the solution has no part"),
        ("Vitis", "cosim.tcl", "open_solution", "open_solution -reset", "has no part"),
        ("Vitis", "export.tcl", "-ipname", "-ip_name", "Unknown option '-ip_name'"),
    ],
)  # fmt: skip
def test_standins_notice_mistakes(
    project: Any, install: Any, backend: str, name: str, old: str, new: str, message: str
) -> None:
    """The checks above mean something: a broken script fails."""
    install({"Vivado": "vivado_hls", "Vitis": "vitis_hls"}[backend], "2023.2", patched="1")
    folder = project(backend)
    change(folder, name, old, new)
    step = "csim" if name in ("project.tcl", "csim.tcl") else name.removesuffix(".tcl")
    try:
        outcome = vendor.run(folder, backend, ("csynth", step) if step in ("cosim", "export") else (step,))
        assert outcome is not None
        assert outcome.failed
    except ToolFailed:
        pass
    assert message in (folder / "logs" / f"{step}.log").read_text()


def test_cosim_before_synthesis_is_refused(project: Any, install: Any) -> None:
    install("vitis_hls", "2023.2")
    with pytest.raises(ToolFailed, match="no project hw_amc_core_prj"):
        vendor.run(project("Vitis"), "Vitis", ("cosim",))
