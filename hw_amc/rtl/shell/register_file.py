"""Writes the Verilog register file and docs/registers.md from the table in `hw_amc.interface.registers`."""

from __future__ import annotations

from collections.abc import Iterator

from hw_amc.interface.registers import ADDRESS_BITS, GAIN_TABLE, TABLE, Field, Register

Table = tuple[Register, ...]

#: Name of the generated module and of its file.
MODULE = "amc_registers"

_HEAD = """\
// AXI4-Lite register file. Generated from hw_amc/interface/registers.py: edit the table, not this file.
//
// Write address and data may come in any order; byte strobes are kept; every access is answered with OKAY, and an
// address without a register reads 0. Reading the low word of a 64-bit counter keeps its high word for the next read.
"""

_BUS_PORTS = """\
    input  wire        clk,
    input  wire        rst,
    input  wire [{top}:0]  s_axi_awaddr,
    input  wire        s_axi_awvalid,
    output wire        s_axi_awready,
    input  wire [31:0] s_axi_wdata,
    input  wire [3:0]  s_axi_wstrb,
    input  wire        s_axi_wvalid,
    output wire        s_axi_wready,
    output wire [1:0]  s_axi_bresp,
    output reg         s_axi_bvalid,
    input  wire        s_axi_bready,
    input  wire [{top}:0]  s_axi_araddr,
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    output reg  [31:0] s_axi_rdata,
    output wire [1:0]  s_axi_rresp,
    output reg         s_axi_rvalid,
    input  wire        s_axi_rready"""

_BUS_LOGIC = """\
    // A write waits in these registers until address and data are both here.
    reg                aw_full;
    reg                w_full;
    reg  [{word_top}:2]       aw_word;
    reg  [31:0]        w_data;
    reg  [3:0]         w_strobe;
    wire               do_write = aw_full && w_full && (!s_axi_bvalid || s_axi_bready);
    wire               do_read  = s_axi_arvalid && s_axi_arready;
    wire [31:0]        w_mask;

    assign w_mask = {{{{8{{w_strobe[3]}}}}, {{8{{w_strobe[2]}}}}, {{8{{w_strobe[1]}}}}, {{8{{w_strobe[0]}}}}}};

    // A master may begin in the cycle in which reset ends, one before `rst` does: it waits.
    assign s_axi_awready = !aw_full && !rst;
    assign s_axi_wready  = !w_full && !rst;
    assign s_axi_bresp   = 2'b00;
    assign s_axi_rresp   = 2'b00;
    assign s_axi_arready = (!s_axi_rvalid || s_axi_rready) && !rst;

    always @(posedge clk) begin
        if (s_axi_awvalid && s_axi_awready) begin
            aw_full <= 1'b1;
            aw_word <= s_axi_awaddr[{top}:2];
        end else if (do_write)
            aw_full <= 1'b0;
        if (s_axi_wvalid && s_axi_wready) begin
            w_full   <= 1'b1;
            w_data   <= s_axi_wdata;
            w_strobe <= s_axi_wstrb;
        end else if (do_write)
            w_full <= 1'b0;
        s_axi_bvalid <= do_write || (s_axi_bvalid && !s_axi_bready);
        s_axi_rvalid <= do_read || (s_axi_rvalid && !s_axi_rready);
        if (rst) begin
            aw_full      <= 1'b0;
            w_full       <= 1'b0;
            s_axi_bvalid <= 1'b0;
            s_axi_rvalid <= 1'b0;
        end
    end

    // A byte address inside its word means nothing here.
    wire unused = &{{1'b0, s_axi_awaddr[1:0], s_axi_araddr[1:0]}};
"""


def emit_verilog(table: Table = TABLE) -> str:
    """Return the Verilog of the register file, module `amc_registers`, with the registers of `table`.

    Ports besides the bus: one output for each `rw` field, `<field>` (and `<field>_written`, one cycle long, where the
    table asks for it); one for each `pulse` field, one cycle long; one input for each `status` field; one for each
    `count` field, `<field>_event`.
    Parameters: one for each constant, named as its field in capitals; `<FIELD>_RESET` where the table leaves the
    reset value open.
    """
    top = ADDRESS_BITS - 1
    ports = ",\n".join([_BUS_PORTS.format(top=top), *_ports(table)])
    return (
        f"{_HEAD}\nmodule {MODULE} #(\n"
        + ",\n".join(_parameters(table))
        + f"\n) (\n{ports}\n);\n"
        + _BUS_LOGIC.format(top=top, word_top=top)
        + "\n".join(["", *_storage(table), "", *_write_logic(table), "", *_counters(table), "", *_read_logic(table)])
        + "\nendmodule\n"
    )


