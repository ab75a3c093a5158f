"""What all commands have: -q, -v, --json where there are results; and names that the shell completes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from hw_amc.cli.output import printer

#: Settings of every command and group.
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

_OPTIONS: dict[str, Any] = {
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Print results and problems only.")],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", help="Name each program that is run, and its time.")],
    "as_json": Annotated[bool, typer.Option("--json", help="Results as one JSON object; steps go to standard error.")],
}


def with_common(function: Callable[..., None], results: bool = True) -> Callable[..., None]:
    """Return a command with the common options; `--json` only where its `results` go to `printer.result`."""
    names = [name for name in _OPTIONS if results or name != "as_json"]

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        printer.configure(**{name: options.pop(name) for name in names})
        function(*arguments, **options)
        printer.finish()

    signature = inspect.signature(function, eval_str=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, kind, default=False, annotation=_OPTIONS[name]) for name in names]
    parameters = [*signature.parameters.values(), *more]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def complete_model(incomplete: str) -> list[str]:
    """Names of models that begin so, for the shell."""
    from hw_amc.models import MODELS
    from hw_amc.workspace import find_root

    own = [path.parent.name for path in find_root().glob("hls_projects/*/project.toml")]
    return sorted(name for name in {*own, *MODELS} if name.startswith(incomplete))


def complete_board(incomplete: str) -> list[str]:
    """Names of boards that begin so, for the shell."""
    from hw_amc.workspace import SHIPPED, find_root

    folders = [SHIPPED / "boards", find_root() / "boards"]
    known = {path.parent.name for folder in folders for path in folder.glob("*/board.toml")}
    return sorted(name for name in {*known, "sim"} if name.startswith(incomplete))
