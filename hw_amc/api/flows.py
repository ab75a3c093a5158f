"""Opening the flows on a model, and their results as values."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hw_amc.api.frames import Frames, to_source
from hw_amc.api.results import Estimate, Proof
from hw_amc.errors import DataError
from hw_amc.flows import base
from hw_amc.graph import Graph
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.flows.hls import HlsFlow
    from hw_amc.flows.rtl import RtlFlow, RtlOptions
    from hw_amc.radio.files.memory import Source
    from hw_amc.rtl import RateEstimate

Item = TypeVar("Item")

_LOG = logging.getLogger("hw_amc")


class Logged:
    """An `hw_amc.flows.base.Output` that tells Python's logging, at level INFO."""

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Log what was done."""
        _LOG.info("%s%s%s", f"{step}: " if step else "", line, "" if seconds is None else f" ({seconds:.1f} s)")

    def status(self, text: str) -> AbstractContextManager[object]:
        """Log what is being done."""
        _LOG.info("%s", text)
        return nullcontext()

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass the items."""
        return items


def called(method: str) -> str:
    """Name a method as what ran, for the figures that it brings."""
    return f"{base.PROGRAM}: {method}()"


@dataclass(frozen=True)
class Wanted:
    """Frames that a proof was asked for."""

    frames: Frames | None = None
    count: int | None = None

    @property
    def source(self) -> Source | None:
        """What the flows take."""
        return None if self.frames is None else to_source(self.frames)

    def number(self, frame_len: int) -> int | None:
        """How many: as asked, or all of an array."""
        from hw_amc.radio import CaptureOptions, open_frames
        from hw_amc.radio.files.memory import Samples

        source = self.source
        if self.count is not None or not isinstance(source, Samples):
            return self.count
        with open_frames(source, CaptureOptions(frame_len)) as file:
            return len(file)


@dataclass(frozen=True)
class Flows:
    """A model's workspace, and the network that is to be there."""

    workspace: Workspace
    graph: Graph

    def require_same(self, graph: Graph) -> None:
        """Require that the workspace still holds the network; DataError otherwise."""
        if graph.digest() != self.graph.digest():
            folder = self.workspace.folder
            raise DataError(f"{folder} holds another network than when this model was made; load it again")

    def rtl(self, method: str, options: RtlOptions) -> RtlFlow:
        """Open the RTL flow."""
        from hw_amc.flows.rtl import RtlFlow

        flow = RtlFlow.open(self.workspace, options, called(method), Logged())
        self.require_same(flow.graph)
        return flow

    def hls(self, method: str, board: str | None, backend: str | None, wanted: Wanted = Wanted()) -> HlsFlow:
        """Open the HLS flow."""
        from hw_amc.flows.hls import FRAMES, HlsFlow, HlsOptions

        count = wanted.number(self.graph.frame_len)
        options = HlsOptions(board, backend, FRAMES if count is None else count, wanted.source)
        flow = HlsFlow.open(self.workspace, options, called(method), Logged())
        self.require_same(flow.graph)
        return flow

    def cosimulate(self, flow: RtlFlow, wanted: Wanted, fast: bool = True, waves: bool = False) -> dict[str, Any]:
        """Simulate the Verilog; return the figures by simulator."""
        from hw_amc.flows.rtl import cosimulate, require_simulators

        require_simulators(fast)
        count = wanted.number(self.graph.frame_len)
        return cosimulate(flow, flow.take(flow.least_frames if count is None else count), waves=waves, fast_only=fast)


def source_name(frames: Frames | None) -> str:
    """Say in words where frames come from."""
    source = None if frames is None else to_source(frames)
    return "generated frames" if source is None else source.name


def proofs_of(flow: HlsFlow, against: Sequence[str]) -> list[Proof]:
    """Give what the HLS flow has just proven."""
    from hw_amc import report

    sections = report.load(flow.workspace.build)
    runs = {"golden": sections["golden"]}
    if "csim" in against:
        runs["C simulation (ap_fixed)"] = sections["csim"]["ap_fixed"]
    return [Proof(f"Keras = {name}", run["frames"], run["integers"]) for name, run in runs.items()]


def hls_estimate(flow: HlsFlow) -> Estimate:
    """Give what the HLS flow has just estimated."""
    from hw_amc import report

    sections = report.load(flow.workspace.build)
    whole = dict(sections["estimate"]["hls"])
    rows, place = whole.pop("sweep", ()), (whole["board"], whole["part"], whole["clock_mhz"])
    return Estimate(flow.workspace.model, "hls", *place, whole, rows, sections["layers"])


def rtl_estimate(flow: RtlFlow, rates: Sequence[RateEstimate]) -> Estimate:
    """Give the estimate at each R."""
    rows = [
        {
            "R": rate.cycles_per_step, "K": rate.contexts, "cycles_per_frame": rate.cycles_per_frame,
            "frames_per_s": rate.frames_per_s, **asdict(rate.cost), "percent": rate.percent, "fits": rate.fits,
        }
        for rate in rates
    ]  # fmt: skip
    chosen = next(row for row in rows if row["R"] == flow.core.cycles_per_step)
    place = (flow.board.name, flow.board.part, flow.board.clock_mhz)
    return Estimate(flow.workspace.model, "rtl", *place, chosen, rows)
