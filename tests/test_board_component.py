"""The IP that Vivado packages nothing of: component.xml, its sources, constraints and registers."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from board_overlays import BOARDS, small_manifest
from rehearsal import GRAPH, NAMES, accelerator, project

from hw_amc import config, tools
from hw_amc.errors import ConfigError
from hw_amc.interface.registers import TABLE
from hw_amc.overlay import component
from hw_amc.overlay import project as overlay
from hw_amc.parts import family_of
from hw_amc.rtl import blocks as blocks_folder
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import build_accelerator, emit_top
from hw_amc.sources import Sources
from hw_amc.synth import yosys

SPIRIT = {"spirit": component.SPIRIT}


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
        emit(tuple(p for p in ports if p.name not in ("aresetn", "s_axi_rready")))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<spirit:name>s_axis_tdata<", "<spirit:name>tdata<", "maps the port 'tdata'"),
        ('memoryMapRef="s_axi"', 'memoryMapRef="other"', "refers to the memory map 'other'"),
        ("<spirit:localName>synthesis", "<spirit:localName>none", "refers to the file set 'none'"),
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


def emit(ports: tuple[component.Port, ...], files: tuple[str, ...] = ()) -> str:
    return component.emit_component(component.Package("v:l:n:1.0", "top", ports, files, 4096, (), "an IP"))


def hls_component() -> str:
    """Describe an IP with every type of file that an HLS tool may export."""
    manifest = small_manifest(GRAPH)
    ports = component.parse_ports(emit_top(manifest), manifest.name)
    return emit(tuple(ports), ("src/core.v", "src/table.dat", "src/defines.vh", "src/stream.sv", "src/top_ooc.xdc"))


def test_component_names_tables_includes_and_constraints_as_what_they_are() -> None:
    """Vivado copies and reads only what is listed: without its tables an HLS core would be built of zeros."""
    sets = ElementTree.fromstring(hls_component()).findall(".//spirit:fileSet", SPIRIT)
    found = {
        each.findtext("spirit:name", "", SPIRIT): [
            [child.text for child in file] for file in each.findall("spirit:file", SPIRIT)
        ]
        for each in sets
    }
    sources = [
        ["src/core.v", "verilogSource"],
        ["src/defines.vh", "verilogSource", "true"],
        ["src/stream.sv", "systemVerilogSource"],
        ["src/table.dat", "mif"],
    ]
    used = ["USED_IN_implementation", "USED_IN_out_of_context", "USED_IN_synthesis"]
    assert found == {"synthesis": [*sources, ["src/top_ooc.xdc", "xdc", *used]], "simulation": sources}


def test_the_ip_has_its_clock_by_itself() -> None:
    files = project("zcu104").files
    assert files[f"ip/src/{GRAPH.name}_ooc.xdc"] == "create_clock -name aclk -period 4.000 [get_ports aclk]\n"
    assert f"src/{GRAPH.name}_ooc.xdc</spirit:name>" in files["ip/component.xml"]


def test_design_ip_and_top_have_three_names() -> None:
    root = ElementTree.fromstring(project("zcu104").files["ip/component.xml"])
    top = {each.text for each in root.iterfind(".//spirit:modelName", SPIRIT)}
    assert top == {GRAPH.name}
    assert root.findtext("spirit:name", "", SPIRIT) == f"{GRAPH.name}_ip"
    assert f"    design           {GRAPH.name}_bd\n" in project("zcu104").files["settings.tcl"]


def test_registers_are_those_of_the_interface_field_by_field() -> None:
    """What Vivado copies into the .hwh, and PYNQ into `register_map`."""
    root = ElementTree.fromstring(project("pynq-z2").files["ip/component.xml"])
    found = {
        each.findtext("spirit:name", "", SPIRIT): (
            int(each.findtext("spirit:addressOffset", "", SPIRIT), 0),
            {
                (
                    field.findtext("spirit:name", "", SPIRIT),
                    int(field.findtext("spirit:bitOffset", "", SPIRIT)),
                    int(field.findtext("spirit:bitWidth", "", SPIRIT)),
                )
                for field in each.findall("spirit:field", SPIRIT)
            },
        )
        for each in root.iterfind(".//spirit:register", SPIRIT)
    }
    for register in TABLE:
        offset, fields = found[register.name]
        assert offset == register.offset
        assert fields == {(field.name, field.lsb, min(field.bits, 32)) for field in register.fields}
        if register.words == 2:
            assert found[f"{register.name}_HI"][0] == register.offset + 4
    assert len(found) == sum(register.words for register in TABLE)


@pytest.mark.parametrize("field", ["hls", "rtl"])
def test_what_is_packaged_is_the_netlist_that_was_counted(tmp_path: Path, field: str) -> None:
    """Without the define the conv1 matrix of gru_cnn_sparse07 was 5,182 LUTs in the bitstream, 3,653 in the figures."""
    source = "module a;\n`ifdef AMC_XILINX\n  LUT6_2 l();\n`else\n  plain p();\n`endif\nendmodule\n"
    text = overlay.define_cells(source if field == "rtl" else "module hls; endmodule\n", ["AMC_XILINX"])
    (tmp_path / "a.v").write_text(text)
    seen = tools.run(["iverilog", "-E", "-o", "/dev/stdout", "a.v"], tmp_path)
    assert ("LUT6_2" in seen, "plain" in seen) == (field == "rtl", False)


@pytest.mark.parametrize(("board", "macros"), [("pynq-z2", {"AMC_XILINX"}), ("rfsoc4x2", {"AMC_XILINX", "AMC_CARRY8"})])
def test_the_blocks_that_know_a_parts_cells_are_packaged_so(board: str, macros: set[str]) -> None:
    """Every block of the library that asks for a macro of the part's family gets it, and no other."""
    blocks = {path.name: path.read_text() for path in Path(blocks_folder.__file__).parent.glob("*.v")}
    asked = {name: set(re.findall("^`ifdef (AMC_XILINX|AMC_CARRY8)$", text, re.M)) for name, text in blocks.items()}
    given = accelerator(board)
    given = replace(given, sources=Sources({**given.sources.files, **blocks}))
    files = overlay.build_overlay(given, config.load_board(board, BOARDS), BOARDS).files
    for name, macros_asked in asked.items():
        assert set(re.findall("^`define (AMC_.*)$", files[f"ip/src/{name}"], re.M)) == macros_asked & macros
    assert {"amc_last_add.v", "amc_pair_add.v", "amc_carry.v"} <= {name for name in asked if asked[name]}


