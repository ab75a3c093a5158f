"""The core as a compiler of hardware sees it: clang's IR of each process, with the pragmas that clang can follow.

The preprocessed text of the network is compiled with integers of clang's own, every UNROLL done and
every function inlined, so that arrays of which each element is a register are no longer arrays.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from llvm_ir import Function, parse

from hw_amc import hls, tools

IR = Path(__file__).parent / "data" / "hls" / "ir"
#: AMD's numbers as clang's integers, which bambu takes too; streams are IR's.
NUMBERS = Path(hls.__file__).parent / "firmware" / "bambu"
FLAGS = (
    "-O2", "-std=c++17", "-w", "-fno-exceptions", "-fno-unroll-loops", "-fno-vectorize", "-fno-slp-vectorize",
    "-fno-discard-value-names", "-fno-builtin", "-mllvm", "-enable-load-pre=false",
    "-mllvm", "-inline-threshold=1000000000", "-mllvm", "-switch-to-lookup=false", "-mllvm", "-sink-common-insts=false",
)  # fmt: skip


def compilers() -> list[str]:
    """Every release of clang on PATH, from 14, by one name each: what `clang++` is comes first."""
    found: dict[Path, str] = {}
    for name in ("clang++", *(f"clang++-{release}" for release in range(14, 40))):
        program = shutil.which(name)
        if program:
            found.setdefault(Path(program).resolve(), name)
    return list(found.values())


#: Where there is none, what runs it says so.
CLANGS = compilers() or ["clang++"]
#: The other releases of clang that are installed are asked by the slow tests.
every_clang = pytest.mark.parametrize(
    "clang", [CLANGS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in CLANGS[1:])]
)

_STREAM = re.compile(r'hls::stream<\w+> \w+\("\w+"\);')
#: The stream that a process writes stands last.
_CALL = re.compile(r"^ +(hw_amc::\w+<.*>\([\w, ]*?(\w+)\);)$", re.MULTILINE)
_UNROLLED = re.compile(r"^( *)(for \(.*\{)\n *#pragma HLS UNROLL$", re.MULTILINE)
_PIPELINED = re.compile(r"^( *)(for \(.*\{)\n *#pragma HLS PIPELINE II=(\d+)$", re.MULTILINE)
_ROWS = re.compile(r"#pragma HLS ARRAY_PARTITION variable=(\w+) complete dim=1")
_ONE_PORT = re.compile(r"#pragma HLS (?:BIND_STORAGE|RESOURCE) variable=(\w+) (?:type=rom_1p|core=ROM_1P)")
#: Pointers have types up to clang 14.
_ELEMENT = re.compile(r"getelementptr (?:inbounds |nuw |nusw )*\(?.*?(?:\*|, ptr) ([%@][\w.$]+)(?: to .*?\))?, (.*)")
#: Types of the kernels' memories: of every bank one word is read and one written a turn.
_MEMORY = re.compile(r"hw_amc::(line|frame)_memory")
#: Of a process's function.
PREFIX = "process_"
#: A memory that nothing is said of has two.
DEFAULT_PORTS = 2


@dataclass
class Core:
    """Text and IR of a written network."""

    #: As the tool's preprocessor gives it.
    text: str
    #: Layer, or copy of a stream -> IR of its process.
    processes: dict[str, Function]

    def problems(self) -> list[str]:
        """What would not become the hardware that the schedule says."""
        return [problem for process in self.processes.values() for problem in self._problems(process)]

    def _problems(self, process: Function) -> list[str]:
        return [*_memories(process), *_ports(process), *self._reads(process), *_carried(process)]

    def _reads(self, process: Function) -> list[str]:
        """More reads of a table in one turn of a loop than it has ports."""
        count: dict[tuple[str, str], int] = {}
        for each in process.instructions:
            found = _ELEMENT.match(each.text)
            if found and found[1].startswith("@") and "%" in found[2]:
                table = _table(found[1])
                bank = _bank(found[2]) if table in self.rows else ""
                reads = sum(1 for load in process.instructions if load.op == "load" and each.result in load.operands)
                count[table, bank] = count.get((table, bank), 0) + reads
        return [
            f"{_title(process)}: table {table} is read {reads} times in a turn"
            for (table, _), reads in count.items()
            if reads > (1 if table in self.single else DEFAULT_PORTS)
        ]

    @cached_property
    def rows(self) -> set[str]:
        """Tables each row of which is a memory of its own."""
        return {f"{owner}::{name}" for owner, text in self._structs for name in _ROWS.findall(text)}

    @cached_property
    def single(self) -> set[str]:
        """Tables of one port."""
        return {f"{owner}::{name}" for owner, text in self._structs for name in _ONE_PORT.findall(text)}

    @property
    def _structs(self) -> list[tuple[str, str]]:
        return re.findall(r"^struct (\w+) \{$(.*?)^\};$", self.text, re.DOTALL | re.MULTILINE)


def preprocess(folder: Path, source: str, clang: str = CLANGS[0]) -> str:
    """A source as the tool's preprocessor gives it to the compiler."""
    paths = [f"-I{IR}", f"-I{NUMBERS}", "-Ifirmware", "-D__SYNTHESIS__"]
    return tools.run([clang, "-E", "-P", "-std=c++17", *paths, source], folder)


