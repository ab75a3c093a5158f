"""Small pieces of Verilog text: constants, slices, extensions, instances."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

# IEEE 1800-2017, annex B; Verilog's words are among them.
_WORDS = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global
highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input
inside instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri
tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var
vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
#: Words that name nothing of one's own in Verilog and SystemVerilog.
RESERVED = frozenset(_WORDS.split())


def is_name(text: str) -> bool:
    """Whether a module may be called so, in Verilog and in SystemVerilog."""
    return text.isidentifier() and text.isascii() and text not in RESERVED


def constant(value: int, width: int) -> str:
    """Sized hexadecimal literal of `value` modulo 2**width."""
    return f"{width}'h{value & ((1 << width) - 1):x}"


def packed(values: Iterable[int], width: int) -> str:
    """Sized literal of a vector of constants, element 0 in the lowest bits."""
    word, count = 0, 0
    for value in values:
        word |= (value & ((1 << width) - 1)) << (count * width)
        count += 1
    return constant(word, count * width)


def vector(width: int) -> str:
    """Range of a declaration."""
    return f"[{width - 1}:0]"


def extended(name: str, width: int, signed: bool, drop: int, to: int) -> str:
    """`name >> drop` as an expression of exactly `to` bits."""
    kept = width - drop
    if kept <= 0:
        fill = f"{name}[{width - 1}]" if signed else "1'b0"
        return fill if to == 1 else f"{{{to}{{{fill}}}}}"
    if kept >= to:
        top = drop + to - 1
        if drop == 0 and to == width:
            return name
        return f"{name}[{top}]" if to == 1 else f"{name}[{top}:{drop}]"
    body = name if drop == 0 else (f"{name}[{width - 1}]" if kept == 1 else f"{name}[{width - 1}:{drop}]")
    fill = f"{name}[{width - 1}]" if signed else "1'b0"
    return f"{{{{{to - kept}{{{fill}}}}}, {body}}}"


def instance(
    module: str, name: str, parameters: Mapping[str, int | str], ports: Mapping[str, str], indent: str = "    "
) -> str:
    """Text of an instance, one parameter or port a line."""
    lines = [f"{indent}{module} #("] if parameters else [f"{indent}{module} {name} ("]
    if parameters:
        lines.append(",\n".join(f"{indent}    .{key}({value})" for key, value in parameters.items()))
        lines.append(f"{indent}) {name} (")
    lines.append(",\n".join(f"{indent}    .{key}({value})" for key, value in ports.items()))
    lines.append(f"{indent});")
    return "\n".join(lines)


def instance_line(module: str, name: str, parameters: Mapping[str, int], ports: Mapping[str, str]) -> str:
    """Text of an instance on one line, for modules of which there are thousands."""
    settings = ", ".join(f".{key}({value})" for key, value in parameters.items())
    wires = ", ".join(f".{key}({value})" for key, value in ports.items())
    return f"    {module} #({settings}) {name} ({wires});\n"


def resolve(text: str, macro: str, is_defined: bool) -> str:
    """Return a text without its directives `ifdef macro`, `else`, `endif`, which do not nest, as if they were met."""
    kept, inside, taken = list[str](), False, True
    for line in text.splitlines(keepends=True):
        word = line.strip()
        if word == f"`ifdef {macro}":
            inside, taken = True, is_defined
        elif inside and word == "`else":
            taken = not is_defined
        elif inside and word == "`endif":
            inside, taken = False, True
        elif taken:
            kept.append(line)
    return "".join(kept)


def library(*modules: str) -> dict[str, str]:
    """Hand-written modules of hw_amc/rtl/blocks, and those that they instantiate: file name -> text."""
    files = dict[str, str]()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if f"{name}.v" not in files:
            files[f"{name}.v"] = _module(name)
            waiting += _instantiated(name)
    return files


@cache
def _module(name: str) -> str:
    """Text of a module; those with tables stand in the files of those without, behind `ifdef AMC_TABLES`."""
    file = resources.files("hw_amc.rtl.blocks") / f"{name.replace('_tables', '')}.v"
    return resolve(file.read_text(encoding="utf-8"), "AMC_TABLES", "_tables" in name)


@cache
def _instantiated(name: str) -> tuple[str, ...]:
    code = re.sub("//.*", "", _module(name))
    return tuple(sorted(set(re.findall(r"^ *(amc_\w+) (?:#\(|\w+ \()", code, re.MULTILINE))))
