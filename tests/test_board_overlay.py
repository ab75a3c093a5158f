"""Overlay projects without Vivado: the Tcl runs in tclsh against stand-ins that refuse what Vivado would refuse."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from board_overlays import BOARDS, small_graph, small_manifest

from hw_amc import config, report
from hw_amc.driver.identity import check_files, find_bitstream
from hw_amc.errors import ConfigError, DataError, ToolFailed, ToolMissing
from hw_amc.flows.board import implement, write_overlay
from hw_amc.flows.rtl import RtlFlow
from hw_amc.overlay import archive, component
from hw_amc.overlay import project as overlay
from hw_amc.overlay import vivado_reports as reports
from hw_amc.overlay.design import IP_INSTANCE, build_design
from hw_amc.rtl.shell.accelerator import Accelerator, emit_top
from hw_amc.sim_device import hwh
from hw_amc.sources import Sources
from hw_amc.workspace import Workspace

NAMES = ("kv260", "pynq-z1", "pynq-z2", "rfsoc2x2", "rfsoc4x2", "zcu104")
STANDINS = Path(__file__).with_name("vivado_standins.tcl")
GRAPH = small_graph()


def accelerator(board: str) -> Accelerator:
    """The real top module, with an empty core: nothing below the top matters to the overlay."""
    manifest = small_manifest(GRAPH, board)
    core = f"module {manifest.name}_core; endmodule\n"
    return Accelerator(Sources({f"{manifest.name}.v": emit_top(manifest), f"{manifest.name}_core.v": core}), manifest)


def project(board: str) -> Sources:
    return overlay.build_overlay(accelerator(board), config.load_board(board, BOARDS), BOARDS)


def ip_pins(text: str) -> str:
    """What the catalogue shows of a component.xml: version, free pins, interfaces, settings, segments."""
    root = ElementTree.fromstring(text)
    names = {"s": component.SPIRIT}
    mapped, buses, pins = set(), [], []
    for bus in root.iterfind("s:busInterfaces/s:busInterface", names):
        kind = bus.find("s:busType", names).get(f"{{{component.SPIRIT}}}library")
        ports = [port.text for port in bus.iterfind(".//s:physicalPort/s:name", names)]
        if kind == "interface":
            buses.append(bus.findtext("s:name", "", names))
            mapped |= set(ports)
        else:
            pins += [f"{port} I" for port in ports]
            mapped |= set(ports)
    free = {port.findtext("s:name", "", names) for port in root.iterfind("s:model/s:ports/s:port", names)} - mapped
    assert not free, f"ports outside every interface: {free}"
    (block,) = root.iterfind("s:memoryMaps/s:memoryMap/s:addressBlock/s:name", names)
    version = root.findtext("s:version", "", names)
    return f"{version} {{{' '.join(pins)}}} {{{' '.join(buses)}}} {{}} {{s_axi/{block.text}}}"


def run_tcl(
    folder: Path, goal: str = "bit", vivado: str = "2022.2", slack: str = "0.4", board_parts: str | None = None
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed")
    settings = (folder / "settings.tcl").read_text()
    (wanted,) = [
        line.split("{")[1].rstrip("}") for line in settings.splitlines() if line.strip().startswith("board_part")
    ]
    environment = {
        "PATH": "/usr/bin:/bin",
        "LOG": str(folder / "calls.txt"),
        "VIVADO": vivado,
        "SLACK": slack,
        "BOARD_PARTS": wanted if board_parts is None else board_parts,
        "IP_NAME": GRAPH.name,
        "IP_PINS": ip_pins((folder / "ip" / "component.xml").read_text()),
    }
    done = subprocess.run(
        [tclsh, str(STANDINS), str(folder / "build.tcl"), goal],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, [line.split("\t") for line in (folder / "calls.txt").read_text().splitlines()]


def words(calls: list[list[str]], name: str) -> list[list[str]]:
    return [call[1:] for call in calls if call[0] == name]


@pytest.mark.parametrize("vivado", ["2020.1", "2022.2", "2024.2"])
@pytest.mark.parametrize("board", NAMES)
def test_every_board_builds(tmp_path: Path, board: str, vivado: str) -> None:
    project(board).write(tmp_path)
    done, calls = run_tcl(tmp_path, vivado=vivado)
    assert done.returncode == 0, done.stderr
    settings = config.load_board(board, BOARDS)
    assert words(calls, "create_project")[0][-1] == settings.part
    assert ["board_part", settings.board_part, "project"] in words(calls, "set_property")
    design = build_design(small_manifest(GRAPH, board), settings)
    addresses = {
        (space, segment): (int(base, 16), int(size, 16))
        for base, size, space, segment in words(calls, "assign_bd_address")
    }
    window = settings.address.window
    assert addresses[("ps_0/Data", f"{IP_INSTANCE}/s_axi/reg0")] == (settings.address.accelerator, window)
    assert addresses[("ps_0/Data", "axi_dma_0/S_AXI_LITE/Reg")] == (settings.address.dma, window)
    memory = {value for (space, _), value in addresses.items() if space.startswith("axi_dma_0")}
    assert memory == {(0, settings.address.memory_bytes)}
    assert len(addresses) == 4
    (dma,) = [call[1] for call in words(calls, "set_property") if call[0] == "-dict" and call[2] == "axi_dma_0"]
    for name, value in hwh.dma_settings(design).items():
        assert f"CONFIG.{name} {{{value}}}" in dma
    steps = [call[0] for call in calls]
    order = [
        "create_project",
        "update_ip_catalog",
        "create_bd_design",
        "validate_bd_design",
        "make_wrapper",
        "open_run",
    ]
    assert [steps.index(step) for step in order] == sorted(steps.index(step) for step in order)
    assert [call[0] for call in words(calls, "launch_runs")] == ["synth_1", "impl_1"]
    for name in (f"{GRAPH.name}.bit", f"{GRAPH.name}.hwh", "utilization.rpt", "timing.rpt", "power.rpt"):
        assert (tmp_path / "build" / name).is_file()


@pytest.mark.parametrize("board", NAMES)
def test_block_design_is_the_handoffs(tmp_path: Path, board: str) -> None:
    """Tcl and the generated .hwh describe one design: instances, nets, streams."""
    project(board).write(tmp_path)
    _, calls = run_tcl(tmp_path, goal="project")
    root = ElementTree.fromstring(
        hwh.emit_hwh(build_design(small_manifest(GRAPH, board), config.load_board(board, BOARDS)))
    )
    made = {name: vlnv.split(":")[2] for vlnv, name in words(calls, "create_bd_cell")}
    assert made == {module.get("INSTANCE"): module.get("MODTYPE") for module in root.iter("MODULE")}
    nets = {tuple(call) for call in words(calls, "connect_bd_net")}
    for module in root.iter("MODULE"):
        for port in module.iterfind("PORTS/PORT"):
            if port.get("DIR") == "O" and port.get("SIGIS") in ("clk", "rst"):
                for end in port.iter("CONNECTION"):
                    source = f"{module.get('INSTANCE')}/{port.get('NAME')}"
                    assert (source, f"{end.get('INSTANCE')}/{end.get('PORT')}") in nets
    links = {tuple(call) for call in words(calls, "connect_bd_intf_net")}
    assert ("axi_dma_0/M_AXIS_MM2S", "amc_0/s_axis") in links
    assert ("amc_0/m_axis", "axi_dma_0/S_AXIS_S2MM") in links


def test_negative_slack_fails_after_the_reports(tmp_path: Path) -> None:
    project("pynq-z2").write(tmp_path)
    done, calls = run_tcl(tmp_path, slack="-0.214")
    assert done.returncode != 0
    assert "timing failed: worst setup slack is -0.214 ns; lower clock_mhz in board.toml" in done.stderr
    assert words(calls, "report_timing_summary")
    assert run_tcl(tmp_path, slack="")[0].returncode != 0


@pytest.mark.parametrize(("goal", "runs"), [("project", []), ("synth", ["synth_1"])])
def test_goals(tmp_path: Path, goal: str, runs: list[str]) -> None:
    project("pynq-z2").write(tmp_path)
    done, calls = run_tcl(tmp_path, goal=goal)
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in words(calls, "launch_runs")] == runs
    assert run_tcl(tmp_path, goal="bits")[0].returncode != 0


def test_newest_board_files_and_none(tmp_path: Path) -> None:
    project("kv260").write(tmp_path)
    _, calls = run_tcl(tmp_path, goal="project", board_parts="xilinx.com:kv260_som:part0:1.9")
    assert ["board_part", "xilinx.com:kv260_som:part0:1.9", "project"] in words(calls, "set_property")
    done, calls = run_tcl(tmp_path, goal="project", board_parts="other:board:part0:1.0")
    assert done.returncode == 0, done.stderr
    assert "WARNING: no board files for xilinx.com:kv260_som:part0:1.4" in done.stdout
    assert any("apply_board_preset 0" in call[3] for call in words(calls, "apply_bd_automation"))


@pytest.mark.parametrize(
    ("vivado", "code", "text"), [("2019.2", 1, "older than 2020.1"), ("2025.1", 0, "newer than 2024.2")]
)
def test_other_vivados(tmp_path: Path, vivado: str, code: int, text: str) -> None:
    project("pynq-z2").write(tmp_path)
    done, _ = run_tcl(tmp_path, goal="project", vivado=vivado)
    assert done.returncode == code
    assert text in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("axi_dma_0/M_AXIS_MM2S ", "axi_dma_0/M_AXIS_MM2 ", "no interface pin axi_dma_0/M_AXIS_MM2"),
        (" amc_0/aclk", "", "amc_0/aclk is not connected"),
        ("CONFIG.NUM_MI $masters", "CONFIG.NUM_MI 1", "no interface pin axi_control_0/M01_AXI"),
        ("amc_0/s_axi/reg0", "amc_0/s_axi/Reg", "no segment amc_0/s_axi/Reg"),
    ],
)
def test_standins_notice_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The checks above mean something: a broken script fails."""
    project("pynq-z2").write(tmp_path)
    script = tmp_path / "design.tcl"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    done, _ = run_tcl(tmp_path, goal="project")
    assert done.returncode != 0
    assert message in done.stderr


