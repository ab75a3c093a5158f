"""Vendor tools: orchestration with fake programs on PATH, parsers on report texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw_amc import report
from hw_amc.errors import ConfigError, DataError, ToolFailed, ToolMissing
from hw_amc.hls import backends, reports, vendor

DATA = Path(__file__).parent / "data" / "hls"

#: Does what the tool does for each script: leaves a report, prints, exits.
FAKE = """#!/bin/sh
echo "$0 $@" >> calls.log
for script in "$@"; do :; done
prj=hw_amc_core_prj/solution1
case $script in
  csim.tcl) echo "PASS: 2 frames" ;;
  csynth.tcl) mkdir -p $prj/syn/report; cp {data}/{csynth} $prj/syn/report/hw_amc_core_csynth.xml ;;
  cosim.tcl) mkdir -p $prj/sim/report; cp {data}/cosim.rpt $prj/sim/report/hw_amc_core_cosim.rpt ;;
  export.tcl) mkdir -p $prj/impl/report/verilog; cp {data}/export.rpt $prj/impl/report/verilog/{export} ;;
esac
{extra}
"""


def _text(name: str) -> str:
    return (DATA / name).read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tb_data").mkdir(parents=True)
    (folder / "tb_data" / "samples.dat").write_text("0 0\n" * 32)
    (folder / "hw_amc.json").write_text(json.dumps({"frame_len": 16, "part": "xczu7ev-ffvc1156-2-e", "clock_ns": 5.0}))
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put fake programs, and nothing else but the system's, on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def add(name: str, extra: str = "", export: str = "export_syn.rpt") -> None:
        path = programs / name
        path.write_text(FAKE.format(data=DATA, csynth="vitis_csynth.xml", export=export, extra=extra))
        path.chmod(0o755)

    return add


def test_nothing_on_path_gives_none(project: Path, install: Any) -> None:
    assert vendor.run(project, "Vitis") is None
    install("vivado_hls")
    assert vendor.run(project, "Vitis") is None


@pytest.mark.parametrize(
    ("backend", "program", "arguments"),
    [
        ("Vitis", "vitis-run", "--mode hls --tcl"),
        ("Vitis", "vitis_hls", "-f"),
        ("Vivado", "vivado_hls", "-f"),
    ],
)
def test_every_script_runs_in_order_and_is_reported(
    project: Path, install: Any, backend: str, program: str, arguments: str, tmp_path: Path
) -> None:
    install(program)
    told = {}
    outcome = vendor.run(project, backend, done=told.__setitem__)
    assert outcome is not None
    figures = outcome.figures
    assert told == figures
    assert not outcome.failed
    calls = (project / "calls.log").read_text().splitlines()
    steps = ("csim", "csynth", "cosim", "export")
    assert [call.split(" ", 1)[1] for call in calls] == [f"{arguments} {step}.tcl" for step in steps]
    assert all(call.startswith(f"{tmp_path}/bin/{program} ") for call in calls)
    assert tuple(figures) == steps
    assert figures["csim"] | {"frames": 2, "mismatches": 0} == figures["csim"]
    assert figures["cosim"]["latency_cycles"] == 15403
    assert {item["kind"] for item in figures.values()} == {"measured", "estimated"}
    assert (project / "logs" / "csim.log").read_text() == "PASS: 2 frames\n"
    report.merge(tmp_path / "build", {"hls": figures})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("case $script in csynth.tcl) echo 'ERROR: [HLS 200-1] bad'; exit 1 ;; esac", "exit code 1 .*bad"),
        ("case $script in csynth.tcl) rm $prj/syn/report/*.xml ;; esac", "left no .*csynth.xml; read .*csynth.log"),
        ("case $script in cosim.tcl) sed -i 's/Pass/Fail/' $prj/sim/report/*.rpt ;; esac", "co-simulation: Fail"),
    ],
)
def test_a_failure_is_a_failure(project: Path, install: Any, extra: str, message: str) -> None:
    install("vitis_hls", extra=extra)
    with pytest.raises(ToolFailed, match=message):
        vendor.run(project, "Vitis")


#: What a release up to 2021.2 says of today's date, as public logs show it (openwifi, SemiPCCD and others).
OVERFLOW = """ERROR: '2611281015' is an invalid argument. Please specify an integer value.
    while executing
