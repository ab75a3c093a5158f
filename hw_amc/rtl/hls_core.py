"""A core exported by Vivado HLS, Vitis HLS or bambu as Verilog, dressed as the shell wants it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hw_amc.errors import DataError
from hw_amc.graph import Graph
from hw_amc.rtl.shell.accelerator import input_format
from hw_amc.sources import Sources
from hw_amc.untrusted import read_text

#: Top function of the HLS projects (hw_amc/hls).
TOP = "hw_amc_core"
#: Endings of files with the words of a memory.
_TABLES = (".dat", ".mem")
#: In the names of the files that watch for deadlocks in HLS' own simulation.
_MONITOR = "_hls_deadlock_"
#: Most bytes of one exported file; parallel cores have tens of megabytes of Verilog.
_MOST_BYTES = 512 << 20
#: A region that synthesis skips, from the beginning of its line.
_SKIPPED = r"^[ \t]*//[ \t]*(?:synthesis|synopsys)[ \t]+translate_"
_SIMULATION = re.compile(rf"{_SKIPPED}off.*?{_SKIPPED}on[^\n]*", re.MULTILINE | re.DOTALL)
_READ = re.compile(r'\$readmem([hb])\s*\(\s*"([^"]+)"\s*,\s*(\w+)\s*\)\s*;')
#: bambu names a memory's table in a parameter, those of its halves in two, which its modules hand on to each other.
_TABLE = r"MEMORY_INIT_file(?:_[ab])?"
_READ_PARAMETER = re.compile(rf"\$readmem([bh])\s*\(\s*({_TABLE})\s*,\s*(\w+)[^;]*;")
_WITH_TABLES = re.compile(rf"(\w+)(\s*#\([^;]*?\.{_TABLE}\([^;]*;)")
#: Of banks that are written side by side the first begins with the table; what reads it asks whether there is one.
_HANDED = re.compile(rf'(\.({_TABLE})\((?:\w+ == 0 \? )?)({_TABLE}|"[^"]+")')
_MODULE = re.compile(r"^module[ \t]+(\w+)\b.*?^endmodule\b[^\n]*", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^\s*(\w+)\s+(?:#\(|\w+\s*\()", re.MULTILINE)
_INCLUDE = re.compile(r'^[ \t]*`include[ \t]+"([^"]+)"[^\n]*', re.MULTILINE)


@dataclass(frozen=True)
class HlsCore:
    """What the shell needs to know; cycles are what simulation finds."""

    sources: Sources
    contexts: int = 1
    mode: Literal["frames", "channels"] = "frames"
    n_channels: int = 1
    latency_cycles: int | None = None
    cycles_per_frame: int | None = None
    rhythm: None = None


def load_hls_core(folder: Path, graph: Graph, top: str = TOP) -> HlsCore:
    """Read exported Verilog and write the adapter `<graph name>_core` around it.

    Parameters
    ----------
    folder : Path
        Verilog as HLS exports it (`solution1/syn/verilog`, `solution1/impl/verilog` or an IP's `hdl/verilog`).
    graph : Graph
        The network that the core computes.
    top : str
        Top module: clock `ap_clk` and reset `ap_rst_n` or `ap_rst`, or bambu's `clock` and `reset`, which is low; one
        stream in, one stream out.

    Raises
    ------
    DataError
        No Verilog, no such module, its ports are not those of a core, or an included file is missing; the message names
        them.
    """
    files = _read_sources(folder, top)
    name, text = _module(files, top, folder)
    ports = _ports(text, top)
    field = -(-input_format(graph).bits // 8) * 8
    adapter = _adapter(graph.name, top, ports, 2 * field, f"{folder / name}: module {top}")
    return HlsCore(Sources({**files, f"{graph.name}_core.v": adapter}))


def _read_sources(folder: Path, top: str) -> dict[str, str]:
    """Read sources, without the deadlock monitors of newer releases, and with included files and tables in place.

    The monitors look into the core during HLS' own simulation; the core includes them where synthesis does not look, as
    `.vh` files that no simulator of ours is told of. The tables of ROMs are files that a simulator looks for in the
    folder where it runs: their words stand in the text instead.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".v", ".sv", ".vh", *_TABLES))
    texts = {path.name: read_text(path, _MOST_BYTES) for path in paths if _MONITOR not in path.name}
    return {
        name: _resolve_tables(_resolve_parameters(text, top, texts, where), texts, where)
        for name, given in texts.items()
        if not name.endswith((".vh", *_TABLES))
        for where in [folder / name]
        for text in [_resolve_includes(_SIMULATION.sub(_without_monitor, given), texts, where)]
    }


