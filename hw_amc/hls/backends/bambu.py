"""Bambu, the open HLS compiler of PandA (Politecnico di Milano): nothing of it is in this project.

Its dialect is not AMD's. Pragmas of loops and variables are unknown to it: loops are unrolled by clang's own pragma,
and arrays of registers become registers because every index in them is a constant. A dataflow region is a function
whose calls are processes that run for ever, each a function of its own, with channels of file scope between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hw_amc.hls import reports, resources
from hw_amc.hls.backends.base import CSIM, SOLUTION, TOP, HlsTool, Step

_UNROLL = re.compile(r"^( *)(for \(.*\{)\n *#pragma HLS UNROLL$", re.MULTILINE)
_PRAGMA = re.compile(r"^ *#pragma HLS .*\n", re.MULTILINE)
_STREAM = re.compile(r"hls::stream<(\w+)> &?(\w+)")
_CALL = re.compile(r"^ +((?!HW_AMC_TRACE)[\w:]+(?:<.*>)?)\(([\w, ]+)\);$", re.MULTILINE)

#: Files that take the place of AMD's, in hls/firmware/bambu.
_HEADERS = ("ap_fixed.h", "ap_int.h", "hls_stream.h")
#: Words of up to 64 bits that a FIFO between two processes holds.
_FIFO_WORDS = 3
#: Seconds that a run may take: small networks take minutes.
_LONGEST_S = 4 * 3600.0


class Bambu(HlsTool):
    """Its scripts are the shell's; the folders are Vitis HLS'."""

    def scripts(self) -> dict[str, str]:
        return {f"{step}.sh": f"bambu_{step}.sh" for step in self.steps}

    def command(self, program: str, step: str) -> list[str]:
        return ["sh", f"{step}.sh"]

    def own_sources(self, network: str, core: str) -> dict[str, str]:
        headers = {f"bambu/{name}": resources.text("firmware/bambu", name) for name in _HEADERS}
        return {**headers, "bambu/core.cpp": emit_processes(network, core)}

    def fifo_room(self, numbers: int, bits: int) -> int | None:
        words = -(-numbers // (64 // bits))
        return _FIFO_WORDS // words

    def dialect(self, text: str) -> str:
        return _PRAGMA.sub("", _UNROLL.sub(r"\1#pragma clang loop unroll(full)\n\1\2", text))


def emit_processes(network: str, core: str) -> str:
    """Write the core as one function of processes.

    Parameters
    ----------
    network, core : str
        C++ of the network's function and of the core around it, as the other tools read it.
    """
    types = {name: kind for text in (core, network) for kind, name in _STREAM.findall(text)}
    head, inside = core.split(f"void {TOP}(")
    signature, body = network.split(") {\n", 1)
    own = re.findall(r"&(\w+)", signature)
    processes: list[_Process] = []
    for call, arguments in _CALL.findall(inside):
        names = arguments.split(", ")
        if f"void {call}(" not in network:
            # The last process, which stands in the template, restores what `words` carries.
            processes.append(_Process(call, call, names, {"logits": "words"}))
            continue
        outside = dict(zip(own, names, strict=True))
        for kernel, inner in _CALL.findall(body):
            streams = inner.split(", ")
            processes.append(_Process(streams[-1].removesuffix("_out"), kernel, streams, outside))
    types["words"] = types["logits"]
    channels = dict.fromkeys(name for process in processes for name in process.channels)
    declared = [f"static hls::stream<{types[name]}>::channel {name};" for name in channels if name != "samples"]
    return resources.fill(
        "bambu.cc",
        {
            "NETWORK": re.findall(r'#include "(\w+)\.h"', network)[0],
            "FUNCTIONS": head.split("\n", 1)[1].strip(),  # without the include
            "CHANNELS": "\n".join(declared),
            "PROCESSES": "\n".join(process.definition(types) for process in processes),
            "CALLS": "\n".join(process.call for process in processes),
        },
    )


@dataclass(frozen=True)
class _Process:
    """A function whose parameters are channels: bambu tells a channel's width from its type."""

    name: str
    #: What it calls, and the streams that it gives.
    function: str
    streams: list[str]
    #: Stream -> channel of file scope, where the names differ.
    outside: dict[str, str]

    @property
    def channels(self) -> list[str]:
        return [self.outside.get(name, name) for name in self.streams]

    @property
    def call(self) -> str:
        return f"    process_{self.name}({', '.join(self.channels)});"

    def definition(self, types: dict[str, str]) -> str:
        pairs = [(types[channel], name) for channel, name in zip(self.channels, self.streams, strict=True)]
        parameters = ", ".join(f"hls::stream<{kind}>::channel &{name}_channel" for kind, name in pairs)
        lines = [
            f"static void process_{self.name}({parameters}) {{",
            *(f"    hls::stream<{kind}> {name}({name}_channel);" for kind, name in pairs),
            f"    {self.function}({', '.join(self.streams)});",
            "}",
            "",
        ]
        return "\n".join(lines)


BAMBU = Bambu(
    name="Bambu",
    title="bambu",
    programs={"bambu": ()},
    clock_uncertainty=0.0,  # it fills the whole period
    install="build PandA (panda.dei.polimi.it) and put its bin folder on PATH",
    steps={
        "csim": CSIM,
        "csynth": Step((SOLUTION / "syn" / "report" / f"{TOP}_csynth.log",), reports.parse_bambu, timeout_s=_LONGEST_S),
    },
)
