"""Properties that Yosys' SAT solver proves of hand-written modules: for all inputs, from reset on, by induction.

The properties of a module stand in front of its `endmodule`, so that they see its registers. Counters that only the
proof has number the words that came in and went out; `watch`, drawn in a reset, is any one of these numbers, and that
word must leave as it came: then nothing is lost, doubled or reordered. Each module is also proved with faults in it:
the solver must find each.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from hw_amc.errors import ToolFailed
from hw_amc.rtl.shell.register_file import emit_verilog
from hw_amc.rtl.verilog import library
from hw_amc.sources import Sources
from hw_amc.synth.yosys import run_yosys


@dataclass(frozen=True)
class Properties:
    """What is proved of a module."""

    module: str
    text: str
    #: Parameters that make the proof small.
    parameters: dict[str, str]
    #: Steps of the base case from zeroed registers, and at most that many for the step of the induction; 0: no step,
    #: the properties are proved up to the bound.
    bound: int
    induction: int = 1
    #: Faults that must be found: text of the module, and what stands in its place.
    faults: tuple[tuple[str, str], ...] = ()


SKID = Properties(
    "amc_shell_skid",
    """
    reg [3:0] came, left, watch;
    reg [WIDTH-1:0] watched, held;
    reg waits;
    wire [3:0] inside = came - left, ahead = watch - left;
    always @(posedge clk) begin
        if (rst) watch <= {in_data, in_data};
        if (in_valid && in_ready) came <= came + 4'd1;
        if (in_valid && in_ready && came == watch) watched <= in_data;
        if (out_valid && out_ready) left <= left + 4'd1;
        waits <= out_valid && !out_ready && !rst;
        held <= out_data;
        if (rst) came <= 4'd0;
        if (rst) left <= 4'd0;
    end
    always @* begin
        assert (inside == {3'd0, out_valid} + {3'd0, spare_full});
        assert (out_valid || !spare_full);
        assert (in_ready == (inside < 4'd2));
        if (inside != 4'd0 && ahead == 4'd0) assert (out_data == watched);
        if (inside == 4'd2 && ahead == 4'd1) assert (spare == watched);
        if (waits) assert (out_valid && out_data == held);
    end
""",
    {"WIDTH": "3"},
    bound=7,
    faults=(
        ("if (!out_valid || out_ready) begin", "if (!out_valid && out_ready) begin"),
        ("spare_full ? spare : in_data", "in_valid ? in_data : spare"),
        ("spare      <= in_data;", ""),
        ("end else if (in_valid && in_ready) begin", "end else if (in_valid) begin"),
        ("            out_valid  <= 1'b0;\n", ""),
    ),
)

TAGS = Properties(
    "amc_shell_tags",
    """
    reg [INDEX_BITS:0] came, left, watch;
    reg [WIDTH-1:0] watched;
    wire [INDEX_BITS:0] inside = came - left, ahead = watch - left;
    localparam [INDEX_BITS:0] MOST = 1 << INDEX_BITS;
    always @(posedge clk) begin
        if (rst) watch <= {in_data, in_data};
        if (in_valid && in_ready) came <= came + 1'b1;
        if (in_valid && in_ready && came == watch) watched <= in_data;
        if (out_valid && out_ready) left <= left + 1'b1;
        if (rst) came <= 0;
        if (rst) left <= 0;
    end
    always @* begin
        assert (head == came && tail == left && inside <= MOST);
        assert (in_ready == (inside != MOST) && out_valid == (inside != 0));
        if (ahead < inside) assert (entries[watch[INDEX_BITS-1:0]] == watched);
        if (inside != 0 && ahead == 0) assert (out_data == watched);
    end
""",
    {"WIDTH": "2", "INDEX_BITS": "2"},
    bound=8,
    faults=(
        ("head[INDEX_BITS] != tail[INDEX_BITS] && ", ""),
        ("if (out_valid && out_ready)", "if (out_ready)"),
        ("entries[tail[INDEX_BITS-1:0]]", "entries[head[INDEX_BITS-1:0]]"),
        ("if (in_valid && in_ready) begin", "if (in_valid) begin"),
    ),
)

FRAMER = Properties(
    "amc_shell_framer",
    """
    localparam [3:0] CHANNELS = CHANNEL_LAST + 1, ROUND = (SAMPLE_LAST + 1) * CHANNELS;
    reg [3:0] place;
    reg filling;
    wire sends = out_valid && out_ready, takes = in_valid && in_ready, tags = tag_valid && tag_ready;
    wire end_of_frame = place >= ROUND - CHANNELS, end_of_round = place == ROUND - 4'd1;
    always @(posedge clk) begin
        if (sends) place <= end_of_round ? 4'd0 : place + 4'd1;
        if (takes && in_last && !end_of_round) filling <= 1'b1;
        else if (sends && end_of_round) filling <= 1'b0;
        if (rst) place <= 4'd0;
        if (rst) filling <= 1'b0;
    end
    always @* begin
        // Frames of equal length in turn, whatever comes in.
        assert (place < ROUND && sample[3:0] * CHANNELS + channel[3:0] == place && channel <= CHANNEL_LAST);
        assert (sample <= SAMPLE_LAST && mid_frame == (place != 4'd0));
        // What is taken leaves in the same cycle as it came; zeros fill the round that a misplaced TLAST broke.
        assert (padding == filling && takes == (sends && !filling));
        assert (out_filled == filling);
        if (takes) assert (out_data == in_data);
        if (filling) assert (out_data == 32'd0);
        // One tag a frame, with its last sample: which channel, and whether it was filled.
        assert (tags == (sends && end_of_frame));
        if (tags) assert (tag_channel == channel && tag_broken == filling);
        assert (framing_error == (takes && in_last && !end_of_round));
        // A sample that has room goes on.
        if (out_ready && (in_valid || filling) && (tag_ready || !end_of_frame)) assert (sends);
    end
""",
    {"SAMPLE_LAST": "2", "CHANNEL_LAST": "1"},
    bound=8,
    faults=(
        ("have_sample && room && out_ready;", "have_sample && out_ready;"),
        ("in_last && !(last_sample && last_channel);", "in_last && !last_sample;"),
        ("have_sample && last_sample && out_ready;", "have_sample && last_sample;"),
        ("!padding && room && out_ready;", "!padding && out_ready;"),
        ("padding ? 32'd0 : in_data", "in_data"),
        ("sample == SAMPLE_LAST;", "sample >= SAMPLE_LAST - 24'd1;"),
    ),
)

#: Results of two logits, of which the first head has both.
RESULTS = Properties(
    "amc_shell_results",
    """
    reg [4:0] came, watch, results, watch_result, tags;
    reg [5:0] left;
    reg [31:0] watched, first, held;
    reg [7:0] class_wanted;
    reg [8:0] tag_wanted;
    reg waits, held_last;
    reg [1:0] part;
    wire takes = logit_valid && logit_ready, sends = m_tvalid && m_tready;
    always @(posedge clk) begin
        if (rst) watch <= logit[4:0];
        if (rst) watch_result <= tag_channel[4:0];
        if (takes) came <= came + 5'd1;
        if (takes && came == watch) watched <= logit;
        if (takes && came[4:1] == watch_result[3:0]) begin
            if (!came[0]) first <= logit;
            else class_wanted <= $signed(logit) > $signed(first) ? 8'd1 : 8'd0;
        end
        if (tag_valid && tag_ready) tags <= tags + 5'd1;
        if (tag_valid && tag_ready && tags == watch_result) tag_wanted <= {tag_broken, tag_channel};
        if (sends) part <= part == 2'd2 ? 2'd0 : part + 2'd1;
        if (sends && part == 2'd2) results <= results + 5'd1;
        waits <= m_tvalid && !m_tready;
        held <= m_tdata;
        held_last <= m_tlast;
        if (rst) {came, results, tags, part} <= 0;
    end
    always @* begin
        assume (frames_per_packet == 32'd2 && !new_packet);
        // Small numbers, of both signs: the proof is of order, not of adders.
        assume (logit[31:2] == {30{logit[2]}});
        // A word waits until it is taken, except for a reset.
        if (waits && !rst) assert (m_tvalid && m_tdata == held && m_tlast == held_last);
        if (m_tvalid && part != 2'd0) begin
            assert ({results[3:0], part[1]} < came);
            if ({results[3:0], part[1]} == watch) assert (m_tdata == watched);
        end
        if (m_tvalid && part == 2'd0) begin
            assert (results < tags);
            assert (m_tdata[31:25] == 7'd0 && m_tdata[23:16] == {3'd0, results});
            if (results == watch_result) assert (m_tdata[24] == tag_wanted[8] && m_tdata[15:8] == tag_wanted[7:0]);
            if (results == watch_result) assert (m_tdata[7:0] == class_wanted);
        end
        // Packets of two results.
        if (m_tvalid) assert (m_tlast == (part == 2'd2 && results[0]));
        assert (result_sent == (sends && part == 2'd2));
        assert (tags >= results && tags <= results + 5'd1);
    end
""",
    {"INDEX_BITS": "1", "LOGIT_LAST": "1", "CLASS_LAST": "1"},
    bound=11,
    induction=0,
    faults=(
        ("$signed(logit) > $signed(best)", "$signed(logit) >= $signed(best)"),
        ("$signed(logit) > $signed(best)", "logit > best"),
        ("assign logit_ready = !full[in_bank];", "assign logit_ready = 1'b1;"),
        ("full[out_bank] && (tag_valid || !at_head)", "full[out_bank]"),
        ("            out_index    <= at_end ? 9'd0 : out_index + 9'd1;\n", ""),
        ("                full[out_bank]  <= 1'b0;\n", ""),
        ("sent_results + 32'd1 >= frames_per_packet", "sent_results >= frames_per_packet"),
        ("(!m_full || m_tready) && full", "full"),
    ),
)

REGISTERS = Properties(
    "amc_registers",
    """
    // Addresses, words and answers of writes; addresses and answers of reads: one answer each, none without.
    reg [3:0] addresses, words, answers, asked, told;
    reg b_waits, r_waits;
    reg [31:0] r_held;
    wire [3:0] a_open = addresses - answers, w_open = words - answers, r_open = asked - told;
    always @(posedge clk) begin
        if (s_axi_awvalid && s_axi_awready) addresses <= addresses + 4'd1;
        if (s_axi_wvalid && s_axi_wready) words <= words + 4'd1;
        if (s_axi_bvalid && s_axi_bready) answers <= answers + 4'd1;
        if (s_axi_arvalid && s_axi_arready) asked <= asked + 4'd1;
        if (s_axi_rvalid && s_axi_rready) told <= told + 4'd1;
        b_waits <= s_axi_bvalid && !s_axi_bready && !rst;
        r_waits <= s_axi_rvalid && !s_axi_rready && !rst;
        r_held <= s_axi_rdata;
        if (rst) {addresses, words, answers, asked, told} <= 20'd0;
    end
    always @* begin
        assert (a_open == {3'd0, aw_full} + {3'd0, s_axi_bvalid});
        assert (w_open == {3'd0, w_full} + {3'd0, s_axi_bvalid});
        assert (r_open == {3'd0, s_axi_rvalid});
        if (b_waits) assert (s_axi_bvalid);
        if (r_waits) assert (s_axi_rvalid && s_axi_rdata == r_held);
        assert (s_axi_bresp == 2'b00 && s_axi_rresp == 2'b00);
        // What was taken is not refused for ever: a free answer and both halves make an answer.
        if (aw_full && w_full && !s_axi_bvalid) assert (do_write);
    end
""",
    {},
    bound=5,
    faults=(
        ("do_write || (s_axi_bvalid && !s_axi_bready)", "do_write"),
        ("w_full && (!s_axi_bvalid || s_axi_bready)", "w_full"),
        ("(!s_axi_rvalid || s_axi_rready) && !rst", "!rst"),
        ("!aw_full && !rst", "!rst"),
        ("            s_axi_rvalid <= 1'b0;\n", ""),
    ),
)

#: The one rounding of an input word, from the word and its shift, two stages later.
QUANTIZE = Properties(
    "amc_shell_quantize",
    """
    reg [1:0] age;
    reg signed [7:0] before;
    reg signed [15:0] word;
    reg loaded, given, over;
    reg signed [3:0] wanted;
    wire signed [9:0] gone = {SHIFT[8], SHIFT} - {{2{input_shift[7]}}, input_shift};
    wire [5:0] cut = gone > 20 ? 6'd40 : gone < -20 ? 6'd0 : gone + 10'sd20;
    wire signed [63:0] large = {{28{word[15]}}, word, 20'd0};
    wire signed [63:0] floor = large >>> cut;
    wire signed [63:0] rest = large - (floor <<< cut);
    wire signed [63:0] half = cut == 0 ? 64'sd1 : 64'sd1 <<< (cut - 6'd1);
    wire signed [63:0] nearest = floor + ((rest > half || (rest == half && floor[0])) ? 64'sd1 : 64'sd0);
    always @(posedge clk) begin
        age <= age[1] ? age : age + 2'd1;
        before <= input_shift;
        if (load_wide) word <= raw;
        loaded <= load_wide || (loaded && !load_out);
        given <= load_out;
        over <= nearest > 7 || nearest < -8;
        wanted <= nearest > 7 ? 4'sd7 : nearest < -8 ? -4'sd8 : nearest[3:0];
    end
    always @* begin
        // The register's value has been there for two cycles when the first word comes.
        assume ((age == 2'd0 || input_shift == before) && (age[1] || !load_wide) && (loaded || !load_out));
        if (given) assert (out == {{4{wanted[3]}}, wanted} && saturated == over);
    end
""",
    {"BITS": "4", "FIELD": "8", "SHIFT": "9'd3"},
    bound=5,
    induction=0,
    faults=(
        ("((|wide[14:0]) || wide[16])", "(|wide[14:0])"),
        ("((|wide[14:0]) || wide[16])", "1'b1"),
        ("(right > RIGHT_MAX) ? RIGHT_MAX", "(right > RIGHT_MAX) ? LEFT_MAX"),
        ("(held && !largest) || below", "(held && !largest)"),
        ("(held && !largest) || below", "held || below"),
        ("{(BITS-1){!whole[16+BITS]}}", "{(BITS-1){whole[16+BITS]}}"),
    ),
)

ALL = {found.module: found for found in (SKID, TAGS, FRAMER, RESULTS, REGISTERS, QUANTIZE)}

#: y is x without its half LSB, divided by 2^SHIFT, rounded to even and clipped.
ROUNDING = """
    localparam W = IN + 8;
    localparam signed [W-1:0] HALF = SHIFT > 0 ? 1 << (SHIFT > 0 ? SHIFT - 1 : 0) : 0;
    localparam signed [W-1:0] LOW = OUT_SIGNED ? -(1 << (OUT - 1)) : 0;
    localparam signed [W-1:0] HIGH = OUT_SIGNED ? (1 << (OUT - 1)) - 1 : (1 << OUT) - 1;
    localparam RIGHT = SHIFT > 0 ? SHIFT : 0, LEFT = SHIFT < 0 ? -SHIFT : 0;
    wire signed [W-1:0] value = {{8{x[IN-1]}}, x} - HALF;
    wire signed [W-1:0] floor = (value >>> RIGHT) <<< LEFT;
    wire signed [W-1:0] rest = value - ((value >>> RIGHT) <<< RIGHT);
    wire up = SHIFT > 0 && (rest > HALF || (rest == HALF && floor[0]));
    wire signed [W-1:0] nearest = floor + (up ? 1 : 0);
    wire signed [W-1:0] wanted = nearest < LOW ? LOW : nearest > HIGH ? HIGH : nearest;
    always @* assert (y == wanted[OUT-1:0]);
"""
ROUNDING_FAULTS = (
    ("x[SHIFT] & (|x[SHIFT-1:0])", "x[SHIFT]"),
    ("(&r[R-1:OUT-1]) | ~(|r[R-1:OUT-1])", "~(|r[R-1:OUT-1])"),
    ("(|r[R-2:OUT]) ? {OUT{1'b1}}", "(|r[R-2:OUT]) ? {OUT{1'b0}}"),
    ("{r[R-1], {(OUT - 1) {~r[R-1]}}}", "{r[R-1], {(OUT - 1) {r[R-1]}}}"),
    ("assign r = {x, {(-SHIFT) {1'b0}}};", "assign r = {{(-SHIFT) {x[IN-1]}}, x};"),
)


def _prove_rounding(folder: Path, fault: tuple[str, str] = ("", "")) -> int:
    """Prove amc_round_saturate for shifts, widths and signs of every kind; return how many."""
    text = library("amc_round_saturate")["amc_round_saturate.v"]
    if fault[0]:
        assert text.count(fault[0]) == 1, fault[0]
        text = text.replace(*fault)
    head, end, tail = text.rpartition("endmodule")
    script, top, cases = ["read_verilog -formal -sv round.sv top.sv", "design -save all"], "", 0
    for shift in (-1, 0, 1, 2, 4):
        for out in (2, 4, 8 - shift, 9 - shift, 10 - shift):
            for signed in (0, 1):
                chosen = f".IN(8), .SHIFT({shift}), .OUT({out}), .OUT_SIGNED({signed})"
                top += f"module top{cases} (input [7:0] x, output [{out - 1}:0] y);\n"
                top += f"    amc_round_saturate #({chosen}) unit (x, y);\nendmodule\n"
                script += ["design -load all", f"hierarchy -top top{cases}", "proc", "flatten", "chformal -lower"]
                script += ["opt -full", "sat -verify -prove-asserts"]
                cases += 1
    sources = Sources({"none.v": "", "round.sv": f"{head}{ROUNDING}{end}{tail}", "top.sv": top})
    run_yosys(sources, folder, script)
    assert (folder / "synth.log").read_text().count("SAT proof finished - no model found: SUCCESS!") == cases
    return cases


@pytest.mark.cosim
def test_rounding_equals_arithmetic(tmp_path: Path) -> None:
    assert _prove_rounding(tmp_path) == 50


@pytest.mark.cosim
@pytest.mark.parametrize("fault", ROUNDING_FAULTS)
def test_a_fault_in_rounding_is_found(fault: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ToolFailed):
        _prove_rounding(tmp_path, fault)
    assert "Called with -verify and proof did fail!" in (tmp_path / "synth.log").read_text()


def _source(module: str) -> str:
    if module == "amc_registers":
        return emit_verilog()
    return (resources.files("hw_amc.rtl.shell") / f"{module}.v").read_text(encoding="utf-8")


def _prove(found: Properties, folder: Path, fault: tuple[str, str] = ("", ""), bound: int | None = None) -> str:
    """Prove a module's properties, with a fault in it or without; return the solver's log."""
    text = _source(found.module)
    if fault[0]:
        assert text.count(fault[0]) == 1, fault[0]
        text = text.replace(*fault)
    head, end, tail = text.rpartition("endmodule")
    solver = f"sat -verify -set-init-zero -set-assumes -prove-asserts -maxsteps {bound or found.bound} -tempinduct"
    script = [
        *(f"chparam -set {name} {value} {found.module}" for name, value in found.parameters.items()),
        f"hierarchy -top {found.module}",
        "proc",
        "memory_map",
        "chformal -lower",
        "opt -full",
        f"{solver}-baseonly",
    ]
    if found.induction:
        script.append(
            f"sat -verify -set-assumes -prove-asserts -maxsteps {found.induction} -tempinduct -tempinduct-inductonly"
        )
    # Only .v files are read by themselves, as plain Verilog, which has no `assert`.
    sources = Sources({"none.v": "", f"{found.module}.sv": f"{head}{found.text}{end}{tail}"})
    run_yosys(sources, folder, [f"read_verilog -formal -sv {found.module}.sv", *script])
    return (folder / "synth.log").read_text()


@pytest.mark.cosim
@pytest.mark.parametrize("module", sorted(ALL))
def test_properties_are_proved(module: str, tmp_path: Path) -> None:
    log = _prove(ALL[module], tmp_path)
    assert f"proved base case for {ALL[module].bound} steps: SUCCESS!" in log
    assert ("Induction step proven: SUCCESS!" in log) == bool(ALL[module].induction)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("module", "fault"), [(module, fault) for module in sorted(ALL) for fault in ALL[module].faults]
)
def test_a_fault_breaks_a_property(module: str, fault: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ToolFailed):
        _prove(ALL[module], tmp_path, fault)
    assert "Called with -verify and proof did fail!" in (tmp_path / "synth.log").read_text()
