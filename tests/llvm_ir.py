"""A reader of LLVM's text: functions, blocks, instructions, loops, and what depends on itself from turn to turn."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

_FUNCTION = re.compile(r"^define .*?@([\w.$]+|\"[^\"]+\")\(.*?\{$(.*?)^\}$", re.DOTALL | re.MULTILINE)
_LABEL = re.compile(r"^([\w.$-]+):")
_RESULT = re.compile(r"^(%[\w.$-]+) = (.*)$")
#: Bytes are a value's.
_ARRAY = re.compile(r"\[\d+ x (?!i8\])")
_VALUE = re.compile(r"%[\w.$-]+")


@dataclass(frozen=True)
class Instruction:
    """One instruction; `result` is empty where it gives no value."""

    result: str
    op: str
    text: str

    @cached_property
    def operands(self) -> tuple[str, ...]:
        """Values of the function that it takes (types and labels fall out by who asks)."""
        return tuple(_VALUE.findall(self.text))


@dataclass
class Block:
    """Instructions that run one after another."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def successors(self) -> list[str]:
        """Blocks that may run next."""
        last = self.instructions[-1]
        return re.findall(r"label (%[\w.$-]+)", last.text) if last.op in ("br", "switch") else []


@dataclass(frozen=True)
class Loop:
    """A natural loop."""

    header: str
    blocks: frozenset[str]
    #: What its pragmas said.
    properties: frozenset[str]


@dataclass
class Function:
    """A function's blocks by name."""

    name: str
    blocks: dict[str, Block]
    #: Of the module: number -> text.
    metadata: dict[str, str]

    @property
    def instructions(self) -> list[Instruction]:
        """All of them in the order of the text."""
        return [each for block in self.blocks.values() for each in block.instructions]

    def within(self, blocks: Iterable[str]) -> list[Instruction]:
        """Instructions of some blocks."""
        return [each for name in blocks for each in self.blocks[name].instructions]

    @cached_property
    def loops(self) -> list[Loop]:
        """Natural loops, those of one header as one."""
        predecessors: dict[str, set[str]] = {name: set() for name in self.blocks}
        for name, block in self.blocks.items():
            for successor in block.successors:
                predecessors[successor].add(name)
        dominators = self._dominators(predecessors)
        bodies: dict[str, set[str]] = {}
        properties: dict[str, set[str]] = {}
        for name, block in self.blocks.items():
            for header in set(block.successors) & dominators[name]:
                properties.setdefault(header, set()).update(self._properties(block))
                body, waiting = bodies.setdefault(header, {header}), [name]
                while waiting:
                    block_name = waiting.pop()
                    if block_name not in body:
                        body.add(block_name)
                        waiting += predecessors[block_name]
        return [Loop(header, frozenset(body), frozenset(properties[header])) for header, body in bodies.items()]

    def _properties(self, latch: Block) -> list[str]:
        """Names in the metadata of the branch that closes a loop."""
        found = re.search(r"!llvm\.loop (!\d+)", latch.instructions[-1].text)
        parts = re.findall(r"!\d+", self.metadata[found[1]]) if found else []
        return [name for part in parts for name in re.findall(r'!"([\w.]+)"', self.metadata[part])]

    def _dominators(self, predecessors: dict[str, set[str]]) -> dict[str, set[str]]:
        first, *others = self.blocks
        found = {name: set(self.blocks) for name in self.blocks}
        found[first] = {first}
        changed = True
        while changed:
            changed = False
            for name in others:
                before = [found[each] for each in predecessors[name]]
                now = {name} | (set.intersection(*before) if before else set())
                changed |= now != found[name]
                found[name] = now
        return found

    def carried(self, loop: Loop) -> list[list[Instruction]]:
        """Groups of a loop's instructions each of which depends on itself through the turn before.

        A value that was left in a slot of memory is what was stored there.
        """
        inside = {each.result: each for each in self.within(loop.blocks) if each.result}
        stored: dict[str, list[str]] = {}
        for each in self.within(loop.blocks):
            if each.op == "store" and len(each.operands) > 1 and each.operands[-1] in self.slots:
                stored.setdefault(self.slots[each.operands[-1]], []).append(each.operands[0])
        for slot, values in stored.items():
            inside[slot] = Instruction(slot, "slot", " ".join(values))
        for name, each in inside.items():
            if each.op == "load" and each.operands and each.operands[-1] in self.slots:
                inside[name] = Instruction(name, "slot", self.slots[each.operands[-1]])
        return strongly_connected(inside)

    @cached_property
    def slots(self) -> dict[str, str]:
        """Pointers -> the `alloca` that they point to, of those that only constant places are read and written in.

        A selection between such places is one of their values: of several in a selection, one stands for all.
        """
        values = (each for each in self.instructions if each.op == "alloca" and not _ARRAY.search(each.text))
        pointers = {each.result: each.result for each in values}
        wrong: set[str] = set()
        chosen: set[str] = set()
        known = 0
        while known < len(pointers):
            known = len(pointers)
            for each in self.instructions:
                found = sorted({pointers[name] for name in each.operands if name in pointers})
                if not found or "@llvm.lifetime" in each.text:
                    continue
                if each.op in ("select", "phi"):
                    pointers = {name: found[0] if alloca in found else alloca for name, alloca in pointers.items()}
                    pointers[each.result] = found[0]
                    chosen.add(each.result)
                elif each.op in ("getelementptr", "bitcast") and each.operands[-1] in pointers:
                    pointers[each.result] = found[0]
                    # One place after another: a run-time index by other means.
                    if each.operands[-1] in chosen and re.search(r", i(32|64) -?[1-9]", each.text):
                        wrong.update(found)
                elif not (each.op in ("load", "store") and each.operands[-1] in pointers and len(found) == 1):
                    wrong.update(found)
        return {name: alloca for name, alloca in pointers.items() if alloca not in wrong}