"rdi::set_property core_revision 2611281015 {component component_1}"
ERROR: [IMPL 213-28] Failed to generate IP."""


@pytest.mark.parametrize("export", ["export_syn.rpt", "hw_amc_core_export.rpt"])
def test_the_export_report_has_either_name(project: Path, install: Any, export: str) -> None:
    install("vitis_hls", export=export)
    outcome = vendor.run(project, "Vitis")
    assert outcome is not None
    assert outcome.figures["export"]["lut"] == 71840


def test_a_failed_export_costs_no_other_figure_and_names_the_patch(project: Path, install: Any) -> None:
    install("vitis_hls", extra=f"case $script in export.tcl) cat <<'END'\n{OVERFLOW}\nEND\nexit 1 ;; esac")
    told = {}
    outcome = vendor.run(project, "Vitis", done=told.__setitem__)
    assert outcome is not None
    assert tuple(outcome.figures) == tuple(told) == ("csim", "csynth", "cosim")
    assert "y2k22 patch, which every one up to 2021.2 needs: answer record 76960" in outcome.failed["export"]


def test_a_step_keeps_its_figures_whatever_a_later_one_does(project: Path, install: Any) -> None:
    install("vitis_hls", extra="case $script in cosim.tcl) exit 1 ;; esac")
    told = {}
    with pytest.raises(ToolFailed, match="exit code 1"):
        vendor.run(project, "Vitis", done=told.__setitem__)
    assert tuple(told) == ("csim", "csynth")


def test_some_steps_only(project: Path, install: Any) -> None:
    install("vitis_hls")
    outcome = vendor.run(project, "Vitis", ["csynth"])
    assert outcome is not None
    assert tuple(outcome.figures) == ("csynth",)


def test_a_missing_tool_and_an_unknown_one_are_named(install: Any) -> None:
    with pytest.raises(ToolMissing, match="vitis-run or vitis_hls is not on PATH; install Vitis HLS and source"):
        vendor.require_tool(backends.find("Vitis"))
    install("vivado_hls")
    assert vendor.require_tool(backends.find("Vivado")) == "vivado_hls"
    with pytest.raises(ConfigError, match=r"hls\.backend = 'Quartus': no such HLS tool; known: Bambu, Vitis, Vivado"):
        backends.find("Quartus")
    with pytest.raises(ConfigError, match=r"hls\.backend = 'Vits': no such HLS tool; did you mean Vitis"):
        backends.find("Vits")
    assert backends.find("vitis").name == "Vitis"


def test_csim_must_say_pass(project: Path, install: Any) -> None:
    install("vitis_hls")
    path = project.parent / "bin" / "vitis_hls"
    path.write_text(path.read_text().replace("PASS", "FAIL"))
    with pytest.raises(ToolFailed, match="without the bench's PASS"):
        vendor.run(project, "Vitis")


def test_an_old_report_does_not_stand_for_a_new_one(project: Path, install: Any) -> None:
    (old,) = (project / report for report in vendor.STEPS["csynth"].reports)
    old.parent.mkdir(parents=True)
    old.write_text(_text("vitis_csynth.xml"))
    install("vitis_hls", extra="case $script in csynth.tcl) rm -f $prj/syn/report/* ;; esac")
    with pytest.raises(ToolFailed, match="left no"):
        vendor.run(project, "Vitis")


def test_csynth_of_vivado_hls() -> None:
    assert reports.parse_csynth(_text("vivado_csynth.xml")) == {
        "fmax_mhz": 114.71, "lut": 94021, "ff": 28331, "dsp": 240, "bram18": 3, "bram36": 1.5, "uram": 0,
        "latency_cycles": 15400, "interval_cycles": 15369,
        "percent": {"lut": 176.73, "ff": 26.63, "dsp": 109.09, "bram36": 1.07},
    }  # fmt: skip


def test_csynth_of_vitis_hls_with_an_unknown_latency() -> None:
    figures = reports.parse_csynth(_text("vitis_csynth.xml"))
    assert "latency_cycles" not in figures
    assert figures["interval_cycles"] == 19461
    assert figures["percent"] == {"lut": 44.08, "ff": 6.79, "dsp": 9.26, "bram36": 0.0, "uram": 0.0}


def test_cosim() -> None:
    assert reports.parse_cosim(_text("cosim.rpt")) == {"latency_cycles": 15403, "interval_cycles": 15372}
    one_frame = _text("cosim.rpt").replace("15371", "   NA").replace("15372", "   NA")
    assert reports.parse_cosim(one_frame) == {"latency_cycles": 15403}


def test_export() -> None:
    assert reports.parse_export(_text("export.rpt")) == {
        "lut": 71840, "ff": 29127, "dsp": 160, "bram18": 5, "bram36": 2.5, "uram": 0, "fmax_mhz": 237.53,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (reports.parse_csynth, "<profile>"),
        (reports.parse_csynth, "<profile></profile>"),
        (reports.parse_cosim, "nothing"),
        (reports.parse_cosim, "|   Verilog|      Pass|  1|"),
        (reports.parse_export, "#=== Post-Synthesis Resource usage ==="),
    ],
)
def test_a_damaged_report_is_refused(parse: Any, text: str) -> None:
    with pytest.raises(DataError, match=r"run \w+.tcl again"):
        parse(text)
