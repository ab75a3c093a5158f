"""What the command line prints: words of others as they are, one line an error, and the codes that it exits with."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run
from rich.console import Console

from hw_amc import __version__
from hw_amc.cli import output
from hw_amc.cli.main import app
from hw_amc.driver.errors import DeviceError
from hw_amc.errors import EXIT_CODES, DataError, HwAmcError, Stopped


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["report", "[/x]"], 2, "error: unknown model '[/x]'; "),
        (["data", "info", "[red]x.h5"], 7, "[red]x.h5"),
        (["data", "info", "a\x1b[31mb\n.h5"], 7, "a\\x1b[31mb\\x0a.h5"),
        (["data", "info", os.fsdecode(b"\xff.h5")], 7, "\\xff.h5"),
        (["hls", "gru_cnn_sparse07", "--frames", "few"], 2, "error: Invalid value for '--frames': "),
        (["hls", "gru_cnn_sparse07", "--frams", "3"], 2, "; see `hw-amc hls --help`"),
        (["hls"], 2, "error: Missing argument 'MODEL'; see `hw-amc hls --help`"),
        (["hlss"], 2, "error: No such command 'hlss'"),
    ],
)
def test_an_error_is_one_plain_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    assert said.err.rstrip("\n").isprintable()
    assert said.out == ""


def test_markup_in_an_error_of_ours_stays(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DataError("[hls.layers.gru]: [/] cannot compile [bold]\nsecond line")

    monkeypatch.setattr("hw_amc.workspace.trained_models", fail)
    assert run("models") == DataError.exit_code
    assert capsys.readouterr().err == "error: [hls.layers.gru]: [/] cannot compile [bold]\\x0asecond line\n"


def test_warnings_are_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.printer.warning("x[/x].h5: 3 frames\n are silent")
    assert capsys.readouterr().err == "warning: x[/x].h5: 3 frames\\x0a are silent\n"


def test_tables_and_steps_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.printer.table(("[head]", "n"), [("[red]x", 3), (), ("\x1b]0;t\x07", 4)], "[/title]")
    output.printer.done("a[b].v in :smile:", "csim", 1.25)
    said = capsys.readouterr().out
    for text in ("[head]", "[red]x", "\\x1b]0;t\\x07", "[/title]", "✓ csim     a[b].v in :smile: (1.2 s)\n"):
        assert text in said


def test_progress_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(output.printer, "console", Console(file=stream, force_terminal=True, width=100, markup=False))
    assert list(output.printer.track(range(3), "Keras and [red]x")) == [0, 1, 2]
    with output.printer.status("[/x]"), output.printer.changing_status("[/y]") as change:
        change("[/z]")
    assert "Keras and [red]x" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())


def test_exit_codes_are_those_of_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    def tree(kind: type[HwAmcError]) -> set[type[HwAmcError]]:
        return {kind}.union(*(tree(child) for child in kind.__subclasses__()))

    ours = {kind for kind in tree(HwAmcError) if kind.__module__.startswith("hw_amc.")}
    assert DeviceError in ours
    assert {kind.exit_code for kind in ours} | {0} == set(EXIT_CODES)
    assert run("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in said


@pytest.mark.parametrize("group", [[], ["data"]])
def test_a_group_alone_prints_its_help(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*group) == 2
    said = capsys.readouterr()
    assert "Usage: hw-amc" in said.out
    assert said.err == ""


def test_every_command_is_there() -> None:
    names = {command.name for command in app.registered_commands}
    assert names == {
        *("models", "hls", "csim", "graph", "estimate", "rtl", "cosim", "synth", "overlay", "bench", "sim-overlays"),
        *("new", "init", "classify", "evaluate"),
        *("sim-device", "train", "compare", "report", "cache", "doctor"),
    }


def test_ctrl_c_says_so_and_exits_with_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hw_amc.workspace.trained_models", lambda: signal.raise_signal(signal.SIGINT))
    assert run("models") == Stopped.exit_code == 130
    assert capsys.readouterr().err == "stopped; nothing is half written, run the same command to go on\n"


@pytest.mark.board
def test_ctrl_c_in_a_users_program_is_the_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "program.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    assert run("sim-device", str(tmp_path / "program.py")) == 130
    assert capsys.readouterr().err == ""


#: Says when it begins to import the command line, and takes its time.
SLOW_IMPORT = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "hw_amc.cli.main":
            print("importing", flush=True)
            time.sleep(30)
sys.meta_path.insert(0, Slow())
from hw_amc.__main__ import main
main()
"""


def test_ctrl_c_during_the_imports_is_one_line() -> None:
    args = [sys.executable, "-c", SLOW_IMPORT]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "stopped; nothing is half written, run the same command to go on\n")


#: Waits where the interpreter waits at its end.
SLOW_END = """
import signal, sys, threading, time
from hw_amc import __main__
def wait():
    while signal.getsignal(signal.SIGINT) is not __main__._end:
        time.sleep(0.05)
    print("waiting", flush=True)
    time.sleep(60)
threading.Thread(target=wait).start()
sys.argv = ["hw-amc", "--version"]
__main__.main()
"""


def test_ctrl_c_at_the_end_is_one_line() -> None:
    args = [sys.executable, "-c", SLOW_END]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert lines == [f"{__version__}\n", "waiting\n"]
    assert (process.returncode, said) == (130, "stopped; nothing is half written, run the same command to go on\n")
