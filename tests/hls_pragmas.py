"""The grammar of the tools' pragmas, as the user guides UG1399 (Vitis HLS) and UG902 (Vivado HLS) give it."""

from __future__ import annotations

import re

VARIABLE = r"variable=(?P<variable>\w+)"
_MEMORY = "(rom_1p|rom_2p|rom_np|ram_1p|ram_2p|ram_s2p|ram_t2p|fifo)"
#: Directive -> its options; where it stands.
COMMON = {
    "INLINE": ("(off|recursive)?", "function"),
    "DATAFLOW": ("(disable_start_propagation)?", "function"),
    "INTERFACE": (r"(axis port=(?P<variable>\w+)|ap_ctrl_none port=return)", "function"),
    "PIPELINE": (r"(II=\d+)?( ?(rewind|off))?", "loop"),
    "UNROLL": (r"(factor=\d+)?( ?skip_exit_check)?", "loop"),
    "LOOP_FLATTEN": ("(off)?", "loop"),
    "ARRAY_PARTITION": (rf"{VARIABLE} (complete|(block|cyclic) factor=\d+)( dim=\d+)?", "variable"),
    "ARRAY_RESHAPE": (rf"{VARIABLE} (complete|(block|cyclic) factor=\d+)( dim=\d+)?", "variable"),
    "DEPENDENCE": (rf"{VARIABLE} (inter|intra) false", "variable"),
    "STREAM": (rf"{VARIABLE} depth=\d+", "variable"),
}
TOOLS = {
    "Vitis": {
        **COMMON,
        "BIND_OP": (rf"{VARIABLE} op=(mul|add|sub) impl=(dsp|fabric)( latency=\d+)?", "variable"),
        "BIND_STORAGE": (rf"{VARIABLE} type={_MEMORY} impl=(bram|lutram|uram|auto)( latency=\d+)?", "variable"),
    },
    "Vivado": {
        **COMMON,
        "DATA_PACK": (VARIABLE, "variable"),
        "RESOURCE": (
            rf"{VARIABLE} core=(DSP48|Mul|Mul_LUT|AddSub|ROM_[12n]P|ROM_[12n]P_(LUTRAM|BRAM)|RAM_\w+)( latency=\d+)?",
            "variable",
        ),
    },
}
_DECLARED = r"(?:^|[\w>&*,)] ?[&*]?)\b{name}(?:\[|\(|;|,| =|\)|$)"


def problems(text: str, tool: str) -> list[str]:
    """What a tool would not understand in preprocessed text."""
    lines = text.splitlines()
    return [
        f"{line.strip()}: {problem}"
        for number, line in enumerate(lines)
        if "#pragma HLS" in line and (problem := _problem(lines, number, tool))
    ]


def count(text: str) -> int:
    """Pragmas in a text."""
    return text.count("#pragma HLS")


def _problem(lines: list[str], number: int, tool: str) -> str:
    _, _, directive, *options = lines[number].split()
    if directive not in TOOLS[tool]:
        return f"{tool} has no such directive"
    grammar, place = TOOLS[tool][directive]
    found = re.fullmatch(grammar, " ".join(options))
    if found is None:
        return "its options are none of the user guide's"
    above = _above(lines, number)
    name = found.groupdict().get("variable")
    if name is not None and not any(re.search(_DECLARED.format(name=name), line) for line in above):
        return f"no {name} is declared above it"
    opens = next((line for line in above if "#pragma" not in line), "")
    in_loop = bool(re.match(r"\s*(for|while) \(", opens)) and opens.endswith("{")
    in_function = opens.endswith("{") and not re.match(r"\s*(for|while|if|else|struct|class|namespace|do)\b", opens)
    if (place == "loop" and not in_loop) or (place == "function" and not in_function):
        return f"it does not stand at the beginning of a {place}"
    return ""


def _above(lines: list[str], number: int) -> list[str]:
    """Lines above one, from the nearest, that its blocks can see, up to the head of its function."""
    seen, depth = [], 0
    for line in reversed(lines[:number]):
        depth += line.count("}") - line.count("{")
        if depth <= 0:
            seen.append(line)
        depth = max(depth, 0) if line.endswith("{") and depth < 0 else depth
        if re.match(r"\S", line) and line.endswith("{"):
            break
    return seen
