"""Small pieces of Verilog text: constants, slices, extensions, instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources


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


def library(*modules: str) -> dict[str, str]:
    """Hand-written modules of hw_amc/rtl/blocks: file name -> text."""
    folder = resources.files("hw_amc.rtl.blocks")
    return {f"{name}.v": (folder / f"{name}.v").read_text(encoding="utf-8") for name in modules}
