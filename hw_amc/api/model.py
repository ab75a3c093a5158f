"""A model in Python: each command as a method that returns its results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from hw_amc.api import html
from hw_amc.api.answers import Answers
from hw_amc.api.flows import Flows, Wanted, hls_estimate, proofs_of, rtl_estimate, source_name
from hw_amc.api.frames import Frames, to_source
from hw_amc.api.results import Estimate, HlsProject, OverlayProject, Proof, Report, RtlProject, Simulation, Verification
from hw_amc.api.words import in_python, python_words
from hw_amc.errors import ConfigError
from hw_amc.flows.rtl import RtlOptions
from hw_amc.graph import Graph
from hw_amc.models import Classes
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.flows.init_state import Outcome

#: What is compared with Keras, or with golden.
Against = Literal["golden", "csim", "rtl"]


class Model:
    """A network that golden, HLS and RTL compute with the same integers; `load` and `convert` return it.

    Where a method takes `frames`, these are the path of a file of any format of `hw-amc data info`, or an array:
    frames, complex (n, T) or real (n, T, 2) or (n, 2, T), or a recording, complex (n,) or real (n, 2). Integers are
    scaled so that their full range is -1 to 1. `board` is the name of a folder under boards/, project.toml's by
    default.

    Results are kept in the model's build folder, as the commands keep them. What is done is told to
    `logging.getLogger("hw_amc")`.
    """

    def __init__(self, workspace: Workspace, outcome: Outcome | None = None) -> None:
        self._workspace = workspace
        self._outcome = outcome
        self._flows = Flows(workspace, workspace.load_graph())

    @property
    def name(self) -> str:
        """The model's name."""
        return self._workspace.model

    @property
    def folder(self) -> Path:
        """Where weights, graph, project.toml and card lie."""
        return self._workspace.folder

    @property
    def graph(self) -> Graph:
        """The network in integers."""
        return self._flows.graph

    @property
    def classes(self) -> Classes:
        """Class names of every head, in the order of the logits."""
        return self.graph.classes

    @property
    def frame_len(self) -> int:
        """Samples of a frame, T."""
        return self.graph.frame_len

    def classify(
        self,
        frames: Frames,
        *,
        board: str | None = None,
        overlay: str | Path | None = None,
        cycles_per_step: int | None = None,
        gain: float = 1.0,
        input_shift: int | None = None,
        normalise: Literal["none", "rms"] | None = None,
        automatic_gain: bool = False,
        samples: Literal["int8", "uint8", "int16", "float32"] | None = None,
        every: int = 1,
    ) -> Answers:
        """Say what is in frames or in a recording: the command `hw-amc classify`.

        Parameters
        ----------
        frames : array, str or Path
        board : str, optional
            Through the driver to this board's simulated Verilog; `"sim"` is project.toml's board. Compiling takes half
            a minute for a small network, once.
        overlay : str or Path, optional
            Through the driver to this overlay, on the board that is here or driven from here.
        cycles_per_step : int, optional
            Clock cycles a sample of the simulated accelerator.
        gain : float
            Factor of the samples.
        input_shift : int, optional
            Shift of the accelerator's input.
        normalise : {"none", "rms"}, optional
            `"rms"` brings each frame to unit power.
        automatic_gain : bool
            Each frame is shifted by the gain that the frame before asked for, as the accelerator does it where it is
            built with `[rtl] automatic_gain = true`.
        samples : optional
            Type of a raw file whose ending does not tell.
        every : int
            Of a long recording, each so many frames.

        Warns
        -----
        UserWarning
            The frames are of another level than those of training, with the mend.
        """
        from hw_amc.flows.classify import classify, make_entry, measure_level, open_classifier, open_recording
        from hw_amc.radio.answers import Timeline

        if overlay is not None and (board, cycles_per_step) != (None, None):
            raise ConfigError(
                "the overlay has its board and cycles per step already; leave board and cycles_per_step out"
            )
        with python_words():
            flow = self._flows.rtl("classify", RtlOptions(board, cycles_per_step))
            entry = make_entry(flow, normalise, input_shift, gain, automatic_gain)
            path = None if overlay is None else Path(overlay)
            with (
                open_recording(flow, to_source(frames), samples) as file,
                open_classifier(flow, entry, path, board is not None) as classifier,
            ):
                level = measure_level(flow, file, entry)
                problems = tuple(map(in_python, level.problems()))
                for problem in problems:
                    warnings.warn(f"{file.path.name}: {problem}", stacklevel=2)
                parts = classify(flow, classifier, file, entry, np.arange(0, len(file), every))
                timeline = Timeline.join(file, list(parts), every)
        told = (self.name, str(file.path), classifier.name, self.classes, level.summary(), problems)
        return Answers(*told, timeline, file, flow.graph.digest())

    def verify(
        self,
        frames: Frames | None = None,
        *,
        against: Sequence[Against] = ("golden", "csim"),
        count: int | None = None,
        board: str | None = None,
        backend: str | None = None,
    ) -> Verification:
        """Prove that every integer of every layer is Keras': the steps graph to csim of the command `hw-amc hls`.

        Parameters
        ----------
        frames : array, str or Path, optional
            Held-out frames are generated by default.
        against : sequence of {"golden", "csim", "rtl"}
            Keras = golden; Keras = C simulation of the HLS project; golden = the simulated Verilog.
        count : int, optional
            Frames of the proof: all of an array, 64 otherwise.
        board, backend : str, optional
            Of the HLS project.

        Raises
        ------
        Mismatch
            The first integer that differs.
        UnsupportedLayer
            The HLS flow has no kernel for a layer; leave "csim" out.
        """
        unknown = set(against) - {"golden", "csim", "rtl"}
        if unknown or not against:
            raise ConfigError(f'against takes "golden", "csim" and "rtl", not {sorted(unknown) or "nothing"}')
        from hw_amc.flows import hls

        proofs: list[Proof] = []
        with python_words():
            wanted = Wanted(frames, count)
            if {"golden", "csim"} & set(against):
                flow = self._flows.hls("verify", board, backend, wanted)
                hls.run(flow, stop="csim" if "csim" in against else "golden")
                proofs += proofs_of(flow, against)
            if "rtl" in against:
                rtl = self._flows.rtl("verify", RtlOptions(board, data=wanted.source))
                run = self._flows.cosimulate(rtl, wanted)["verilator"]
                proofs.append(Proof("golden = RTL (Verilator)", run["frames"], None))
        return Verification(self.name, source_name(frames), tuple(proofs))

    def hls(
        self,
        frames: Frames | None = None,
        *,
        count: int | None = None,
        board: str | None = None,
        backend: str | None = None,
    ) -> HlsProject:
        """Make the HLS project and prove it: the command `hw-amc hls`, all of its steps.

        Parameters
        ----------
        frames, count, board
            As for `verify`.
        backend : str, optional
            HLS tool, such as "Vitis" or "Vivado".
        """
        from hw_amc import report
        from hw_amc.flows import hls

        with python_words():
            flow = self._flows.hls("hls", board, backend, Wanted(frames, count))
            hls.run(flow)
            sections = report.load(flow.workspace.build)
            verification = Verification(self.name, source_name(frames), tuple(proofs_of(flow, ("csim",))))
            left_out = sections.get("not_run", {}).get("hls", {}).get("reason", "")
            return HlsProject(flow.project_folder, verification, hls_estimate(flow), left_out, self.report())

    def rtl(
        self, *, board: str | None = None, cycles_per_step: int | None = None, lanes: int | None = None
    ) -> RtlProject:
        """Write the accelerator's Verilog and manifest, and estimate it: the command `hw-amc rtl`.

        Parameters
        ----------
        board : str, optional
        cycles_per_step : int, optional
            Clock cycles a sample, R; project.toml's by default.
        lanes : int, optional
            Accelerators side by side.

        Warns
        -----
        UserWarning
            The board's part is too small, with what would fit.
        """
        from hw_amc.flows.rtl import write_verilog
        from hw_amc.rtl import require_fit

        with python_words():
            flow = self._flows.rtl("rtl", RtlOptions(board, cycles_per_step, lanes))
            rates = flow.estimate()
            folder = write_verilog(flow, rates)
        try:
            require_fit(rates, flow.core.cycles_per_step, flow.board)
        except ConfigError as error:
            warnings.warn(in_python(error), stacklevel=2)
        return RtlProject(folder, tuple(sorted(flow.written.files)), rtl_estimate(flow, rates))

    def simulate(
        self,
        frames: Frames | None = None,
        *,
        count: int | None = None,
        board: str | None = None,
        cycles_per_step: int | None = None,
        fast: bool = True,
        waves: bool = False,
    ) -> Simulation:
        """Simulate the Verilog and require golden's logits of every frame: the command `hw-amc cosim`.

        Parameters
        ----------
        frames, count, board
            As for `verify`; by default as many generated frames as show the rhythm of the results.
        cycles_per_step : int, optional
        fast : bool
            Verilator only; otherwise also Icarus, and both under cocotb with pauses and back-pressure: minutes.
        waves : bool
            Keep waveforms of the cocotb runs.

        Raises
        ------
        Mismatch
            A logit or a number of cycles is not what it must be.
        """
        with python_words():
            wanted = Wanted(frames, count)
            flow = self._flows.rtl("simulate", RtlOptions(board, cycles_per_step, data=wanted.source))
            runs = self._flows.cosimulate(flow, wanted, fast, waves)
        return Simulation(self.name, flow.board.name, source_name(frames), flow.board.clock_mhz, runs)

    def estimate(
        self, flow: Literal["hls", "rtl"] = "hls", *, board: str | None = None, backend: str | None = None
    ) -> Estimate:
        """Estimate cycles and resources without any tool.

        Parameters
        ----------
        flow : {"hls", "rtl"}
            The HLS project at each reuse factor, as the command `hw-amc estimate`; or the Verilog at each number of
            cycles a sample, as `hw-amc rtl` (its adders are designed first: minutes for a large network, once).
        board, backend : str, optional
        """
        from hw_amc.flows import hls

        if flow not in ("hls", "rtl"):
            raise ConfigError(f'estimate takes "hls" or "rtl", not {flow!r}')
        with python_words():
            if flow == "rtl":
                rtl = self._flows.rtl("estimate", RtlOptions(board))
                return rtl_estimate(rtl, rtl.estimate())
            opened = self._flows.hls("estimate", board, backend)
            hls.merge_estimate(opened)
            return hls_estimate(opened)

    def overlay(
        self, *, board: str | None = None, cycles_per_step: int | None = None, board_files: str | Path | None = None
    ) -> OverlayProject:
        """Write the overlay's project for Vivado, and build it where Vivado is there: the command `hw-amc overlay`.

        Parameters
        ----------
        board : str, optional
        cycles_per_step : int, optional
        board_files : str or Path, optional
            Folder of board files that Vivado's store lacks.
        """
        from hw_amc import tools
        from hw_amc.flows.board import implement, write_overlay

        with python_words():
            flow = self._flows.rtl("overlay", RtlOptions(board, cycles_per_step))
            folder = write_overlay(flow)
            files = None if board_files is None else Path(board_files)
            return OverlayProject(folder, implement(flow, folder, files) if tools.find("vivado") else None)

    def report(self) -> Report:
        """Write report.md and report.html of all that was found so far: the command `hw-amc report`."""
        from hw_amc import report

        build = self._workspace.build
        with python_words():
            self._flows.require_same(self._workspace.load_graph())
            markdown, page = report.write_pages(build, self.name)
            return Report(self.name, page, markdown, report.load(build))

    def __repr__(self) -> str:
        heads = " + ".join(str(len(names)) for names in self.classes)
        return f"<hw_amc model {self.name}: {heads} classes, frames of {self.frame_len} samples, in {self.folder}>"

    def _repr_html_(self) -> str:
        from hw_amc.report import load_accuracy

        nodes, kernels = self.graph.nodes, [a for node in self.graph.nodes for a in node.kernels().values()]
        weights, used = sum(array.size for array in kernels), sum(int((array != 0).sum()) for array in kernels)
        facts = f"Frames of {self.frame_len} I/Q samples; {weights:,} weights, {used:,} of them not zero."
        parts = [html.paragraph(facts), *(html.paragraph(", ".join(names)) for names in self.classes)]
        accuracy = (load_accuracy(self.folder)[0] or {}).get("average")
        if self._outcome is not None:
            from hw_amc.flows.init_state import describe

            parts.append(
                html.paragraph(f"On frames that nothing was calibrated on: {describe(self._outcome.judgement)}.")
            )
        elif accuracy is not None:
            parts.append(html.paragraph(f"Accuracy over all SNRs: {accuracy:.1%} (measured)."))
        layers = self._outcome.layers if self._outcome else ()
        noise = {each.name: each.sqnr_db for each in layers if each.sqnr_db is not None}
        rows = [(n.name, n.op, " x ".join(map(str, n.shape)), n.fmt, *_sqnr(noise, n.name)) for n in nodes[1:]]
        heads = ("layer", "operation", "shape", "format", *(("SQNR, dB (measured)",) if noise else ()))
        return html.block(self.name, *parts, html.table(heads, rows), html.paragraph(str(self.folder)))


def _sqnr(noise: dict[str, float], name: str) -> tuple[str, ...]:
    from hw_amc.flows.init_card import shown_sqnr

    return (shown_sqnr(noise.get(name)),) if noise else ()
