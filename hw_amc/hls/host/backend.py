"""A back end of hls4ml for one tool: its flow reads the whole network and writes one of our projects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hls4ml.backends.fpga.fpga_backend import FPGABackend
from hls4ml.model.flow import register_flow
from hls4ml.model.optimizer import ModelOptimizerPass

from hw_amc import tools
from hw_amc.errors import ConfigError, ToolFailed
from hw_amc.hls.backends import HlsTool
from hw_amc.hls.host import adopt, layers

#: Part where a script names none: that of the default board.
DEFAULT_PART = "xc7z020clg400-1"


class _Adopt(ModelOptimizerPass):  # type: ignore[misc]
    """Read the network ourselves, and put our layers into hls4ml's graph."""

    def __init__(self) -> None:
        self.name = "adopt"

    def transform(self, model: Any) -> bool:
        adopt.adopt(model)
        return False


class Backend(FPGABackend):  # type: ignore[misc]
    """hls4ml's interface to one of our tools."""

    def __init__(self, tool: HlsTool) -> None:
        self.tool = tool
        super().__init__(tool.host_name)
        self.register_pass("adopt", _Adopt)
        for template in (layers.Config, layers.Call):
            self.register_template(template)
        read = register_flow("read", [f"{self.name.lower()}:adopt"], backend=self.name)
        text = register_flow("text", self._get_layer_templates, requires=[read], backend=self.name)
        self._default_flow = register_flow("ip", None, requires=[read, text], backend=self.name)
        self._writer_flow = register_flow(
            "write", ["make_stamp", f"{self.name.lower()}:write_hls"], requires=[self._default_flow], backend=self.name
        )

    def _init_file_optimizers(self) -> dict[str, Any]:
        """Return none: hls4ml's passes are for its own layers."""
        return {}

    def get_default_flow(self) -> str:
        """Name of the flow that makes the C++."""
        return str(self._default_flow)

    def get_writer_flow(self) -> str:
        """Name of the flow that writes the project."""
        return str(self._writer_flow)

    def create_initial_config(
        self,
        part: str | None = None,
        clock_period: float | None = None,
        clock_uncertainty: str | None = None,
        io_type: str = "io_stream",
        wire_frac: int = 14,
        hw_amc: Any = None,
        write_tar: bool = False,
        **others: Any,
    ) -> dict[str, Any]:
        """Return the part of hls4ml's configuration that is this back end's.

        Parameters
        ----------
        part : str, optional
            Device.
        clock_period : float, optional
            ns; 8 by default.
        clock_uncertainty : str, optional
            Must be the tool's own.
        io_type : str
            Layers are processes with streams between them: io_stream.
        wire_frac : int
            Fraction bits of the 16-bit words from which the accelerator's shell takes samples.
        hw_amc : adopt.Given, optional
            Graph and target of a caller that has them.
        write_tar : bool
            Write an archive of the project beside it.

        Raises
        ------
        ConfigError
            Something that our projects cannot be.
        """
        if io_type != "io_stream":
            raise ConfigError(f"back end {self.name} writes io_stream projects, not {io_type}")
        own = f"{self.tool.clock_uncertainty:.1%}".replace(".0%", "%")
        if clock_uncertainty not in (None, own):
            raise ConfigError(f"clock_uncertainty is {own} with {self.tool.title}, not {clock_uncertainty}")
        return {
            "Part": part or DEFAULT_PART,
            "ClockPeriod": clock_period or 8,
            "ClockUncertainty": own,
            "IOType": io_type,
            "WireFrac": wire_frac,
            "HwAmc": hw_amc,
            "HLSConfig": {},
            "WriterConfig": {"WriteTar": write_tar},
        }

    def compile(self, model: Any) -> str:
        """Compile the written project and return the shared object."""
        folder = Path(model.config.get_output_dir())
        try:
            tools.run(["sh", "build_lib.sh"], cwd=folder)
        except ToolFailed as error:
            raise ToolFailed(f"{model.config.get_project_name()} does not compile: {error}") from error
        return f"{folder}/firmware/{model.config.get_project_name()}-{model.config.get_config_value('Stamp')}.so"

    def build(
        self,
        model: Any,
        reset: bool = False,
        csim: bool = True,
        synth: bool = True,
        cosim: bool = False,
        validation: bool = False,
        export: bool = False,
        vsynth: bool = False,
        fifo_opt: bool = False,
        **others: Any,
    ) -> Any:
        """Run the tool on the written project and return what hls4ml reads from its reports.

        Raises
        ------
        ToolMissing
            The tool is not on PATH.
        ToolFailed
            A step failed.
        """
        from hls4ml.report import parse_vivado_report

        from hw_amc.hls import vendor

        for name, asked in (("validation", validation), ("vsynth", vsynth), ("fifo_opt", fifo_opt)):
            if asked:
                raise ConfigError(f"back end {self.name} has no step {name}; cosim compares every logit, export counts")
        wanted = {"csim": csim, "csynth": synth, "cosim": cosim, "export": export}
        steps = [step for step, asked in wanted.items() if asked]
        for step in steps:
            if step not in self.tool.steps:
                raise ConfigError(f"{self.tool.title} has no step {step}; its steps: {', '.join(self.tool.steps)}")
        folder = Path(model.config.get_output_dir())
        vendor.require_tool(self.tool)
        outcome = vendor.run(folder, self.tool.name, steps)
        if outcome is not None and not self.tool.template:
            return outcome.figures  # hls4ml reads AMD's reports only
        return parse_vivado_report(os.fspath(folder))
