"""The page of the commands, from the command line itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from hw_amc.cli.main import app
from hw_amc.errors import EXIT_CODES


def page() -> str:
    """Return the page in Markdown: every command with its arguments and options, then the exit codes."""
    root: Any = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "This page is made from the program: `hw-amc COMMAND --help` says the same. Most commands have a make target of",
        "the same name (`make help`), which sets up the environment first.",
        "",
        *_options(root, "hw-amc"),
        *_commands(root, "hw-amc"),
        "## Exit codes",
        "",
        *_table(("code", "meaning"), [(str(code), _cell(meaning)) for code, meaning in EXIT_CODES.items()]),
    ]
    return "\n".join(lines)


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        full = f"{path} {name}"
        yield from (f"## {full}", "", _prose(command.help or ""), "")
        if hasattr(command, "commands"):
            yield from _commands(command, full)
        else:
            yield from ("```text", _usage(command, full), "```", "")
            yield from _arguments(command)
            yield from _options(command, full)


def _usage(command: Any, path: str) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    return " ".join([path, "[OPTIONS]", *map(_placeholder, arguments)])


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name = f"{name}..." if argument.nargs != 1 else name
    return str(name if argument.required else f"[{name}]")


def _arguments(command: Any) -> Iterator[str]:
    rows = [
        (f"`{_placeholder(parameter)}`", _cell(parameter.help or ""))
        for parameter in command.params
        if parameter.param_type_name == "argument" and getattr(parameter, "help", None)
    ]
    if rows:
        yield from _table(("argument", ""), rows)


def _options(command: Any, path: str) -> Iterator[str]:
    rows = []
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            rows.append((f"{names} {_values(parameter)}".strip(), _cell(parameter.help or "") + _default(parameter)))
    if rows:
        yield from _table(("option", ""), rows)


#: What stands for a value of a type.
_PLACEHOLDERS = {int: "INTEGER", float: "NUMBER", Path: "PATH", str: "TEXT"}


def _values(option: Any) -> str:
    """What an option takes: its choices, or a word for it."""
    if option.is_flag:
        return ""
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " \\| ".join(str(member.value) for member in kind)
    return str(option.metavar or _PLACEHOLDERS.get(kind, "TEXT"))


def _default(option: Any) -> str:
    value = option.default
    if value is None or callable(value) or value in (False, "", ()) or option.is_flag:
        return ""
    return f" Default: {_cell(str(getattr(value, 'value', value)))}."


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [heads, ("---",) * len(heads), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def _prose(text: str) -> str:
    """Return a help text without Click's marks, each paragraph a line."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", "").split("\f")[0].strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