def test_projects_that_cannot_be() -> None:
    board = config.load_board("zcu104", BOARDS)
    with pytest.raises(ConfigError, match=r"built for pynq-z2 \(xc7z020clg400-1\), not zcu104"):
        overlay.build_overlay(accelerator("pynq-z2"), board, BOARDS)
    with pytest.raises(ConfigError, match=r"no build.tcl; the checkout is incomplete"):
        overlay.build_overlay(accelerator("zcu104"), board, BOARDS / "zcu104")
    design = build_design(small_manifest(GRAPH, "zcu104"), board)
    with pytest.raises(ConfigError, match="zynqmp has no port 'S_AXI_HP0'"):
        overlay.emit_settings(replace(design, memory_port="S_AXI_HP0"), 1)
    with pytest.raises(ConfigError, match="clock_mhz = 260 cannot be divided"):
        overlay.emit_settings(replace(design, clock_mhz=260.0), 1)


def test_without_vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    project("pynq-z2").write(tmp_path)
    with pytest.raises(ToolMissing, match="vivado is not on PATH; install Vivado"):
        overlay.run_overlay(tmp_path)


# The component.


def test_component_has_the_modules_ports() -> None:
    manifest = small_manifest(GRAPH)
    ports = component.parse_ports(emit_top(manifest), manifest.name)
    assert component.Port("s_axis_tdata", "input", 32) in ports
    assert component.Port("s_axi_araddr", "input", 8) in ports
    assert len(ports) == 27
    text = project("pynq-z2").files["ip/component.xml"]
    component.check_component(text, ports)
    with pytest.raises(ConfigError, match="differ in the ports aclk"):
        component.check_component(text, ports[1:])
    with pytest.raises(ConfigError, match="lacks the ports aresetn, s_axi_rready"):
        component.emit_component(
            "v:l:n:1.0", [p for p in ports if p.name not in ("aresetn", "s_axi_rready")], [], 4096, ""
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<spirit:name>s_axis_tdata<", "<spirit:name>tdata<", "maps the port 'tdata'"),
        ('memoryMapRef="s_axi"', 'memoryMapRef="other"', "refers to the memory map 'other'"),
        ("<spirit:localName>sources", "<spirit:localName>none", "refers to the file set 'none'"),
    ],
)  # fmt: skip
def test_broken_references_are_found(old: str, new: str, message: str) -> None:
    manifest = small_manifest(GRAPH)
    ports = component.parse_ports(emit_top(manifest), manifest.name)
    text = project("pynq-z2").files["ip/component.xml"]
    assert old in text
    broken = text.replace(old, new, 1)
    with pytest.raises(ConfigError, match=message):
        component.check_component(broken, ports)