MATRIX = f"{GRAPH.name}_core_conv2_matrix"


def count_without_define(sources: Sources, folder: Path, family: str) -> dict[str, int]:
    """Cells that Yosys makes of a matrix when nobody defines a macro, as in an IP."""
    mapping = yosys.synthesis(family, MATRIX)
    yosys.run_yosys(sources, folder, [f"hierarchy -top {MATRIX}", *mapping, "tee -o stat.json stat -json"])
    return yosys.parse_cells((folder / "stat.json").read_text(), MATRIX)


@pytest.mark.parametrize("board", ["pynq-z2", "zcu104"])
def test_the_packaged_sources_are_synthesised_to_what_was_counted(tmp_path: Path, board: str) -> None:
    """Yosys finds the same cells in the IP's own files as `hw-amc synth`, and others in the plain ones."""
    target, rtl = config.load_board(board, BOARDS), config.RtlSettings(cycles_per_step=8)
    built = build_accelerator(GRAPH, build_core(GRAPH, rtl), config.ProjectSettings(rtl=rtl), target)
    packaged = {
        name.removeprefix("ip/src/"): text
        for name, text in overlay.build_overlay(built, target, BOARDS).files.items()
        if name.startswith("ip/src/") and name.endswith(".v")
    }
    family = family_of(target.part).yosys
    counted = yosys.run(built.sources, MATRIX, tmp_path / "counted", family)
    assert count_without_define(Sources(packaged), tmp_path / "packaged", family) == counted.cells
    if board == "pynq-z2":  # once is enough
        plain = yosys.count_resources(count_without_define(built.sources, tmp_path / "plain", family))
        assert plain["lut"] > 1.2 * counted.lut


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
