"""The command doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hw_amc.cli.output import printer


def doctor(
    overlay: Annotated[
        Path | None, typer.Argument(help="Bitstream, or its folder: does it fit the device here?")
    ] = None,
    board: Annotated[str | None, typer.Option(help="Board whose files are looked for; all of them by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, and to attach to a question.")] = False,
) -> None:
    """Say what this computer or board has and lacks for which command; nothing is changed."""
    from hw_amc.driver.doctor import to_json, to_text
    from hw_amc.flows.doctor import examine_computer

    findings = examine_computer(overlay, board)
    printer.block(to_json(findings) if as_json else to_text(findings))