def _without_monitor(region: re.Match[str]) -> str:
    return "" if _MONITOR in region[0] else region[0]


def _resolve_includes(text: str, texts: dict[str, str], where: Path) -> str:
    """Put the text of each included file where it is included."""

    def included(directive: re.Match[str]) -> str:
        name = Path(directive[1]).name
        if name not in texts:
            raise DataError(f"{where} includes {directive[1]}, which is not there; give the folder that HLS exported")
        return _resolve_includes(texts[name], {key: value for key, value in texts.items() if key != name}, where)

    return _INCLUDE.sub(included, text)


def _resolve_tables(text: str, texts: dict[str, str], where: Path) -> str:
    """Put the words of each table where it is read."""
    return _READ.sub(lambda call: _words(call[1], call[3], call[2], texts, where), text)


def _words(base: str, memory: str, path: str, texts: dict[str, str], where: Path) -> str:
    """Statements that fill a memory with the words of a table."""
    name = Path(path).name
    if name not in texts:
        raise DataError(f"{where} reads {path}, which is not there; give the folder that HLS exported")
    found = re.sub(r"//[^\n]*|/\*.*?\*/", " ", texts[name], flags=re.DOTALL).replace("_", "").split()
    digits = [word.removeprefix("0x").removeprefix("0X") for word in found]
    wrong = next((word for word in digits if not re.fullmatch("[0-9a-fA-FxXzZ]+", word)), None)
    if wrong is not None:
        raise DataError(f"{where.parent / name}: {wrong!r} is no word of a ROM; export the HLS project again")
    bits = 4 if base == "h" else 1
    lines = (f"{memory}[{place}] = {bits * len(word)}'{base}{word};" for place, word in enumerate(digits))
    return "begin\n" + "\n".join(lines) + "\nend"


def _resolve_parameters(text: str, top: str, texts: dict[str, str], where: Path) -> str:
    """Give each memory whose table is a parameter a module of its own, and leave out what the top does not reach."""
    if not _READ_PARAMETER.search(text):
        return text
    modules = {found[1]: found[0] for found in _MODULE.finditer(text)}

    def own(kind: str, tables: dict[str, str]) -> str:
        """Name of the module for these tables, by parameter."""
        name = "__".join([kind, *(Path(table.strip('"')).stem for table in tables.values())])
        if name not in modules:
            body = hand_on(re.sub(rf"\b{kind}\b", name, modules[kind], count=1), tables)
            modules[name] = _READ_PARAMETER.sub(
                lambda call: _words(call[1], call[3], tables[call[2]].strip('"'), texts, where), body
            )
        return name

    def hand_on(body: str, tables: dict[str, str]) -> str:
        """Let a module's instances be of those for the tables that it gives them; `tables` are its own."""

        def instance(found: re.Match[str]) -> str:
            handed = {each[2]: tables.get(each[3], each[3]) for each in _HANDED.finditer(found[2])}
            if not handed or not all(table.startswith('"') for table in handed.values()):
                return found[0]  # a module that has no table itself yet
            given = _HANDED.sub(lambda each: each[1] + handed[each[2]], found[2])
            return own(found[1], handed) + given

        return _WITH_TABLES.sub(instance, body)

    for name, body in list(modules.items()):
        modules[name] = hand_on(body, {})
    kept, waiting = {}, [top]
    while waiting:
        name = waiting.pop()
        if name in modules and name not in kept:
            kept[name] = modules[name]
            waiting += _INSTANCE.findall(modules[name])
    for name, body in kept.items():
        if _READ_PARAMETER.search(body):
            raise DataError(f"{where}: module {name} is given its table in a way that is not known here")
    return "\n\n".join(kept.values()) + "\n"