def _fields(table: Table, *access: str) -> Iterator[tuple[Register, Field]]:
    for register in table:
        for field in register.fields:
            if field.access in access:
                yield register, field


def _range(bits: int) -> str:
    return "       " if bits == 1 else f"[{bits - 1}:0]".ljust(7)


def _parameters(table: Table) -> Iterator[str]:
    for _, field in _fields(table, "constant"):
        yield f"    parameter {_range(field.bits)} {field.name.upper()} = {field.bits}'d0"
    for _, field in _fields(table, "rw"):
        if field.reset is None:
            yield f"    parameter {_range(field.bits)} {field.name.upper()}_RESET = {field.bits}'d0"


def _ports(table: Table) -> Iterator[str]:
    for _, field in _fields(table, "rw"):
        yield f"    output reg  {_range(field.bits)} {field.name}"
        if field.strobe:
            yield f"    output wire         {field.name}_written"
    for _, field in _fields(table, "pulse"):
        yield f"    output reg          {field.name}"
    for _, field in _fields(table, "status"):
        yield f"    input  wire {_range(field.bits)} {field.name}"
    for _, field in _fields(table, "count"):
        yield f"    input  wire         {field.name}_event"


def _storage(table: Table) -> Iterator[str]:
    for _, field in _fields(table, "count"):
        yield f"    reg  {_range(field.bits)}       {field.name};"
    yield "    reg  [31:0]        high_word;"
    for register in dict.fromkeys(register for register, _ in _fields(table, "rw", "pulse")):
        yield f"    wire               at_{register.name.lower()} = do_write && aw_word == {_word(register.offset)};"
    for register, field in _fields(table, "rw"):
        if field.strobe:
            yield f"    assign {field.name}_written = at_{register.name.lower()};"
    for register in dict.fromkeys(register for register, _ in _fields(table, "rw", "pulse")):
        name = register.name.lower()
        yield f"    wire [31:0]        new_{name} = ({_stored(register)} & ~w_mask) | (w_data & w_mask);"
        used = 0
        for field in register.fields:
            used |= field.mask
        if used != 0xFFFFFFFF:
            lsb = used.bit_length()
            yield f"    wire               unused_{name} = &{{1'b0, new_{name}[31:{lsb}]}};"


def _stored(register: Register) -> str:
    """Return the register's present contents, pulses as zeros."""
    return _word_of([(f.lsb, f.bits, f.name if f.access == "rw" else None) for f in register.fields])


def _write_logic(table: Table) -> Iterator[str]:
    yield "    always @(posedge clk) begin"
    for register, field in _fields(table, "pulse"):
        yield f"        {field.name} <= at_{register.name.lower()} && new_{register.name.lower()}[{field.lsb}];"
    for register, field in _fields(table, "rw"):
        new = f"new_{register.name.lower()}{_slice(field)}"
        if field.minimum is not None:
            low = f"{field.bits}'d{field.minimum}"
            new = f"({new} < {low}) ? {low} : {new}"
        yield f"        if (at_{register.name.lower()})"
        yield f"            {field.name} <= {new};"
    yield "        if (rst) begin"
    for _, field in _fields(table, "pulse"):
        yield f"            {field.name} <= 1'b0;"
    for _, field in _fields(table, "rw"):
        reset = f"{field.name.upper()}_RESET" if field.reset is None else f"{field.bits}'d{field.reset}"
        yield f"            {field.name} <= {reset};"
    yield "        end"
    yield "    end"


def _slice(field: Field) -> str:
    if field.bits == 32:
        return ""
    return f"[{field.lsb}]" if field.bits == 1 else f"[{field.lsb + field.bits - 1}:{field.lsb}]"


def _counters(table: Table) -> Iterator[str]:
    yield "    always @(posedge clk) begin"
    for _, field in _fields(table, "count"):
        yield f"        if ({field.name}_event)"
        yield f"            {field.name} <= {field.name} + {field.bits}'d1;"
    yield "        if (rst || clear) begin"
    for _, field in _fields(table, "count"):
        yield f"            {field.name} <= {field.bits}'d0;"
    yield "        end"
    yield "    end"


