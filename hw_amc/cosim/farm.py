"""Many accelerators in one model: compiling is slow, so tests of many small networks share one build."""

from __future__ import annotations

from collections.abc import Sequence

from hw_amc.errors import ConfigError
from hw_amc.interface import registers
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sources import Sources

TOP = "farm"

#: Signals that all accelerators see, those that only the selected one sees, and those that come from it.
_SHARED = {
    "s_axis_tdata": 32,
    "s_axis_tlast": 1,
    "s_axi_awaddr": registers.ADDRESS_BITS,
    "s_axi_wdata": 32,
    "s_axi_wstrb": 4,
    "s_axi_araddr": registers.ADDRESS_BITS,
}
_GATED = (
    *("s_axis_tvalid", "m_axis_tready", "s_axi_awvalid", "s_axi_wvalid", "s_axi_bready", "s_axi_arvalid"),
    "s_axi_rready",
)
_CHOSEN = {
    "s_axis_tready": 1,
    "m_axis_tdata": 32,
    "m_axis_tlast": 1,
    "m_axis_tvalid": 1,
    "s_axi_awready": 1,
    "s_axi_wready": 1,
    "s_axi_bresp": 2,
    "s_axi_bvalid": 1,
    "s_axi_arready": 1,
    "s_axi_rdata": 32,
    "s_axi_rresp": 2,
    "s_axi_rvalid": 1,
}


def build_farm(accelerators: Sequence[Accelerator]) -> Sources:
    """Return a project whose top, `farm`, holds all `accelerators` behind one set of ports and an input `select`.

    Simulate it with ``FastSim(project, farm.TOP, farm=True)`` and ``FastSim.select``.

    Raises
    ------
    ConfigError
        Two accelerators share a name, or a file name with other contents.
    """
    names = [accelerator.manifest.name for accelerator in accelerators]
    if len(set(names)) != len(names):
        raise ConfigError(f"accelerators of a farm need different names: {', '.join(names)}")
    files: dict[str, str] = {}
    for accelerator in accelerators:
        for name, text in accelerator.sources.files.items():
            if name != "manifest.json" and files.setdefault(name, text) != text:
                raise ConfigError(f"two accelerators of a farm have different files {name}")
    files[f"{TOP}.v"] = _emit_top(names)
    return Sources(files)


def _emit_top(names: Sequence[str]) -> str:
    count = len(names)
    lines = ["// Accelerators that share ports; `select` chooses one.", f"module {TOP} ("]
    lines += ["    input wire [7:0] select,", "    input wire aclk,", "    input wire aresetn,"]
    lines += [f"    input wire {_range(bits)}{name}," for name, bits in _SHARED.items()]
    lines += [f"    input wire {name}," for name in _GATED]
    lines += [",\n".join(f"    output wire {_range(bits)}{name}" for name, bits in _CHOSEN.items()), ");"]
    for name, bits in _CHOSEN.items():
        lines.append(f"    wire [{count * bits - 1}:0] all_{name};")
        lines.append(f"    assign {name} = all_{name}[select*{bits} +: {bits}];")
    for index, name in enumerate(names):
        pins = [".aclk(aclk), .aresetn(aresetn)"]
        pins += [f".{signal}({signal})" for signal in _SHARED]
        pins += [f".{signal}({signal} && select == 8'd{index})" for signal in _GATED]
        pins += [f".{signal}(all_{signal}[{index * bits} +: {bits}])" for signal, bits in _CHOSEN.items()]
        lines.append(f"    {name} u{index} (\n        " + ",\n        ".join(pins) + "\n    );")
    return "\n".join([*lines, "endmodule", ""])


def _range(bits: int) -> str:
    return f"[{bits - 1}:0] " if bits > 1 else ""