def hls_component() -> str:
    """Describe an IP with every type of file that an HLS tool may export."""
    manifest = small_manifest(GRAPH)
    ports = component.parse_ports(emit_top(manifest), manifest.name)
    files = ["src/core.v", "src/table.dat", "src/defines.vh", "src/stream.sv"]
    return component.emit_component(f"v:l:{manifest.name}:1.0", ports, files, 4096, "an HLS core")


def test_component_names_tables_and_includes_as_what_they_are() -> None:
    """Vivado copies and reads only what is listed: without its tables an HLS core would be built of zeros."""
    named = {"spirit": component.SPIRIT}
    files = ElementTree.fromstring(hls_component()).findall(".//spirit:file", named)
    assert [[child.text for child in file] for file in files] == [
        ["src/core.v", "verilogSource"],
        ["src/defines.vh", "verilogSource", "true"],
        ["src/stream.sv", "systemVerilogSource"],
        ["src/table.dat", "mif"],
    ]


@pytest.mark.vendor
@pytest.mark.parametrize("board", [*NAMES, "hls"])
def test_component_is_valid(board: str, tmp_path: Path) -> None:
    """Accellera's schema accepts it: HW_AMC_IPXACT_SCHEMA=.../1685-2009/index.xsd and `pip install xmlschema`."""
    schema = os.environ.get("HW_AMC_IPXACT_SCHEMA")
    if schema is None:
        pytest.skip("HW_AMC_IPXACT_SCHEMA names no index.xsd of IEEE 1685-2009")
    xmlschema = pytest.importorskip("xmlschema")
    path = tmp_path / "component.xml"
    path.write_text(hls_component() if board == "hls" else project(board).files["ip/component.xml"])
    xmlschema.XMLSchema(schema).validate(path)