def _read_logic(table: Table) -> Iterator[str]:
    wide = [(register, register.fields[0]) for register in table if register.words == 2]
    yield "    always @(posedge clk)"
    yield "        if (do_read) begin"
    yield f"            case (s_axi_araddr[{ADDRESS_BITS - 1}:2])"
    for register in table:
        yield f"                // {register.name}"
        yield f"                {_word(register.offset)}: s_axi_rdata <= {_read_value(register)};"
    for register, _ in wide:
        yield f"                // {register.name}, high word"
        yield f"                {_word(register.offset + 4)}: s_axi_rdata <= high_word;"
    yield "                default: s_axi_rdata <= 32'd0;"
    yield "            endcase"
    yield f"            case (s_axi_araddr[{ADDRESS_BITS - 1}:2])"
    for register, field in wide:
        yield f"                {_word(register.offset)}: high_word <= {field.name}[63:32];"
    yield "                default: high_word <= high_word;"
    yield "            endcase"
    yield "        end"


def _read_value(register: Register) -> str:
    if register.words == 2:
        return f"{register.fields[0].name}[31:0]"
    if len(register.fields) == 1 and register.fields[0].signed and register.fields[0].bits < 32:
        field = register.fields[0]
        return f"{{{{{32 - field.bits}{{{field.name}[{field.bits - 1}]}}}}, {field.name}}}"
    parts: list[tuple[int, int, str | None]] = []
    for field in register.fields:
        name = field.name.upper() if field.access == "constant" else field.name
        parts.append((field.lsb, field.bits, None if field.access == "pulse" else name))
    return _word_of(parts)


def _word_of(parts: list[tuple[int, int, str | None]]) -> str:
    """Concatenate (lsb, bits, wire or None) to 32 bits, zeros where there is nothing."""
    pieces: list[str] = []
    position = 0
    for lsb, bits, name in sorted(parts, key=lambda part: part[0]):
        if lsb > position:
            pieces.append(f"{lsb - position}'d0")
        pieces.append(name or f"{bits}'d0")
        position = lsb + bits
    if position < 32:
        pieces.append(f"{32 - position}'d0")
    return pieces[0] if len(pieces) == 1 else "{" + ", ".join(reversed(pieces)) + "}"


def _word(offset: int) -> str:
    return f"{ADDRESS_BITS - 2}'d{offset // 4}"


def emit_markdown() -> str:
    """Return docs/registers.md."""
    lines = [
        "# Registers",
        "",
        "<!-- Generated from hw_amc/interface/registers.py by "
        "`python -m hw_amc.rtl.shell.register_file`; do not edit. -->",
        "",
        "AXI4-Lite, 32-bit words, little endian; offsets in bytes. Every access is answered with OKAY: an address",
        "without a register reads 0, and writing it, or a read-only field, does nothing. Byte strobes are kept.",
        "`constant` fields are fixed when the accelerator is built; `pulse` fields act when 1 is written and read 0;",
        "`count` fields are reset by CONTROL.clear. A 64-bit counter has its low word first: read low, then high;",
        "reading the low word keeps the high one for the next read, so that the pair belongs together. The registers",
        "from AUTOMATIC_GAIN on are there where the accelerator is built with `[rtl] automatic_gain = true`.",
        "",
        "| offset | register | bits | field | access | reset | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for register in TABLE + GAIN_TABLE:
        for field in register.fields:
            lines.append(_markdown_row(register, field))
    lines += ["", *(f"- `{r.name}`: {r.doc}" for r in TABLE + GAIN_TABLE if r.doc and r.doc != r.fields[0].doc), ""]
    return "\n".join(lines)


def _markdown_row(register: Register, field: Field) -> str:
    bits = f"{field.lsb + field.bits - 1}:{field.lsb}" if field.bits > 1 else f"{field.lsb}"
    reset = "" if field.access != "rw" else ("project.toml" if field.reset is None else str(field.reset))
    signed = ", signed" if field.signed else ""
    return (
        f"| 0x{register.offset:02X} | {register.name} | {bits} | {field.name} | {field.access}{signed} | {reset} "
        f"| {field.doc} |"
    )


if __name__ == "__main__":
    print(emit_markdown(), end="")
