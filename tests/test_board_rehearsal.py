"""Overlay projects without Vivado: every board, with and without board files, from the oldest release to the newest."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from board_overlays import BOARDS, small_manifest
from rehearsal import GRAPH, NAMES, Run, project, rehearse, run_tcl

from hw_amc import config
from hw_amc.overlay.design import IP_INSTANCE, build_design
from hw_amc.sim_device import hwh

#: First release of the part, where that is not the oldest.
FIRST = {"kv260": "2020.2.2"}


def properties(run: Run, cell: str) -> dict[str, str]:
    """All CONFIG properties that were set of a cell, the last value of each."""
    found: dict[str, str] = {}
    for call in run.words("set_property"):
        if call[0] == "-dict" and call[2] == cell:
            words = _split(call[1])
            found |= dict(zip(words[::2], words[1::2], strict=True))
    return {name.removeprefix("CONFIG."): value for name, value in found.items()}


def _split(text: str) -> list[str]:
    """Words of a Tcl list without nesting."""
    words, rest = [], text.strip()
    while rest:
        if rest[0] == "{":
            word, _, rest = rest[1:].partition("}")
        else:
            word, _, rest = rest.partition(" ")
        words.append(word)
        rest = rest.strip()
    return words


@pytest.mark.parametrize("files", [True, False], ids=["board files", "none"])
@pytest.mark.parametrize("vivado", ["oldest", "2021.1", "2022.2", "2024.2"])
@pytest.mark.parametrize("board", NAMES)
def test_every_board_builds(tmp_path: Path, board: str, vivado: str, files: bool) -> None:
    vivado = FIRST.get(board, "2020.1") if vivado == "oldest" else vivado
    given = {} if files else {"board_parts": ""}
    run = rehearse(board, tmp_path, vivado=vivado, **given)
    assert run.ok, run.said
    assert "0 critical warnings" in run.said
    settings = config.load_board(board, BOARDS)
    assert run.words("create_project")[0][-1] == settings.part
    assert (["board_part", settings.board_part, "project"] in run.words("set_property")) == files
    assert [call[0] for call in run.words("launch_runs")] == ["synth_1", "impl_1"]
    for name in (f"{GRAPH.name}.bit", f"{GRAPH.name}.hwh", "utilization.rpt", "timing.rpt", "power.rpt"):
        assert (tmp_path / "build" / name).is_file()


@pytest.mark.parametrize("board", NAMES)
def test_addresses_and_settings_are_the_boards(tmp_path: Path, board: str) -> None:
    run = rehearse(board, tmp_path)
    settings = config.load_board(board, BOARDS)
    design = build_design(small_manifest(GRAPH, board), settings)
    addresses = {
        (space, segment): (int(base, 16), int(size, 16))
        for base, size, space, segment in run.words("assign_bd_address")
    }
    window = settings.address.window
    assert addresses[("ps_0/Data", f"{IP_INSTANCE}/s_axi/reg0")] == (settings.address.accelerator, window)
    assert addresses[("ps_0/Data", "axi_dma_0/S_AXI_LITE/Reg")] == (settings.address.dma, window)
    memory = {value for (space, _), value in addresses.items() if space.startswith("axi_dma_0")}
    assert memory == {(0, settings.address.memory_bytes)}
    assert len(addresses) == 4
    dma = properties(run, "axi_dma_0")
    assert dma.pop("c_m_axi_s2mm_data_width.VALUE_SRC") == "USER"
    assert dma == hwh.dma_settings(design)
    steps = [call[0] for call in run.calls]
    order = [
        "create_project",
        "update_ip_catalog",
        "create_bd_design",
        "validate_bd_design",
        "make_wrapper",
        "open_run",
    ]
    assert [steps.index(step) for step in order] == sorted(steps.index(step) for step in order)


@pytest.mark.parametrize("board", NAMES)
def test_block_design_is_the_handoffs(tmp_path: Path, board: str) -> None:
    """Tcl and the generated .hwh describe one design: instances, nets, streams."""
    run = rehearse(board, tmp_path, goal="project")
    root = ElementTree.fromstring(
        hwh.emit_hwh(build_design(small_manifest(GRAPH, board), config.load_board(board, BOARDS)))
    )
    made = {name: vlnv.split(":")[2] for vlnv, name in run.words("create_bd_cell")}
    assert made == {module.get("INSTANCE"): module.get("MODTYPE") for module in root.iter("MODULE")}
    nets = {tuple(call) for call in run.words("connect_bd_net")}
    for module in root.iter("MODULE"):
        for port in module.iterfind("PORTS/PORT"):
            if port.get("DIR") == "O" and port.get("SIGIS") in ("clk", "rst"):
                for end in port.iter("CONNECTION"):
                    source = f"{module.get('INSTANCE')}/{port.get('NAME')}"
                    assert (source, f"{end.get('INSTANCE')}/{end.get('PORT')}") in nets
    links = {tuple(call) for call in run.words("connect_bd_intf_net")}
    assert ("axi_dma_0/M_AXIS_MM2S", "amc_0/s_axis") in links
    assert ("amc_0/m_axis", "axi_dma_0/S_AXIS_S2MM") in links


# What differs between releases and installations.


@pytest.mark.parametrize(("goal", "runs"), [("project", []), ("synth", ["synth_1"])])
def test_goals(tmp_path: Path, goal: str, runs: list[str]) -> None:
    run = rehearse("pynq-z2", tmp_path, goal=goal)
    assert run.ok, run.said
    assert [call[0] for call in run.words("launch_runs")] == runs
    assert not run_tcl(tmp_path, goal="bits").ok


@pytest.mark.parametrize(
    ("vivado", "ok", "text"), [("2019.2", False, "older than 2020.1"), ("2025.1", True, "newer than 2024.2")]
)
def test_other_vivados(tmp_path: Path, vivado: str, ok: bool, text: str) -> None:
    run = rehearse("pynq-z2", tmp_path, goal="project", vivado=vivado)
    assert run.ok == ok
    assert text in run.said


@pytest.mark.parametrize("vivado", ["2020.1", "2020.2"])
def test_a_part_that_vivado_lacks_is_named(tmp_path: Path, vivado: str) -> None:
    run = rehearse("kv260", tmp_path, goal="project", vivado=vivado)
    assert f"ERROR: Vivado {vivado} does not know the part xck26-sfvc784-2LV-c" in run.done.stderr
    assert not run.words("create_project")


def test_newest_board_files_are_taken(tmp_path: Path) -> None:
    installed = "xilinx.com:kv260_som:part0:1.3 xilinx.com:kv260_som:part0:1.10 xilinx.com:kv260_som:part0:1.9"
    run = rehearse("kv260", tmp_path, goal="project", board_parts=installed)
    assert ["board_part", "xilinx.com:kv260_som:part0:1.10", "project"] in run.words("set_property")


def test_kv260_under_its_old_name(tmp_path: Path) -> None:
    run = rehearse("kv260", tmp_path, goal="project", vivado="2021.1", board_parts="xilinx.com:kv260:part0:1.1")
    assert run.ok, run.said
    assert ["board_part", "xilinx.com:kv260:part0:1.1", "project"] in run.words("set_property")
    assert "WARNING" not in run.said


def write_board_files(folder: Path, vendor: str, name: str) -> None:
    """Board files as they come: a folder a board, one a revision."""
    (folder / name / "1.0").mkdir(parents=True)
    text = f'<board schema_version="2.0" vendor="{vendor}" name="{name}"><file_version>1.0</file_version></board>'
    (folder / name / "1.0" / "board.xml").write_text(text)


def test_board_files_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "my board files"
    write_board_files(folder, "realdigital.org", "rfsoc4x2")
    run = rehearse("rfsoc4x2", tmp_path / "p", goal="project", board_parts="", hw_amc_board_files=str(folder))
    assert run.ok, run.said
    assert ["board_part", "realdigital.org:rfsoc4x2:part0:1.0", "project"] in run.words("set_property")
    assert run.words("set_param") == [["board.repoPaths", f"{{{folder}}}"]]
    gone = rehearse("rfsoc4x2", tmp_path / "q", goal="project", board_parts="", hw_amc_board_files="/no such folder")
    assert "ERROR: HW_AMC_BOARD_FILES: /no such folder is no folder" in gone.done.stderr


def test_a_folder_with_a_space(tmp_path: Path) -> None:
    run = rehearse("zcu104", tmp_path / "my overlay")
    assert run.ok, run.said


# The clock.


@pytest.mark.parametrize("board", NAMES)
def test_without_board_files_divisors_are_those_of_the_booted_pll(tmp_path: Path, board: str) -> None:
    run = rehearse(board, tmp_path, goal="project", board_parts="")
    assert run.ok, run.said
    settings = config.load_board(board, BOARDS)
    assert f"WARNING: no board files for {settings.board_part}; the clock is set by hand and checked." in run.said
    (handoff,) = (tmp_path / "build").rglob("*.hwh")
    found = {item.get("NAME"): item.get("VALUE") for item in ElementTree.parse(handoff).iter("PARAMETER")}
    names = config.family_with(settings.ps).clock
    product = int(found[names.divisors[0]]) * int(found[names.divisors[1]])
    assert settings.pl_source_mhz / product == pytest.approx(settings.clock_mhz, rel=1e-3)
    assert float(found[names.actual]) == pytest.approx(settings.clock_mhz, rel=1e-3)


@pytest.mark.parametrize(
    ("board", "clock"),
    [
        ("zcu104", r"249.997500 MHz for Vivado and 375 MHz on the board (its PLL of 1500 MHz over 4), not 250 MHz"),
        ("rfsoc4x2", r"249.997500 MHz for Vivado and 375 MHz on the board (its PLL of 1500 MHz over 4), not 250 MHz"),
        (
            "pynq-z1",
            r"126.315789 MHz for Vivado and 52.6316 MHz on the board (its PLL of 1000 MHz over 19), not 125 MHz",
        ),
    ],
)
def test_a_clock_that_vivado_computes_of_another_pll_stops_the_build(tmp_path: Path, board: str, clock: str) -> None:
    """As it was: divisors are set and recomputed. The design met its timing at 250 MHz and would have run at 375."""
    project(board).write(tmp_path)
    script = tmp_path / "design.tcl"
    manual = "set_property -dict [list CONFIG.$settings(clock_manual) 1] [get_bd_cells ps_0]"
    assert manual in script.read_text()
    script.write_text(script.read_text().replace(manual, ""))
    run = run_tcl(tmp_path, board_parts="")
    assert not run.ok
    part = config.load_board(board, BOARDS).board_part
    mend = f"install the board files of {part}, or name their folder in HW_AMC_BOARD_FILES"
    assert f"ERROR: the clock is {clock}; {mend}" in run.done.stderr
    assert not run.words("launch_runs")


def test_a_pll_that_vivado_sets_otherwise_stops_the_build(tmp_path: Path) -> None:
    """Without board files FBDIV and the divisors are read back after validation, not the clock alone."""
    run = rehearse("zcu104", tmp_path, board_parts="", fault="pll")
    names = "CONFIG.PSU__CRL_APB__IOPLL_CTRL__"
    wanted = (
        f"{names}FBDIV is 45, not 90; {names}DIV2 is 0, not 1; install the board files of xilinx.com:zcu104:part0:1.1"
    )
    assert f"ERROR: Vivado did not take the settings of ps_0: {wanted}" in run.done.stderr
    assert rehearse("zcu104", tmp_path / "with", fault="pll").ok


def test_a_clock_from_another_pll_stops_the_build(tmp_path: Path) -> None:
    project("zcu104").write(tmp_path)
    settings = tmp_path / "settings.tcl"
    text = settings.read_text()
    assert "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL" in text
    settings.write_text(text.replace("CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL", ""))
    run = run_tcl(tmp_path, board_parts="xilinx.com:zcu104:part0:1.1")
    assert "ERROR: Vivado takes the clock from RPLL, not from IOPLL" in run.done.stderr


# What Vivado does not do as it is told.


def test_derived_width_that_was_not_declared_the_users_is_found(tmp_path: Path) -> None:
    """As it was: the receiving side of the DMA stayed at 32 bits."""
    project("zcu104").write(tmp_path)
    settings = tmp_path / "settings.tcl"
    assert "dma_derived      c_m_axi_s2mm_data_width" in settings.read_text()
    settings.write_text(settings.read_text().replace("dma_derived      c_m_axi_s2mm_data_width", "dma_derived      {}"))
    run = run_tcl(tmp_path, board_parts="xilinx.com:zcu104:part0:1.1")
    wanted = "Vivado did not take the settings of axi_dma_0: CONFIG.c_m_axi_s2mm_data_width is 32, not 128"
    assert f"ERROR: {wanted}" in run.done.stderr


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("recompute", "axi_dma_0: CONFIG.c_mm2s_burst_size is 8, not 16"),
        ("interconnect", "axi_memory_0: CONFIG.NUM_SI is 1, not 2"),
    ],
)
def test_settings_that_validation_changes_are_found(tmp_path: Path, fault: str, message: str) -> None:
    run = rehearse("pynq-z2", tmp_path, fault=fault)
    assert f"Vivado did not take the settings of {message}" in run.done.stderr


def test_a_failing_run_is_named(tmp_path: Path) -> None:
    run = rehearse("pynq-z2", tmp_path, fault="synth_1")
    assert "ERROR: run synth_1 failed: synth_design ERROR; see its runme.log" in run.done.stderr


def test_negative_slack_fails_after_the_reports(tmp_path: Path) -> None:
    run = rehearse("pynq-z2", tmp_path, slack="-0.214")
    assert not run.ok
    assert "timing failed: worst setup slack is -0.214 ns; lower clock_mhz in board.toml" in run.done.stderr
    assert run.words("report_timing_summary")
    assert not run_tcl(tmp_path, slack="").ok


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("design.tcl", "axi_dma_0/M_AXIS_MM2S ", "axi_dma_0/M_AXIS_MM2 ", "no interface pin axi_dma_0/M_AXIS_MM2"),
        ("design.tcl", " amc_0/aclk", "", "amc_0/aclk is not connected"),
        ("design.tcl", "CONFIG.NUM_MI 2", "CONFIG.NUM_MI 1", "no interface pin axi_control_0/M01_AXI"),
        ("design.tcl", "amc_0/s_axi/reg0", "amc_0/s_axi/Reg", "no segment amc_0/s_axi/Reg"),
        ("design.tcl", "[list $folder]", "$folder", "is no folder"),
        ("build.tcl", "[list $wrapper]", "$wrapper", "does not exist"),
        ("settings.tcl", "c_sg_length_width 26", "c_sg_length_width 27", "Value '27' is out of the range"),
        ("settings.tcl", "CONFIG.c_addr_width", "CONFIG.c_adr_width", "does not have a property 'CONFIG.c_adr_width'"),
        ("build.tcl", "create_project -force", "create_project -overwrite", "Unknown option '-overwrite'"),
    ],
)  # fmt: skip
def test_standins_notice_mistakes(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    """The checks above mean something: a broken script fails."""
    folder = tmp_path / "my overlay"
    project("pynq-z2").write(folder)
    script = folder / name
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    run = run_tcl(folder, goal="project")
    assert not run.ok
    assert message in run.done.stderr


def test_a_segment_that_is_not_excluded_is_a_critical_warning(tmp_path: Path) -> None:
    """As it was, on every UltraScale+ board: three segments of the port, for each of the DMA's two address spaces."""
    project("zcu104").write(tmp_path)
    script = tmp_path / "design.tcl"
    script.write_text(script.read_text().replace("exclude_bd_addr_seg -target", "list -target"))
    run = run_tcl(tmp_path, goal="project", board_parts="xilinx.com:zcu104:part0:1.1")
    assert "6 critical warnings" in run.said
    assert "[BD 41-1356] Slave segment </ps_0/SAXIGP2/HP0_LPS_OCM> is not assigned" in run.said


def test_one_name_for_design_and_ip_is_one_module_twice(tmp_path: Path) -> None:
    """As it was: block design, IP and top module of one name."""
    project("pynq-z2").write(tmp_path)
    settings = tmp_path / "settings.tcl"
    settings.write_text(settings.read_text().replace(f"{GRAPH.name}_bd", GRAPH.name))
    run = run_tcl(tmp_path)
    assert f"module '{GRAPH.name}' is defined by the design and by the IP" in run.done.stderr
