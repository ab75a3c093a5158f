"""Overlay projects, Vivado's reports and the archive for the board; the Tcl itself: test_board_rehearsal.py."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from board_overlays import BOARDS, small_manifest
from rehearsal import GRAPH, STANDINS, accelerator, environment, project, rehearse

from hw_amc import config, report
from hw_amc.driver.identity import check_files, find_bitstream
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import ConfigError, DataError, ToolFailed, ToolMissing
from hw_amc.flows.board import implement, write_overlay
from hw_amc.flows.rtl import RtlFlow
from hw_amc.interface.manifest import Manifest
from hw_amc.overlay import archive
from hw_amc.overlay import project as overlay
from hw_amc.overlay import vivado_reports as reports
from hw_amc.overlay.design import build_design
from hw_amc.overlay.settings import Target, emit_settings
from hw_amc.overlay.vectors import build_vectors
from hw_amc.workspace import Workspace


def test_projects_that_cannot_be() -> None:
    board = config.load_board("zcu104", BOARDS)
    with pytest.raises(ConfigError, match=r"built for pynq-z2 \(xc7z020clg400-1\), not zcu104"):
        overlay.build_overlay(accelerator("pynq-z2"), board, BOARDS)
    with pytest.raises(ConfigError, match=r"no build.tcl; the checkout is incomplete"):
        overlay.build_overlay(accelerator("zcu104"), board, BOARDS / "zcu104")
    design = build_design(small_manifest(GRAPH, "zcu104"), board)
    with pytest.raises(ConfigError, match="zynqmp has no port 'S_AXI_HP0'"):
        emit_settings(replace(design, memory_port="S_AXI_HP0"), Target("n", ()))
    with pytest.raises(ConfigError, match="clock_mhz = 260 cannot be divided"):
        emit_settings(replace(design, clock_mhz=260.0), Target("n", ()))


def test_without_vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    project("pynq-z2").write(tmp_path)
    with pytest.raises(ToolMissing, match="vivado is not on PATH; install Vivado"):
        overlay.run_overlay(tmp_path)


# Reports and the archive.

UTILIZATION = """
1. Slice Logic
--------------

