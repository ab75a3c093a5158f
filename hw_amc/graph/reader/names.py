"""Names of nodes: words that C++, Verilog and hls4ml take for names."""

from __future__ import annotations

import re

_CPP = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const const_cast constexpr
    continue decltype default delete do double dynamic_cast else enum explicit export extern false float for friend goto
    if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public
    register reinterpret_cast return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq
"""
_VERILOG = """
    always and assign automatic begin bit buf byte case casex casez cell clocking config cover deassign defparam design
    disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify endtable endtask
    event final for force forever fork function generate genvar global highz0 highz1 if iff ifnone import incdir include
    initial inout input instance integer interface join large liblist library localparam logic macromodule matches
    medium modport module nand negedge nmos nor noshowcancelled not notif0 notif1 or output package packed parameter
    pmos posedge primitive program property pull0 pull1 pulldown pullup rand ref reg release repeat rnmos rpmos rtran
    scalared sequence showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task time tran
    tri tri0 tri1 triand trior trireg type unsigned use var vectored wait wand weak0 weak1 while wire wor xnor xor
"""
#: Words of the languages that the hardware is written in.
RESERVED = frozenset(f"{_CPP} {_VERILOG}".split())


def identifier(name: str) -> str:
    """Turn a layer's name into an identifier of C++ and Verilog, which Keras admits as well."""
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"layer_{word}" if word in RESERVED or not word[:1].isalpha() else word
