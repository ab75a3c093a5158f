"""report.json on disk: merged under a lock, written atomically, checked against the schema."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.files import load_json, locked, write_text
from hw_amc.report.schema import SCHEMA, check_report, check_section, figures, keys_of, to_plain

FILE = "report.json"
LOCK_S = 60.0


def load(folder: Path) -> dict[str, Any]:
    """Read `folder`/report.json and check it; an empty report where there is none yet.

    Raises
    ------
    DataError
        The file is damaged, of another schema, or holds what the schema does not know.
    """
    path = folder / FILE
    return load_file(path) if path.exists() else {"schema": SCHEMA}


def load_file(path: Path) -> dict[str, Any]:
    """Read a file of the form of report.json, and check it; errors are those of `load`."""
    report = load_json(path)
    if report.get("schema") != SCHEMA:
        raise DataError(f"{path} has schema {report.get('schema')!r}, expected {SCHEMA}; remove it and run again")
    try:
        check_report(report)
    except ConfigError as error:
        raise DataError(f"{path}: {error}; remove it and run again") from None
    return report


def merge(build_folder: Path, *sections: dict[str, Any], network: str | None = None) -> dict[str, Any]:
    """Merge sections into `build_folder`/report.json, one after another but all or none; return the whole report.

    Sections merge key by key down to the innermost objects. Such an object is one run and replaces the former one
    whole, so that no figure of an older run stands under a newer command; `model` alone, to which the counts and
    the accuracy come from different commands, merges by figure. A run removes what `not_run` said of it.

    Parameters
    ----------
    build_folder : Path
        Made where it is missing. Concurrent writers wait for each other.
    sections : dict
        Nested from the top: ``{"csim": {"native": {"frames": 1000, ..., "command": ..., "kind": "measured"}}}``.
        Numpy numbers are taken as Python's.
    network : str, optional
        Digest of the graph that the figures belong to; what the report says of another network is dropped.

    Raises
    ------
    ConfigError
        A key, value or kind is not in the schema; the message names it and nothing is written.
    DataError
        The present file is damaged.
    HwAmcError
        Another process held the lock for a minute, or the file cannot be written.
    """
    plain: list[dict[str, Any]] = [to_plain(section) for section in sections]
    for section in plain:
        section.pop("schema", None)
        check_section(section)
    with _alone(build_folder):
        report = load(build_folder)
        if network is not None:
            report = report if report.get("graph_sha256") == network else {"schema": SCHEMA}
            report["graph_sha256"] = network
        for section in plain:
            done: list[str] = []
            for name, value in section.items():
                report[name] = _merged((name,), report.get(name), value, done)
            _forget_not_run(report, done)
        write_text(build_folder / FILE, json.dumps(report, indent=1, allow_nan=False) + "\n")
    return report


@contextmanager
def _alone(build_folder: Path) -> Iterator[None]:
    """Hold the report's lock; other writers are done in an instant."""
    until = time.monotonic() + LOCK_S
    with ExitStack() as stack:
        try:
            build_folder.mkdir(parents=True, exist_ok=True)
            while not stack.enter_context(locked(build_folder / f".{FILE}.lock", wait=False)):
                if time.monotonic() > until:
                    raise HwAmcError(f"{build_folder / FILE} is locked by another process; run again when it is done")
                time.sleep(0.05)
        except OSError as error:
            raise HwAmcError(f"cannot write {build_folder / FILE}: {error.strerror or error}") from error
        yield


def _merged(path: tuple[str, ...], old: Any, new: Any, done: list[str]) -> Any:
    if path == ("model",):
        done.append("model")
        return _merged_model(old or {}, new)
    if path == ("layers",) or keys_of(path) is not None:
        done.append(".".join(path))
        return new
    merged = dict(old or {})
    for name, value in new.items():
        merged[name] = _merged((*path, name), merged.get(name), value, done)
    return merged


def _merged_model(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    kinds = {**_kind_by_figure(old), **_kind_by_figure(new)}
    words = set(kinds.values())
    merged = {**old, **new, "kind": words.pop() if len(words) == 1 else kinds}
    if not kinds:
        del merged["kind"]
    return merged


def _kind_by_figure(item: dict[str, Any]) -> dict[str, str]:
    kind = item.get("kind")
    return dict(kind) if isinstance(kind, dict) else {key: str(kind) for key in figures(item)}


def _forget_not_run(report: dict[str, Any], done: list[str]) -> None:
    """Drop from `not_run` each name that is a run in `done` or the section that it is in."""
    not_run = report.get("not_run", {})
    for name in list(not_run):
        if any(path == name or path.startswith(f"{name}.") for path in done):
            del not_run[name]
    if not not_run:
        report.pop("not_run", None)