+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| {lut:<26} | 21344 |     0 |          0 |     53200 | 40.12 |
|   LUT as Logic             | 19876 |     0 |          0 |     53200 | 37.36 |
| {ff:<26} | 30011 |     0 |          0 |    106400 | 28.21 |
| Block RAM Tile             |   3.5 |     0 |          0 |       140 |  2.50 |
| DSPs                       |   160 |     0 |          0 |       220 | 72.73 |
{more}
+----------------------------+-------+-------+------------+-----------+-------+
"""
TIMING = """
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------
{row}
"""


@pytest.mark.parametrize(
    ("names", "more", "extra"),
    [
        (("Slice LUTs*", "Slice Registers"), "| CARRY4   |  812 |  CarryLogic |", {"carry": 812.0}),
        (("CLB LUTs*", "CLB Registers"), "| CARRY8 | 406 | 0 | 0 | 28800 | 1.41 |\n| URAM | 2 | 0 | 0 | 96 | 2.08 |",
         {"carry": 406.0, "uram": 2.0}),
    ],
    ids=["7 series", "UltraScale+"],
)  # fmt: skip
def test_utilization(names: tuple[str, str], more: str, extra: dict[str, float]) -> None:
    used = reports.parse_utilization(UTILIZATION.format(lut=names[0], ff=names[1], more=more))
    assert used == {"lut": 21344.0, "ff": 30011.0, "bram36": 3.5, "dsp": 160.0, **extra}


def test_timing() -> None:
    good = reports.parse_timing(
        TIMING.format(row="      0.432        0.000      0    41235    0.019   0.000     0   1")
    )
    assert good == reports.Timing(0.432, 0.0, 0, 41235, 0.019)
    assert good.met
    assert not reports.parse_timing(
        TIMING.format(row="     -0.214       -3.125     17    41235    0.019   0.000   0   1")
    ).met
    with pytest.raises(DataError, match="no constrained path"):
        reports.parse_timing(TIMING.format(row="         NA           NA    NA    NA    NA    NA   NA   NA"))
    with pytest.raises(DataError, match="not a timing summary"):
        reports.parse_timing("nothing")
    with pytest.raises(DataError, match="not a utilization report"):
        reports.parse_utilization("nothing")


def test_implementation_figures(tmp_path: Path) -> None:
    board = config.load_board("pynq-z2", BOARDS)
    more = "| CARRY4 | 1330 | CarryLogic |\n| URAM | 0 | 0 | 0 | 0 | 0 |"
    (tmp_path / "utilization.rpt").write_text(UTILIZATION.format(lut="Slice LUTs", ff="Slice Registers", more=more))
    (tmp_path / "timing.rpt").write_text(TIMING.format(row="      0.432  0.000  0  41235  0.019   0.000  0  1"))
    figures = reports.load_implementation(tmp_path, board)
    assert figures["lut"] == 21344
    assert figures["bram36"] == 3.5
    assert figures["percent"]["carry"] == pytest.approx(10.0)
    assert "uram" not in figures  # the part has none
    assert figures["timing"] == {"wns_ns": 0.432, "tns_ns": 0.0, "failing": 0, "endpoints": 41235, "whs_ns": 0.019}
    (tmp_path / "timing.rpt").unlink()
    with pytest.raises(DataError, match=r"timing.rpt does not exist; run the implementation first"):
        reports.load_implementation(tmp_path, board)
    os.mkfifo(tmp_path / "timing.rpt")
    with pytest.raises(DataError, match=r"timing.rpt is a pipe; give a plain file; run the implementation first"):
        reports.load_implementation(tmp_path, board)


@pytest.fixture
def fake_vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `vivado` on PATH that runs the scripts against the stand-ins, and their folder of reports."""
    tools, texts = tmp_path / "bin", tmp_path / "reports"
    tools.mkdir()
    texts.mkdir()
    # vivado -mode batch -nojournal -nolog -source build.tcl -tclargs bit
    script = f'#!/bin/sh\n[ "$5 $7" = "-source -tclargs" ] && exec tclsh {STANDINS} "$6" "$8"\n'
    (tools / "vivado").write_text(script)
    (tools / "vivado").chmod(0o755)
    more = "| CARRY4 | 1330 | CarryLogic |"
    (texts / "report_utilization").write_text(UTILIZATION.format(lut="Slice LUTs", ff="Slice Registers", more=more))
    (texts / "report_timing_summary").write_text(TIMING.format(row="  0.4  0.0  0  41235  0.019  0.0  0  1"))
    (texts / "report_power").write_text("")
    variables = environment(tmp_path, project("pynq-z2").files["ip/component.xml"])
    variables |= {"PATH": f"{tools}:/usr/bin:/bin", "REPORTS": str(texts)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return texts


class _Untrained(RtlFlow):
    """A flow of the small network, which has no weights."""

    graph = GRAPH


class _WithoutCore(_Untrained):
    """The same with the real top module and an empty core."""

    accelerator = accelerator("pynq-z2")


def open_small(root: Path, kind: type[RtlFlow] = _WithoutCore, hls_export: Path | None = None) -> RtlFlow:
    """Flow of the small network in a workspace of its own."""
    (root / "hls_projects" / GRAPH.name).mkdir(parents=True, exist_ok=True)
    (root / "boards").symlink_to(BOARDS)
    board, settings = config.load_board("pynq-z2", BOARDS), config.RtlSettings()
    return kind(workspace=Workspace(root, GRAPH.name), board=board, settings=settings, hls_export=hls_export)


@pytest.mark.usefixtures("fake_vivado")
def test_vivado_run_is_reported_and_packed(tmp_path: Path) -> None:
    """From the written project to report.json and the board's archive."""
    small = open_small(tmp_path)
    folder = write_overlay(small)
    (folder / "build").mkdir()
    (folder / "build" / "old.rpt").write_text("of an earlier run")
    archive_path = implement(small, folder)
    assert not (folder / "build" / "old.rpt").exists()
    section = report.load(small.workspace.build)["synth"]["pynq-z2"]
    assert (section["tool"], section["kind"], section["lut"], section["R"]) == ("vivado", "measured", 21344, 1)
    assert section["timing"]["wns_ns"] == 0.4
    with zipfile.ZipFile(archive_path) as packed:
        names = {f"{GRAPH.name}.bit", f"{GRAPH.name}.hwh", "manifest.json", "golden.npz", "SHA256SUMS"}
        assert set(packed.namelist()) == names
        packed.extractall(tmp_path / "board")
    check_files(tmp_path / "board")
    vectors = Vectors.load(tmp_path / "board" / "golden.npz", small.accelerator.manifest)
    assert vectors.wire.shape == (16, 16, 2)


def test_missed_timing_is_reported_and_not_packed(
    tmp_path: Path, fake_vivado: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK", "-0.214")
    (fake_vivado / "report_timing_summary").write_text(TIMING.format(row="-0.214 -3.1  17  41235  0.019  0.0  0  1"))
    small = open_small(tmp_path)
    folder = write_overlay(small)
    with pytest.raises(ToolFailed, match=r"worst setup slack is -0\.214 ns"):
        implement(small, folder)
    assert report.load(small.workspace.build)["synth"]["pynq-z2"]["timing"]["failing"] == 17
    assert not list(folder.glob("*.zip"))


@pytest.mark.usefixtures("fake_vivado")
def test_vivado_that_breaks_off_leaves_no_figures(tmp_path: Path) -> None:
    small = open_small(tmp_path)
    folder = write_overlay(small)
    script = folder / "design.tcl"
    script.write_text(script.read_text().replace("create_ps\n", "error {licence expired}\n", 1))
    with pytest.raises(ToolFailed, match="licence expired"):
        implement(small, folder)
    assert "synth" not in report.load(small.workspace.build)


@pytest.mark.usefixtures("fake_vivado")
@pytest.mark.parametrize("folder", ["boards", "no such folder"])
def test_board_files_of_the_command_reach_vivado(tmp_path: Path, folder: str) -> None:
    small = open_small(tmp_path)
    wanted = tmp_path / folder
    if folder == "boards":
        implement(small, write_overlay(small), wanted)
        assert f"set_param\tboard.repoPaths\t{wanted.resolve()}" in (tmp_path / "calls.txt").read_text()
        return
    with pytest.raises(ConfigError, match="no such folder is no folder: board files are"):
        implement(small, write_overlay(small), wanted)


def test_command_without_vivado_still_writes_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hw_amc.cli import main as cli

    small = open_small(tmp_path)
    monkeypatch.setattr(RtlFlow, "open", lambda *options: small)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["overlay", GRAPH.name])
    assert "left out: vivado is not on PATH, so no bitstream was built" in capsys.readouterr().out
    assert (small.workspace.build / "overlay" / "pynq-z2" / "build.tcl").is_file()


def test_overlay_of_exported_hls_verilog(tmp_path: Path) -> None:
    """The HLS core goes through the same overlay: its own Verilog behind the adapter, in the same shell."""
    from test_shell import HLS, write_hls

    (tmp_path / "export").mkdir()
    small = open_small(tmp_path, _Untrained, write_hls(tmp_path / "export", HLS.format(bits=15)))
    (small.workspace.folder / "project.toml").write_text('board = "pynq-z2"\n')
    files = {path.name for path in write_overlay(small).rglob("*") if path.is_file()}
    assert {f"{GRAPH.name}_core.v", "hw_amc_core.v", f"{GRAPH.name}.v", "component.xml", "build.tcl"} <= files
    assert small.accelerator.manifest.flow == "hls"


def pack(build: Path, target: Path, manifest: Manifest | None = None) -> Path:
    """Pack what a rehearsal left in `build`, as built for the board of `manifest`."""
    manifest = manifest or small_manifest(GRAPH)
    board = config.load_board(manifest.board, BOARDS)
    design = replace(build_design(manifest, board), clock_mhz=manifest.clock_mhz)
    return archive.pack_overlay(build, design, manifest, build_vectors(GRAPH, manifest), target)


def test_archive(tmp_path: Path) -> None:
    build = tmp_path / "build"
    with pytest.raises(DataError, match=r"random_gru_cnn.bit does not exist"):
        pack(build, tmp_path / "overlay.zip")
    assert rehearse("pynq-z2", tmp_path).ok
    first = pack(build, tmp_path / "overlay.zip").read_bytes()
    assert pack(build, tmp_path / "again.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "overlay.zip") as packed:
        packed.extractall(tmp_path / "board")
    check_files(tmp_path / "board")
    assert find_bitstream(tmp_path / "board").name == f"{GRAPH.name}.bit"
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "board" / "SHA256SUMS").read_text().splitlines())
    for name in (f"{GRAPH.name}.bit", "golden.npz"):
        assert sums[name] == hashlib.sha256((tmp_path / "board" / name).read_bytes()).hexdigest()
    (tmp_path / "board" / f"{GRAPH.name}.hwh").write_text("<other/>")
    with pytest.raises(DataError, match=r"random_gru_cnn.hwh is not the file that the overlay was built with"):
        check_files(tmp_path / "board")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('DIVISOR0" VALUE="6"', 'DIVISOR0" VALUE="4"', "PLL of 1500 MHz over 4 the clock is 375 MHz, not 250 MHz"),
        ('ACT_FREQMHZ" VALUE="249.99', 'ACT_FREQMHZ" VALUE="240.99', "the timing is for 240.998 MHz, not for 250 MHz"),
        ('SRCSEL" VALUE="IOPLL', 'SRCSEL" VALUE="RPLL', "the clock comes from RPLL, not from IOPLL"),
        ('s2mm_data_width" VALUE="128"', 's2mm_data_width" VALUE="32"', "c_m_axi_s2mm_data_width of the DMA is 32,"),
        ("hw_amc:user:random_gru_cnn_ip", "hw_amc:user:other_ip", "the accelerator is hw_amc:user:other_ip:1.0, not"),
        ('BASEVALUE="0xA0000000"', 'BASEVALUE="0xA0020000"', "amc_0 stands at 0xa0020000, not at 0xa0000000"),
        ("zynq_ultra_ps_e", "microblaze", "has 0 processing systems of the kinds processing_system7, zynq_ultra_ps_e"),
        ("<EDKSYSTEM", "<EDKSYSTE", "is no .hwh: mismatched tag"),
    ],
)  # fmt: skip
def test_a_handoff_of_another_clock_or_design_is_not_packed(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert rehearse("zcu104", tmp_path, vivado="2024.2").ok
    path = tmp_path / "build" / f"{GRAPH.name}.hwh"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=re.escape(message)):
        pack(tmp_path / "build", tmp_path / "overlay.zip", small_manifest(GRAPH, "zcu104"))
    assert not (tmp_path / "overlay.zip").exists()
    path.write_text(text)
    pack(tmp_path / "build", tmp_path / "overlay.zip", small_manifest(GRAPH, "zcu104"))
