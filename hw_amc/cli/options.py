"""Options that several commands share, and what commands know of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hw_amc.cli.common import complete_board, complete_model
from hw_amc.errors import ConfigError

#: A command's first argument: `command_of` reads it.
Context = typer.Context

Model = Annotated[
    str,
    typer.Argument(help="Model name; `hw-amc models` lists them.", metavar="MODEL", autocompletion=complete_model),
]
Board = Annotated[
    str | None,
    typer.Option(help="Board folder under boards/; project.toml's by default.", autocompletion=complete_board),
]
#: Says yes before anything is asked.
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Replace what is there without asking.")]
Cycles = Annotated[
    int | None, typer.Option("-R", "--cycles-per-step", help="Clock cycles a sample; project.toml's by default.", min=1)
]
Lanes = Annotated[int | None, typer.Option(help="Accelerators side by side; project.toml's by default.", min=1, max=16)]
Data = Annotated[
    Path | None, typer.Option(help="File of labelled frames, of any format of `data info`; generated ones by default.")
]
Exported = Annotated[Path | None, typer.Option("--hls", help="Verilog that an HLS tool exported, as the core.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


Backend = Annotated[
    str | None, typer.Option(help="HLS tool, such as Vitis or Vivado; project.toml's by default.", metavar="TOOL")
]


def command_of(context: typer.Context) -> str:
    """Return the command that runs, as a user would type it."""
    return str(context.find_root().obj)


def show_help(context: typer.Context) -> None:
    """Print the help of a group of commands that was called without one."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit(2)


def integers(text: str, option: str) -> list[int]:
    """Read whole numbers with commas between them; ConfigError names the option."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option} takes whole numbers with commas between them, not {text!r}") from None
