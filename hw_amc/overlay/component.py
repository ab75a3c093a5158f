"""IP-XACT description (component.xml, IEEE 1685-2009) of the accelerator, as Vivado's IP catalogue reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, fromstring, indent, register_namespace, tostring

from hw_amc import parts
from hw_amc.errors import ConfigError
from hw_amc.sim_device.design import Register

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"

register_namespace("spirit", SPIRIT)
register_namespace("xilinx", XILINX)

#: Families that the RTL is plain enough for.
FAMILIES = tuple(name for family in parts.FAMILIES for name in family.ipxact)
#: Vivado's views of the sources: name, environment, the file set behind it.
_VIEWS = (
    ("xilinx_anylanguagesynthesis", ":vivado.xilinx.com:synthesis", "synthesis"),
    ("xilinx_anylanguagebehavioralsimulation", ":vivado.xilinx.com:simulation", "simulation"),
)
#: What a constraint file is used in that speaks of the IP's own ports: runs of the IP by itself.
_OUT_OF_CONTEXT = ("USED_IN_implementation", "USED_IN_out_of_context", "USED_IN_synthesis")
#: Suffix of a file -> how IP-XACT, or Vivado where that has no word, calls it. HLS tools keep tables in .dat files.
FILE_TYPES = {
    ".v": ("fileType", "verilogSource"),
    ".vh": ("fileType", "verilogSource"),
    ".sv": ("fileType", "systemVerilogSource"),
    ".dat": ("userFileType", "mif"),
}
CONSTRAINTS = "_ooc.xdc"
_STREAM = ("TDATA", "TLAST", "TVALID", "TREADY")
_AXI = tuple(
    f"{channel}{name}"
    for channel, names in (
        ("AW", ("ADDR", "VALID", "READY")),
        ("W", ("DATA", "STRB", "VALID", "READY")),
        ("B", ("RESP", "VALID", "READY")),
        ("AR", ("ADDR", "VALID", "READY")),
        ("R", ("DATA", "RESP", "VALID", "READY")),
    )
    for name in names
)


@dataclass(frozen=True)
class Port:
    """One port of a Verilog module."""

    name: str
    direction: Literal["input", "output", "inout"]
    width: int = 1


def parse_ports(verilog: str, module: str) -> list[Port]:
    """Read the ports of `module` from Verilog with ANSI port declarations.

    Raises
    ------
    ConfigError
        The text holds no such module, or a port's width is not a number.
    """
    text = re.sub(r"//[^\n]*|/\*.*?\*/|\(\*.*?\*\)", "", verilog, flags=re.S)
    found = re.search(rf"\bmodule\s+{re.escape(module)}\b\s*(?:#\s*\(.*?\)\s*)?\((.*?)\)\s*;", text, re.S)
    if found is None:
        raise ConfigError(f"no module {module!r} with a port list in its Verilog")
    ports = []
    for entry in found[1].split(","):
        parts = re.fullmatch(r"\s*(input|output|inout)\s*(?:wire|reg)?\s*(?:\[(\d+):(\d+)\])?\s*(\w+)\s*", entry)
        if parts is None:
            raise ConfigError(f"module {module!r}: cannot read the port {entry.strip()!r}")
        direction, high, low, name = parts.groups()
        ports.append(Port(name, direction, int(high) - int(low) + 1 if high else 1))  # type: ignore[arg-type]
    return ports


@dataclass(frozen=True)
class Package:
    """What Vivado's catalogue is told of an IP."""

    #: vendor:library:name:version
    vlnv: str
    #: Top module, and its ports: aclk, aresetn, s_axi_*, s_axis_*, m_axis_*.
    top: str
    ports: tuple[Port, ...]
    #: Files of the types in `FILE_TYPES`, and `CONSTRAINTS`, relative to the component.
    files: tuple[str, ...]
    #: Bytes of the register window, and the registers in it.
    window: int
    registers: tuple[Register, ...]
    #: One line for the catalogue.
    description: str