def _module(files: dict[str, str], top: str, folder: Path) -> tuple[str, str]:
    for name, text in files.items():
        if re.search(rf"^\s*module\s+{top}\b", text, re.MULTILINE):
            return name, text
    found = f"{len(files)} files, none with it" if files else "no Verilog there"
    raise DataError(f"{folder} has no module {top}: {found}; export the HLS project first (RTL=hls needs its Verilog)")


def _ports(text: str, top: str) -> dict[str, tuple[str, int]]:
    """Return name -> (direction, bits) of the module's ports, in either style of declaration."""
    body = re.sub(r"//[^\n]*|/\*.*?\*/|\(\*.*?\*\)", " ", text, flags=re.DOTALL)
    module = re.search(rf"\bmodule\s+{top}\b(.*?)\bendmodule\b", body, re.DOTALL)
    ports = {}
    if module:
        pattern = r"\b(input|output)\s+(?:wire|reg|logic)?\s*(?:\[\s*(\d+)\s*(?:-\s*1\s*)?:\s*0\s*\])?\s*(\w+)"
        for direction, high, name in re.findall(pattern, module.group(1)):
            ports[name] = (direction, int(high) + 1 if high else 1)
    return ports


def _adapter(name: str, top: str, ports: dict[str, tuple[str, int]], sample_bits: int, where: str) -> str:
    streams = {}
    for direction in ("input", "output"):
        data = [port for port, (way, _) in ports.items() if way == direction and port.upper().endswith("_TDATA")]
        if len(data) != 1:
            raise DataError(f"{where} has {len(data)} {direction} streams (ports ..._TDATA), a core has one")
        streams[direction] = data[0][: -len("TDATA")]
    wanted = [f"{stream}{signal}" for stream in streams.values() for signal in ("TVALID", "TREADY")]
    clock = "clock" if "start_port" in ports else "ap_clk"
    missing = [port for port in (clock, *wanted) if port not in ports]
    reset = next((port for port in _RESETS if port in ports), None)
    if missing or reset is None:
        raise DataError(f"{where} lacks {', '.join(missing) or 'ap_rst_n'}; it has {', '.join(ports)}")
    for direction, bits in (("input", sample_bits), ("output", 32)):
        found = ports[f"{streams[direction]}TDATA"][1]
        if found != bits:
            raise DataError(f"{where}: {streams[direction]}TDATA has {found} bits, expected {bits}")
    return _ADAPTER.format(
        name=name,
        top=top,
        word_top=sample_bits - 1,
        clock=clock,
        reset_port=reset,
        reset=_RESETS[reset],
        start=", .start_port(1'b1), .done_port()" if clock == "clock" else "",
        into=streams["input"],
        out=streams["output"],
    )


#: Reset ports -> what drives them.
_RESETS = {"ap_rst_n": "!rst", "ap_rst": "rst", "reset": "!rst"}

_ADAPTER = """\
// {name}_core: the HLS module {top} under the core's port names. Generated by hw_amc.rtl.hls_core.
module {name}_core (
    input  wire        clk,
    input  wire        rst,
    input  wire [{word_top}:0] s_tdata,
    input  wire        s_tvalid,
    output wire        s_tready,
    output wire [31:0] m_tdata,
    output wire        m_tvalid,
    input  wire        m_tready
);
    {top} core (
        .{clock}(clk), .{reset_port}({reset}){start},
        .{into}TDATA(s_tdata), .{into}TVALID(s_tvalid), .{into}TREADY(s_tready),
        .{out}TDATA(m_tdata), .{out}TVALID(m_tvalid), .{out}TREADY(m_tready)
    );
endmodule
"""