def test_component_follows_the_schemas_order() -> None:
    """IEEE 1685-2009, component.xsd: the children of a component come in this sequence."""
    root = ElementTree.fromstring(project("zcu104").files["ip/component.xml"])
    order = ["vendor", "library", "name", "version", "busInterfaces", "memoryMaps", "model", "fileSets", "description",
             "parameters", "vendorExtensions"]  # fmt: skip
    assert [child.tag.split("}")[1] for child in root] == order
    for bus in root.iter(f"{{{component.SPIRIT}}}busInterface"):
        tags = [child.tag.split("}")[1] for child in bus]
        assert tags[:3] == ["name", "busType", "abstractionType"]
        assert tags[3] in ("master", "slave")
        assert tags[4:] in (["portMaps"], ["portMaps", "parameters"])


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
    with pytest.raises(DataError, match=r"timing.rpt: .*run the implementation first"):
        reports.load_implementation(tmp_path, board)


@pytest.fixture
def fake_vivado(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `vivado` on PATH that runs the scripts against the stand-ins, and their folder of reports."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed")
    tools, texts = tmp_path / "bin", tmp_path / "reports"
    tools.mkdir()
    texts.mkdir()
    # vivado -mode batch -nojournal -nolog -source build.tcl -tclargs bit
    script = f'#!/bin/sh\n[ "$5 $7" = "-source -tclargs" ] && exec {tclsh} {STANDINS} "$6" "$8"\n'
    (tools / "vivado").write_text(script)
    (tools / "vivado").chmod(0o755)
    more = "| CARRY4 | 1330 | CarryLogic |"
    (texts / "report_utilization").write_text(UTILIZATION.format(lut="Slice LUTs", ff="Slice Registers", more=more))
    (texts / "report_power").write_text("")
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin", "LOG": str(tmp_path / "calls.txt"), "VIVADO": "2022.2", "BOARD_PARTS": "",
        "IP_NAME": GRAPH.name, "IP_PINS": ip_pins(project("pynq-z2").files["ip/component.xml"]), "REPORTS": str(texts),
    }  # fmt: skip
    for name, value in environment.items():
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


