"""What toggles in an accelerator on real frames: every register bit of every block, counted by Verilator.

The model is built with its registers traced (not wires, not memories), and runs until it is full; from then on each bit
that changes at a clock edge is counted, as in the SAIF file that power tools read. No delays are simulated: wires that
change more than once a cycle (glitches) are not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_amc.cosim.verilated import FastSim
from hw_amc.errors import ConfigError, DataError, ToolFailed
from hw_amc.graph import Graph
from hw_amc.interface.words import pack_frames, unpack_results
from hw_amc.rtl.core import block_of
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sources import Sources
from hw_amc.verify.results import require_results

#: What is in no block of the core.
SHELL = "shell"
#: File that `measure` leaves.
SAIF = "activity.saif"
#: Of a clock cycle in the SAIF file, in its units (1 ps).
_PS_PER_US = 1_000_000

#: A line of Verilog that declares wires, ports or variables of a simulator, and no register.
_NO_REGISTER = re.compile(r"^(?!.*\breg\b)(.*\b(?:wire|input|output|integer)\b.*)$", re.M)
_NET = re.compile(r"^\s*\((\S+?)(?:\\\[(\d+)\\\])? \(T0 \d+\).*\(TC (\d+)\)\)$")
_INSTANCE = re.compile(r"^\s*\(INSTANCE (\S+)$")


@dataclass(frozen=True)
class Activity:
    """What toggled in a block."""

    #: Bits of registers in the simulated text, those of shift registers included.
    registers: int
    toggles: int
    cycles: int

    @property
    def rate(self) -> float:
        """Toggles of a bit in a cycle, on average: 0 to 1."""
        return self.toggles / (self.registers * self.cycles) if self.registers and self.cycles else 0.0

    def __add__(self, other: Activity) -> Activity:
        return Activity(self.registers + other.registers, self.toggles + other.toggles, self.cycles)


@dataclass(frozen=True)
class Registers:
    """A traced signal: where it is, and the toggles of its bits."""

    #: Instances from the top module down.
    path: tuple[str, ...]
    name: str
    toggles: tuple[int, ...]


def traced(sources: Sources) -> Sources:
    """Return the same Verilog with Verilator's word that wires and ports are not traced."""
    aside = r"/*verilator tracing_off*/ \1" "\n/*verilator tracing_on*/"  # the line may end in a comment
    return Sources(
        {name: _NO_REGISTER.sub(aside, text) if name.endswith(".v") else text for name, text in sources.files.items()}
    )


def measure(
    graph: Graph,
    accelerator: Accelerator,
    blocks: Iterable[str],
    frames: NDArray[np.int16],
    expected: NDArray[np.int32],
    folder: Path,
    cache: Path | None = None,
) -> dict[str, Activity]:
    """Count the toggles of frames that come back to back, while all contexts are busy.

    Counted is from the first result on, for as many results as frames remain when one of each context (or channel) is
    left out at either end. The logits that come in this time are compared.

    Parameters
    ----------
    graph : Graph
    accelerator : Accelerator
        Of one lane.
    blocks : iterable of str
        Names of the core's blocks.
    frames : int16 array (n, T, 2)
        Wire words: at least `least_frames`.
    expected : int32 array (n, classes)
        Golden logits.
    folder : Path
        Where the toggles of each bit are left, in `SAIF`.
    cache : Path, optional
        Where compiled models are kept.

    Returns
    -------
    dict
        By block, in the order given, and what is in none of them as `SHELL`.

    Raises
    ------
    ConfigError
        Too few frames.
    Mismatch
        A logit differs.
    ToolMissing, ToolFailed
        As `build_library`, or the accelerator stopped answering.
    """
    manifest = accelerator.manifest
    if len(frames) < least_frames(accelerator):
        raise ConfigError(f"{len(frames)} frames do not fill the accelerator; give {least_frames(accelerator)} or more")
    results = len(frames) - manifest.round_results + 1
    folder.mkdir(parents=True, exist_ok=True)
    before, during = folder / "before.saif", folder / SAIF
    with FastSim(traced(accelerator.sources), manifest.name, cache, traced=True) as sim:
        sim.push(pack_frames(frames, manifest.n_channels), last=True)
        limit = 4 * len(frames) * (manifest.cycles_per_frame or 1000 * manifest.frame_len) + 100_000
        sim.advance(limit, manifest.result_words)
        sim.advance_traced(before, 0, _PS_PER_US, 0)
        cycles = sim.advance_traced(during, results * manifest.result_words, _PS_PER_US, limit)
        if sim.received < results * manifest.result_words:
            raise ToolFailed(f"the accelerator stopped: {sim.describe()}")
        words = sim.pop(results * manifest.result_words).words
    found = list(_difference(load_saif(before), load_saif(during)))
    before.unlink()
    require_results(graph, expected[:results], unpack_results(words, manifest.classes), "verilator, traced", 0)
    return _by_block(found, ("TOP", manifest.name, "core"), list(blocks), cycles)


def least_frames(accelerator: Accelerator) -> int:
    """Frames that `measure` needs: two rounds of contexts, or of channels."""
    return 2 * accelerator.manifest.round_results


def load_saif(path: Path) -> list[Registers]:
    """Read the toggle counts of a SAIF file that Verilator wrote, signal by signal.

    Raises
    ------
    DataError
        The file is not whole.
    """
    found: dict[tuple[tuple[str, ...], str], list[int]] = {}
    scopes: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if (instance := _INSTANCE.match(line)) is not None:
            scopes.append(instance[1])
        elif (net := _NET.match(line)) is not None:
            found.setdefault((tuple(filter(None, scopes)), net[1]), []).append(int(net[3]))
        elif line.strip() == "(NET":
            scopes.append("")
        elif line.strip() == ")" and scopes:
            scopes.pop()
    if scopes or not found:
        raise DataError(f"{path} is no whole SAIF file")
    return [Registers(place, name, tuple(bits)) for (place, name), bits in found.items()]


def _difference(before: list[Registers], during: list[Registers]) -> Iterator[Registers]:
    """Toggles of `during` without those from 0 to each bit's first value, which are all that `before` has."""
    for first, then in zip(before, during, strict=True):
        assert (first.path, first.name) == (then.path, then.name)
        bits = tuple(all_ - one for one, all_ in zip(first.toggles, then.toggles, strict=True))
        yield Registers(then.path, then.name, bits)


def _by_block(
    registers: Iterable[Registers], core: tuple[str, ...], blocks: list[str], cycles: int
) -> dict[str, Activity]:
    sums = {name: Activity(0, 0, cycles) for name in (*blocks, SHELL)}
    for signal in registers:
        inside = signal.path[: len(core)] == core
        instance = (*signal.path, signal.name)[len(core)] if inside else ""
        owner = block_of(instance, blocks) if inside else SHELL
        if owner is None:
            raise DataError(f"register {'.'.join((*signal.path, signal.name))} belongs to no block of the core")
        sums[owner] += Activity(len(signal.toggles), sum(signal.toggles), cycles)
    return sums


def total(activities: Mapping[str, Activity]) -> Activity:
    """All blocks together."""
    every = list(activities.values())
    return sum(every[1:], every[0])