def emit_component(package: Package) -> str:
    """Write component.xml.

    Raises
    ------
    ConfigError
        A port that an interface needs is missing.
    """
    vendor, library, name, version = package.vlnv.split(":")
    _require_ports(package.ports)
    root = Element(_tag("component"))
    for key, value in (("vendor", vendor), ("library", library), ("name", name), ("version", version)):
        _text(root, key, value)
    _interfaces(root)
    _memory_map(root, package)
    _model(root, package)
    _files(root, package.files)
    _text(root, "description", package.description)
    parameters = SubElement(root, _tag("parameters"))
    parameter = SubElement(parameters, _tag("parameter"))
    _text(parameter, "name", "Component_Name")
    _text(parameter, "value", f"{name}_v1_0", {"resolve": "user", "id": "PARAM_VALUE.Component_Name", "order": "1"})
    _extensions(root, name)
    indent(root, "  ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def check_component(text: str, ports: Iterable[Port]) -> None:
    """Require that a component's references resolve and that its ports are the module's own.

    Raises
    ------
    ConfigError
        Names the first thing that does not hold together.
    """
    root = fromstring(text)
    named = {"spirit": SPIRIT}
    declared = {
        Port(
            port.findtext("spirit:name", "", named),
            {"in": "input", "out": "output", "inout": "inout"}[
                port.findtext("spirit:wire/spirit:direction", "", named)
            ],  # type: ignore[arg-type]
            int(port.findtext("spirit:wire/spirit:vector/spirit:left", "0", named)) + 1,
        )
        for port in root.iterfind("spirit:model/spirit:ports/spirit:port", named)
    }
    if declared != set(ports):
        names = sorted({port.name for port in declared ^ set(ports)})
        raise ConfigError(f"component.xml and the Verilog differ in the ports {', '.join(names)}")
    known = {port.name for port in declared}
    for physical in root.iterfind(".//spirit:physicalPort/spirit:name", named):
        if physical.text not in known:
            raise ConfigError(f"component.xml maps the port {physical.text!r}, which the module lacks")
    maps = {entry.text for entry in root.iterfind("spirit:memoryMaps/spirit:memoryMap/spirit:name", named)}
    for reference in root.iterfind(".//spirit:memoryMapRef", named):
        if reference.get(_tag("memoryMapRef")) not in maps:
            raise ConfigError(f"component.xml refers to the memory map {reference.get(_tag('memoryMapRef'))!r}")
    sets = {entry.text for entry in root.iterfind("spirit:fileSets/spirit:fileSet/spirit:name", named)}
    for local in root.iterfind(".//spirit:fileSetRef/spirit:localName", named):
        if local.text not in sets:
            raise ConfigError(f"component.xml refers to the file set {local.text!r}")


def _require_ports(ports: Iterable[Port]) -> None:
    wanted = {"aclk", "aresetn", *(f"s_axi_{signal.lower()}" for signal in _AXI)}
    wanted |= {f"{stream}_{signal.lower()}" for stream in ("s_axis", "m_axis") for signal in _STREAM}
    missing = sorted(wanted - {port.name for port in ports})
    if missing:
        raise ConfigError(f"the top module lacks the ports {', '.join(missing)}")


def _interfaces(root: Element) -> None:
    buses = SubElement(root, _tag("busInterfaces"))
    for stream, mode in (("s_axis", "slave"), ("m_axis", "master")):
        _interface(buses, stream, ("interface", "axis"), mode, {s: f"{stream}_{s.lower()}" for s in _STREAM})
    axi = {signal: f"s_axi_{signal.lower()}" for signal in _AXI}
    _interface(buses, "s_axi", ("interface", "aximm"), "slave", axi)
    reset = {"POLARITY": "ACTIVE_LOW"}
    _interface(buses, "aresetn", ("signal", "reset"), "slave", {"RST": "aresetn"}, reset)
    clock = {"ASSOCIATED_BUSIF": "s_axis:m_axis:s_axi", "ASSOCIATED_RESET": "aresetn"}
    _interface(buses, "aclk", ("signal", "clock"), "slave", {"CLK": "aclk"}, clock)


def _interface(
    buses: Element,
    name: str,
    kind: tuple[str, str],
    mode: str,
    signals: dict[str, str],
    parameters: dict[str, str] | None = None,
) -> None:
    bus = SubElement(buses, _tag("busInterface"))
    _text(bus, "name", name)
    library, short = kind
    for element, full in (("busType", short), ("abstractionType", f"{short}_rtl")):
        values = {"vendor": "xilinx.com", "library": library, "name": full, "version": "1.0"}
        SubElement(bus, _tag(element), {_tag(key): value for key, value in values.items()})
    role = SubElement(bus, _tag(mode))
    if short == "aximm":
        SubElement(role, _tag("memoryMapRef"), {_tag("memoryMapRef"): name})
    maps = SubElement(bus, _tag("portMaps"))
    for logical, physical in signals.items():
        entry = SubElement(maps, _tag("portMap"))
        for element, port in (("logicalPort", logical), ("physicalPort", physical)):
            _text(SubElement(entry, _tag(element)), "name", port)
    if parameters:
        block = SubElement(bus, _tag("parameters"))
        for key, value in parameters.items():
            parameter = SubElement(block, _tag("parameter"))
            _text(parameter, "name", key)
            _text(parameter, "value", value, {"id": f"BUSIFPARAM_VALUE.{name.upper()}.{key}"})


def _memory_map(root: Element, package: Package) -> None:
    # Named as the interface that refers to it.
    entry = SubElement(SubElement(root, _tag("memoryMaps")), _tag("memoryMap"))
    _text(entry, "name", "s_axi")
    block = SubElement(entry, _tag("addressBlock"))
    for key, value in (("name", "reg0"), ("baseAddress", "0"), ("range", str(package.window)), ("width", "32")):
        _text(block, key, value)
    _text(block, "usage", "register")
    _text(block, "access", "read-write")
    for register in package.registers:
        entry = SubElement(block, _tag("register"))
        _text(entry, "name", register.name)
        _text(entry, "description", register.description)
        _text(entry, "addressOffset", f"0x{register.offset:X}")
        _text(entry, "size", "32")
        _text(entry, "access", register.access)
        for part in register.parts:
            field = SubElement(entry, _tag("field"))
            for key, value in (("name", part.name), ("description", part.description), ("bitOffset", str(part.lsb))):
                _text(field, key, value)
            _text(field, "bitWidth", str(part.bits))
            _text(field, "access", part.access)


def _model(root: Element, package: Package) -> None:
    model = SubElement(root, _tag("model"))
    views = SubElement(model, _tag("views"))
    for name, environment, file_set in _VIEWS:
        view = SubElement(views, _tag("view"))
        _text(view, "name", name)
        _text(view, "envIdentifier", environment)
        _text(view, "language", "Verilog")
        _text(view, "modelName", package.top)
        _text(SubElement(view, _tag("fileSetRef")), "localName", file_set)
    listing = SubElement(model, _tag("ports"))
    for port in package.ports:
        entry = SubElement(listing, _tag("port"))
        _text(entry, "name", port.name)
        wire = SubElement(entry, _tag("wire"))
        _text(wire, "direction", {"input": "in", "output": "out", "inout": "inout"}[port.direction])
        if port.width > 1:
            vector = SubElement(wire, _tag("vector"))
            _text(vector, "left", str(port.width - 1))
            _text(vector, "right", "0")
        types = SubElement(SubElement(wire, _tag("wireTypeDefs")), _tag("wireTypeDef"))
        _text(types, "typeName", "wire")
        for name, _, _ in _VIEWS:
            _text(types, "viewNameRef", name)


def _files(root: Element, files: Iterable[str]) -> None:
    """Write a file set for each view; constraints belong to synthesis alone."""
    sets = SubElement(root, _tag("fileSets"))
    for _, _, file_set in _VIEWS:
        entry = SubElement(sets, _tag("fileSet"))
        _text(entry, "name", file_set)
        for name in sorted(files):
            if not name.endswith(CONSTRAINTS):
                _source(entry, name)
            elif file_set == "synthesis":
                file = SubElement(entry, _tag("file"))
                _text(file, "name", name)
                for kind in ("xdc", *_OUT_OF_CONTEXT):
                    _text(file, "userFileType", kind)


def _source(entry: Element, name: str) -> None:
    file = SubElement(entry, _tag("file"))
    _text(file, "name", name)
    _text(file, *FILE_TYPES[PurePosixPath(name).suffix])
    if name.endswith(".vh"):
        _text(file, "isIncludeFile", "true")


def _extensions(root: Element, name: str) -> None:
    core = SubElement(SubElement(root, _tag("vendorExtensions")), f"{{{XILINX}}}coreExtensions")
    families = SubElement(core, f"{{{XILINX}}}supportedFamilies")
    for family in FAMILIES:
        SubElement(families, f"{{{XILINX}}}family", {f"{{{XILINX}}}lifeCycle": "Production"}).text = family
    taxonomies = SubElement(core, f"{{{XILINX}}}taxonomies")
    SubElement(taxonomies, f"{{{XILINX}}}taxonomy").text = "/UserIP"
    SubElement(core, f"{{{XILINX}}}displayName").text = f"{name}: modulation classifier"
    SubElement(core, f"{{{XILINX}}}coreRevision").text = "1"


def _text(parent: Element, name: str, text: str, attributes: dict[str, str] | None = None) -> None:
    element = SubElement(parent, _tag(name), {_tag(key): value for key, value in (attributes or {}).items()})
    element.text = text


def _tag(name: str) -> str:
    return f"{{{SPIRIT}}}{name}"
