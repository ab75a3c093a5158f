"""The hardware handoff: ours has the shape of Vivado's, and Vivado's are read."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pynq
import pytest
from board_overlays import BOARDS, golden_overlay, small_graph, small_manifest
from rehearsal import NAMES, project

from hw_amc import config, sim_device
from hw_amc.driver.handoff import Handoff
from hw_amc.errors import DataError
from hw_amc.overlay import component
from hw_amc.overlay.design import build_design
from hw_amc.sim_device import hwh
from hw_amc.sim_device.design import Field, Register

GRAPH = small_graph()
SPIRIT = {"s": component.SPIRIT}

#: Element -> attributes of it that ours uses; all were seen in the files that docs/verification.md lists.
SHAPE = {
    "EDKSYSTEM": "EDWVERSION VIVADOVERSION",
    "EDKSYSTEM/SYSTEMINFO": "ARCH BOARD DEVICE NAME PACKAGE SPEEDGRADE",
    "EDKSYSTEM/EXTERNALPORTS": "",
    "EDKSYSTEM/EXTERNALINTERFACES": "",
    "EDKSYSTEM/MODULES": "",
    "MODULES/MODULE": "COREREVISION FULLNAME HWVERSION INSTANCE IPTYPE IS_ENABLE IS_PL MODCLASS MODTYPE VLNV",
    "MODULE/ADDRESSBLOCKS": "",
    "ADDRESSBLOCKS/ADDRESSBLOCK": "ACCESS INTERFACE NAME RANGE USAGE",
    "ADDRESSBLOCK/REGISTERS": "",
    "REGISTERS/REGISTER": "NAME",
    "REGISTER/PROPERTY": "NAME VALUE",
    "REGISTER/FIELDS": "",
    "FIELDS/FIELD": "NAME",
    "FIELD/PROPERTY": "NAME VALUE",
    "MODULE/BUSINTERFACES": "",
    "BUSINTERFACES/BUSINTERFACE": "BUSNAME DATAWIDTH NAME TYPE VLNV",
    "BUSINTERFACE/PORTMAPS": "",
    "PORTMAPS/PORTMAP": "LOGICAL PHYSICAL",
    "MODULE/MEMORYMAP": "",
    "MEMORYMAP/MEMRANGE": "ADDRESSBLOCK BASENAME BASEVALUE HIGHNAME HIGHVALUE INSTANCE IS_DATA IS_INSTRUCTION "
    "MASTERBUSINTERFACE MEMTYPE SLAVEBUSINTERFACE",
    "MODULE/PARAMETERS": "",
    "PARAMETERS/PARAMETER": "NAME VALUE",
    "MODULE/PORTS": "",
    "PORTS/PORT": "DIR LEFT NAME RIGHT SIGIS SIGNAME",
    "PORT/CONNECTIONS": "",
    "CONNECTIONS/CONNECTION": "INSTANCE PORT",
}
#: What they say of the part: Zynq-7000 without xc, an architecture of its own for RFSoC.
PARTS = {
    "pynq-z1": ("zynq", "7z020", "clg400"),
    "pynq-z2": ("zynq", "7z020", "clg400"),
    "zcu104": ("zynquplus", "xczu7ev", "ffvc1156"),
    "kv260": ("zynquplus", "xck26", "sfvc784"),
    "rfsoc2x2": ("zynquplusRFSOC", "xczu28dr", "ffvg1517"),
    "rfsoc4x2": ("zynquplusRFSOC", "xczu48dr", "ffvg1517"),
}


def emit(board: str) -> ElementTree.Element:
    design = build_design(small_manifest(GRAPH, board), config.load_board(board, BOARDS))
    return ElementTree.fromstring(hwh.emit_hwh(design))


def edges(element: ElementTree.Element, above: str = "") -> dict[str, set[str]]:
    """Parent/child -> attributes, of a whole tree."""
    found = {f"{above}/{element.tag}".lstrip("/"): set(element.attrib)}
    for child in element:
        for edge, names in edges(child, element.tag).items():
            found[edge] = found.get(edge, set()) | names
    return found


@pytest.mark.parametrize("board", NAMES)
def test_the_simulated_handoff_has_the_shape_of_vivados(board: str) -> None:
    root = emit(board)
    for edge, names in edges(root).items():
        assert names <= set(SHAPE[edge].split()), edge
    info = root.find("SYSTEMINFO")
    assert info is not None
    assert (info.get("ARCH"), info.get("DEVICE"), info.get("PACKAGE")) == PARTS[board]
    uses = {module.get("MODTYPE"): (module.get("IPTYPE"), module.get("IS_PL")) for module in root.iter("MODULE")}
    assert uses["axi_dma"] == uses["proc_sys_reset"] == ("PERIPHERAL", None)
    assert uses["smartconnect"] == ("BUS", None)
    assert uses[config.family_with(config.load_board(board, BOARDS).ps).ps_ip] == ("PERIPHERAL", "FALSE")


def test_streams_and_dma_are_named_as_vivado_names_them() -> None:
    root = emit("zcu104")
    kinds = {
        (module.get("INSTANCE"), bus.get("NAME")): bus.get("TYPE")
        for module in root.iter("MODULE")
        for bus in module.iterfind("BUSINTERFACES/BUSINTERFACE")
    }
    assert kinds["axi_dma_0", "M_AXIS_MM2S"] == kinds["amc_0", "m_axis"] == "INITIATOR"
    assert kinds["axi_dma_0", "S_AXIS_S2MM"] == kinds["amc_0", "s_axis"] == "TARGET"
    assert kinds["amc_0", "s_axi"] == "SLAVE"
    (dma,) = (module for module in root.iter("MODULE") if module.get("MODTYPE") == "axi_dma")
    (block,) = dma.iter("ADDRESSBLOCK")
    assert block.get("RANGE") == "4096"
    names = {entry.get("NAME") for entry in dma.iterfind("PARAMETERS/PARAMETER")}
    assert {"C_SG_LENGTH_WIDTH", "c_sg_length_width", "C_M_AXI_S2MM_DATA_WIDTH", "c_m_axi_s2mm_data_width"} <= names


# component.xml and `register_map`.


def registers_of(text: str) -> tuple[Register, ...]:
    """What Vivado reads in a component.xml, and writes into the .hwh."""

    def entry(node: ElementTree.Element, name: str) -> Any:
        return node.findtext(f"s:{name}", "", SPIRIT)

    return tuple(
        Register(
            entry(node, "name"), int(entry(node, "addressOffset"), 0), entry(node, "access"),
            entry(node, "description"),
            tuple(
                Field(
                    entry(field, "name"), int(entry(field, "bitOffset")), int(entry(field, "bitWidth")),
                    entry(field, "access"), entry(field, "description"),
                )
                for field in node.iterfind("s:field", SPIRIT)
            ),
        )
        for node in ElementTree.fromstring(text).iter(f"{{{component.SPIRIT}}}register")
    )  # fmt: skip


@pytest.mark.parametrize("board", NAMES)
def test_register_map_of_a_board_is_that_of_the_simulation(tmp_path: Path, board: str) -> None:
    """A .hwh with the registers of component.xml is the simulated one, and PYNQ makes `register_map` of it."""
    design = build_design(small_manifest(GRAPH, board), config.load_board(board, BOARDS))
    packaged = registers_of(project(board).files["ip/component.xml"])
    vivados = replace(design, ip=replace(design.ip, registers=packaged))
    assert hwh.emit_hwh(vivados) == hwh.emit_hwh(design)
    path = golden_overlay(tmp_path, GRAPH, board)
    sim_device.enable()
    shown = pynq.Overlay(str(path)).amc_0.register_map
    for register in packaged:
        fields = {name for name in dir(getattr(shown, register.name)) if not name.startswith("_")}
        assert {re.sub(r"\W", "_", field.name) for field in register.fields} <= fields, register.name
    assert int(shown.FRAME_LEN) == GRAPH.frame_len


# Files of Vivado's shape, read.


def handoff(*modules: str, info: str = 'BOARD="x:y:part0:1.0" DEVICE="xczu7ev" NAME="d"') -> str:
    return (
        f'<EDKSYSTEM EDWVERSION="1.2" VIVADOVERSION="2022.1"><SYSTEMINFO {info}/>'
        f"<MODULES>{''.join(modules)}</MODULES></EDKSYSTEM>"
    )


def module(instance: str, vlnv: str, more: str = "", **parameters: str) -> str:
    entries = "".join(f'<PARAMETER NAME="{name}" VALUE="{value}"/>' for name, value in parameters.items())
    return (
        f'<MODULE INSTANCE="{instance}" MODTYPE="{vlnv.split(":")[2]}" VLNV="{vlnv}">'
        f"<PARAMETERS>{entries}</PARAMETERS>{more}</MODULE>"
    )


CLOCK = {
    "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ": "99.999001",
    "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0": "15",
    "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1": "1",
}
RANGE = '<MEMORYMAP><MEMRANGE INSTANCE="axi_dma_0" BASEVALUE="0xA0010000"/></MEMORYMAP>'
PS = module("zynq_ultra_ps_e_0", "xilinx.com:ip:zynq_ultra_ps_e:3.3", RANGE, **CLOCK)
DMA = module("axi_dma_0", "xilinx.com:ip:axi_dma:7.1", C_SG_LENGTH_WIDTH="26", c_sg_length_width="26")
AMC = module("amc_0", "hw_amc:user:net_ip:1.0")


def read(folder: Path, text: str) -> Handoff:
    (folder / "d.hwh").write_text(text)
    return Handoff.load(folder / "d.hwh")


def test_what_is_read_of_a_handoff(tmp_path: Path) -> None:
    found = read(tmp_path, handoff(DMA, AMC, PS))
    assert (found.name, found.vivado, found.device, found.board) == ("d", "2022.1", "xczu7ev", "x:y:part0:1.0")
    assert (found.family.ps, found.clock_mhz, found.divisor) == ("zynqmp", 99.999001, 15)
    assert found.dma.parameters == {"C_SG_LENGTH_WIDTH": "26", "c_sg_length_width": "26"}
    assert found.accelerator.vlnv == "hw_amc:user:net_ip:1.0"
    assert found.addresses == {"axi_dma_0": 0xA0010000}
    assert read(tmp_path, handoff(PS, info='DEVICE="7z020"')).board == ""


@pytest.mark.parametrize(
    ("text", "ask", "message"),
    [
        ("<a/>", "name", "is no .hwh: it has no SYSTEMINFO"),
        ("<a", "name", "is no .hwh: "),
        (handoff(DMA), "ps", "0 processing systems of the kinds processing_system7, zynq_ultra_ps_e"),
        (handoff(PS, PS), "ps", "2 processing systems"),
        (handoff(PS, AMC), "dma", "0 modules that are an AXI DMA"),
        (handoff(PS, DMA, DMA), "dma", "2 modules that are an AXI DMA"),
        (handoff(PS, DMA), "accelerator", "0 IPs that are an accelerator of this package"),
        (handoff(PS.replace("99.999001", "fast")), "clock_mhz", "= 'fast' in the .hwh, which is no number"),
        (handoff(PS.replace('"15"', '"0"')), "divisor", "divides the clock by 0 and 1"),
    ],
)
def test_what_is_no_handoff_of_ours_is_named(tmp_path: Path, text: str, ask: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        getattr(read(tmp_path, text), ask)


#: Prefix of a property -> the IP that has it.
IPS = {"c_": "axi_dma", "PCW_": "processing_system7", "PSU__": "zynq_ultra_ps_e", "NUM_": "smartconnect"}


def properties_that_are_set() -> set[tuple[str, str]]:
    """IP and property, of all boards."""
    text = "".join(project(board).files["settings.tcl"] + project(board).files["design.tcl"] for board in NAMES)
    names = set(re.findall(r"CONFIG\.(\w+)", text))
    return {(ip, name) for name in names for prefix, ip in IPS.items() if name.startswith(prefix)}


def test_every_property_is_of_a_known_ip() -> None:
    found = properties_that_are_set()
    assert {ip for ip, _ in found} == set(IPS.values())
    assert len(found) > 35


@pytest.mark.vendor
def test_public_handoffs_are_read() -> None:
    """Those of docs/verification.md, in a folder that HW_AMC_HANDOFFS names: by pynqmetadata, and by the driver."""
    folder = os.environ.get("HW_AMC_HANDOFFS")
    if folder is None:
        pytest.skip("HW_AMC_HANDOFFS names no folder of .hwh files")
    from pynqmetadata.frontends import Metadata

    seen: dict[str, set[str]] = {}
    known: set[tuple[str, str]] = set()
    for path in sorted(Path(folder).rglob("*.hwh")):
        root, found = ElementTree.parse(path).getroot(), Handoff.load(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            blocks = Metadata(input=str(path)).blocks
        assert set(blocks) == {module.get("INSTANCE") for module in root.iter("MODULE")}, path
        assert found.clock_mhz > 0, path
        assert found.divisor > 0, path
        for edge, names in edges(root).items():
            seen[edge] = seen.get(edge, set()) | names
        known |= {(each.kind, name) for each in found.modules for name in each.parameters}
    assert properties_that_are_set() <= known
    for edge, attributes in SHAPE.items():
        assert set(attributes.split()) <= seen[edge], edge
