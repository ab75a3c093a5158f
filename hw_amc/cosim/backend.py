"""The accelerator's Verilog as a back end: the fast runner behind the protocol that golden and Keras follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.cosim.verilated import FastSim
from hw_amc.graph import Graph
from hw_amc.interface.words import Results, unpack_results
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.verify.backend import outputs_only
from hw_amc.verify.results import split_heads


@dataclass(frozen=True)
class Stream:
    """What came of frames that were sent back to back to an accelerator just reset."""

    results: Results
    #: (n,) clock cycle in which each result's last word was handed over.
    ends: NDArray[np.uint64]
    #: Clock cycle in which the first sample was accepted, and the first one without reset.
    began: int
    released: int
    #: Clock cycles in all.
    cycles: int


@dataclass(frozen=True)
class SimulatedRtl:
    """An accelerator under Verilator, in this process; compiled at the first run, or taken from the cache.

    Attributes
    ----------
    graph : Graph
        What it computes.
    accelerator : Accelerator
    cache : Path, optional
        Where compiled models are kept; the user's cache folder by default.
    """

    graph: Graph
    accelerator: Accelerator
    cache: Path | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "verilator"

    def run(self, frames: NDArray[Any], keep: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Execute on wire words; see `hw_amc.verify.backend.Backend.run`. Shows the outputs only."""
        names = outputs_only(self.graph, keep, self.name)
        tensors = split_heads(self.graph, self.stream(frames).results.logits)
        return {name: tensors[name] for name in names}

    def stream(self, frames: NDArray[Any]) -> Stream:
        """Send frames back to back, TLAST with the last sample, and take their results.

        Raises
        ------
        DataError
            The frames do not fill the channels, or are no wire words of the right shape.
        ToolMissing, ToolFailed
            Verilator or the compiler is missing or fails, or the accelerator stopped answering.
        """
        manifest = self.accelerator.manifest
        with FastSim(self.accelerator.sources, manifest.name, self.cache) as sim:
            released, capture = sim.cycle, sim.stream(frames)
            began = sim.first_accept_cycle
            assert began is not None  # results came, so samples went in
            ends = capture.cycles[manifest.result_words - 1 :: manifest.result_words]
            return Stream(unpack_results(capture.words, manifest.classes), ends, began, released, sim.cycle)