def compile_core(folder: Path, clang: str = CLANGS[0]) -> Core:
    """Compile a written project's network."""
    (network,) = (folder / "firmware").glob("*_net.cpp")
    text = preprocess(folder, f"firmware/{network.name}", clang)
    source = folder / "ir.cpp"
    source.write_text(_as_processes(text))
    tools.run([clang, *FLAGS, "-S", "-emit-llvm", "ir.cpp", "-o", "ir.ll"], folder)
    functions = parse((folder / "ir.ll").read_text())
    processes = {name: function for name, function in functions.items() if name.startswith(PREFIX)}
    return Core(text, {name.removeprefix(PREFIX): function for name, function in processes.items()})


def multiplications(process: Function) -> int:
    """Multiplications of two variables."""
    return sum(each.op == "mul" and not re.search(r", -?\d+$", each.text) for each in process.instructions)


def _as_processes(text: str) -> str:
    """Give each call of a kernel a function of its own, and clang the pragmas that it knows."""
    start = text.rindex("\nvoid ")
    head, network = text[:start], text[start:]
    parameters = re.findall(r"(hls::stream<\w+>) &(\w+)", network[: network.index("{")])
    streams = [f"{kind} {name};" for kind, name in parameters]
    streams += [re.sub(r'\(".*"\)', "", each) for each in _STREAM.findall(network)]
    calls = [
        f'extern "C" void {PREFIX}{written.removesuffix("_out")}() {{ {call} }}'
        for call, written in _CALL.findall(network)
    ]
    head = _UNROLLED.sub(r"#pragma clang loop unroll(full)\n\1\2", head)
    head = _PIPELINED.sub(r"#pragma clang loop pipeline_initiation_interval(\3)\n\1\2", head)
    return "\n".join([head, *streams, *calls, ""])


def _memories(process: Function) -> list[str]:
    """Arrays with a place chosen at run time: all of a kernel are completely partitioned, or memories by their type."""
    return [
        f"{_title(process)}: array {each.result.removeprefix('%')} has a run-time index"
        for each in process.instructions
        if each.op == "alloca" and each.result not in process.slots and not _MEMORY.search(each.text)
    ]


def _ports(process: Function) -> list[str]:
    """More than one read and one write of a bank of a memory in one turn of a loop."""
    memories = {each.result for each in process.instructions if each.op == "alloca" and _MEMORY.search(each.text)}
    count: dict[tuple[str, str, str], int] = {}
    for each in process.instructions:
        found = _ELEMENT.match(each.text)
        users = [user for user in process.instructions if each.result in user.operands]
        if found and found[1] in memories and not all("@llvm.lifetime" in user.text for user in users):
            # What stands before the one place that is chosen at run time is the bank.
            bank, *places = found[2].split("%")
            if len(places) != 1:
                return [f"{_title(process)}: memory {found[1].removeprefix('%')} has {len(places)} run-time indices"]
            for user in users:
                if user.op in ("load", "store"):
                    count[found[1], bank, user.op] = count.get((found[1], bank, user.op), 0) + 1
    return [
        f"{_title(process)}: memory {memory.removeprefix('%')} has {uses} {op}s of a bank in a turn"
        for (memory, _, op), uses in count.items()
        if uses > 1
    ]


def _carried(process: Function) -> list[str]:
    """What a turn of a loop of interval 1 waits for in the turn before: a multiplication, or a memory."""
    problems = []
    for loop in process.loops:
        if "llvm.loop.pipeline.initiationinterval" not in loop.properties:
            continue
        for group in process.carried(loop):
            slow = sorted({each.op for each in group} & {"mul", "load", "call"})
            if slow:
                where = loop.header.removeprefix("%")
                problems.append(f"{_title(process)}: a turn of {where} waits for the one before through {slow[0]}")
    return problems


def _bank(places: str) -> str:
    """Constant places before the one that is chosen at run time, in LLVM's text: the first bank's may be left out."""
    constant = re.findall(r"i(?:32|64) (\d+)", places[: places.index("%")])
    return ",".join(constant) if any(int(place) for place in constant) else ""


def _title(process: Function) -> str:
    return process.name.removeprefix(PREFIX)


def _table(mangled: str) -> str:
    """Struct and name of a table in the C++, from LLVM's name of it."""
    owner = re.match(r"@_ZZN(\d+)", mangled)
    name = re.match(r".*E\d+([A-Za-z]\w*?)(?:_\d+)?$", mangled)
    if owner is None or name is None:
        return mangled
    start = owner.end()
    return f"{mangled[start : start + int(owner[1])]}::{name[1]}"