def strongly_connected(instructions: dict[str, Instruction]) -> list[list[Instruction]]:
    """Groups of instructions that depend on each other in a circle (Tarjan, without recursion)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    groups = []
    for root in instructions:
        if root in number:
            continue
        work = [(root, iter(instructions[root].operands))]
        number[root] = lowest[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            name, operands = work[-1]
            for other in operands:
                if other not in instructions:
                    continue
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(instructions[other].operands)))
                    break
                if other in on_stack:
                    lowest[name] = min(lowest[name], number[other])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[name])
                if lowest[name] == number[name]:
                    group = stack[stack.index(name) :]
                    del stack[stack.index(name) :]
                    on_stack -= set(group)
                    if len(group) > 1 or name in instructions[name].operands:
                        groups.append([instructions[each] for each in group])
    return groups


def parse(text: str) -> dict[str, Function]:
    """Functions that are defined in LLVM's text, by name."""
    metadata = dict(re.findall(r"^(!\d+) = (.*)$", text, re.MULTILINE))
    return {name: Function(name, _blocks(body), metadata) for name, body in _FUNCTION.findall(text)}


def _blocks(body: str) -> dict[str, Block]:
    blocks: dict[str, Block] = {}
    # A switch lists its cases on lines of their own.
    body = re.sub(r"\[\n(.*?)\n\s*\]", lambda found: f"[{' '.join(found[1].split())}]", body, flags=re.DOTALL)
    for line in body.splitlines():
        label = _LABEL.match(line)
        if label:
            block = Block(f"%{label[1]}")
            blocks[block.name] = block
        elif line.strip() and not line.strip().startswith(";"):
            found = _RESULT.match(line.strip())
            result, text = (found[1], found[2]) if found else ("", line.strip())
            block.instructions.append(Instruction(result, text.split()[0], text))
    return blocks