def test_vivado_run_is_reported_and_packed(tmp_path: Path, fake_vivado: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the written project to report.json and the board's archive."""
    monkeypatch.setenv("SLACK", "0.4")
    (fake_vivado / "report_timing_summary").write_text(TIMING.format(row="  0.4  0.0  0  41235  0.019  0.0  0  1"))
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
        assert set(packed.namelist()) == {f"{GRAPH.name}.bit", f"{GRAPH.name}.hwh", "manifest.json", "SHA256SUMS"}
        packed.extractall(tmp_path / "board")
    check_files(tmp_path / "board")


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


def test_vivado_that_breaks_off_leaves_no_figures(tmp_path: Path, fake_vivado: Path) -> None:
    small = open_small(tmp_path)
    folder = write_overlay(small)
    script = folder / "design.tcl"
    script.write_text(script.read_text().replace("create_ps\n", "error {licence expired}\n", 1))
    with pytest.raises(ToolFailed, match="licence expired"):
        implement(small, folder)
    assert "synth" not in report.load(small.workspace.build)


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
    """The HLS road's core goes through the same overlay: its own Verilog behind the adapter, in the same shell."""
    from test_shell import HLS, write_hls

    (tmp_path / "export").mkdir()
    small = open_small(tmp_path, _Untrained, write_hls(tmp_path / "export", HLS.format(bits=15)))
    (small.workspace.folder / "project.toml").write_text('board = "pynq-z2"\n')
    files = {path.name for path in write_overlay(small).rglob("*") if path.is_file()}
    assert {f"{GRAPH.name}_core.v", "hw_amc_core.v", f"{GRAPH.name}.v", "component.xml", "build.tcl"} <= files
    assert small.accelerator.manifest.flow == "hls"


def test_archive(tmp_path: Path) -> None:
    manifest = small_manifest(GRAPH)
    build = tmp_path / "build"
    build.mkdir()
    with pytest.raises(DataError, match=r"random_gru_cnn.bit does not exist"):
        archive.pack_overlay(build, manifest, tmp_path / "overlay.zip")
    (build / f"{GRAPH.name}.bit").write_bytes(np.random.default_rng(1).bytes(1000))
    (build / f"{GRAPH.name}.hwh").write_text("<EDKSYSTEM/>")
    first = archive.pack_overlay(build, manifest, tmp_path / "overlay.zip").read_bytes()
    assert archive.pack_overlay(build, manifest, tmp_path / "again.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "overlay.zip") as packed:
        packed.extractall(tmp_path / "board")
    check_files(tmp_path / "board")
    assert find_bitstream(tmp_path / "board").name == f"{GRAPH.name}.bit"
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "board" / "SHA256SUMS").read_text().splitlines())
    assert sums[f"{GRAPH.name}.bit"] == hashlib.sha256((build / f"{GRAPH.name}.bit").read_bytes()).hexdigest()
    (tmp_path / "board" / f"{GRAPH.name}.hwh").write_text("<other/>")
    with pytest.raises(DataError, match=r"random_gru_cnn.hwh is not the file that the overlay was built with"):
        check_files(tmp_path / "board")
