"""What the command line prints: words of others as they are, one line an error, and the codes that it exits with."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from command_line import run
from rich.console import Console

from hw_amc import __version__, tools
from hw_amc.cli import output
from hw_amc.cli.main import app, main
from hw_amc.driver.errors import DeviceError
from hw_amc.errors import EXIT_CODES, FAULT, ConfigError, DataError, HwAmcError, Stopped


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
    with output.printer.status("[/x]"), output.printer.status("[/y]") as change:
        change("[/z]")
    assert "Keras and [red]x" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())


def test_exit_codes_are_those_of_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    def tree(kind: type[HwAmcError]) -> set[type[HwAmcError]]:
        return {kind}.union(*(tree(child) for child in kind.__subclasses__()))

    ours = {kind for kind in tree(HwAmcError) if kind.__module__.startswith("hw_amc.")}
    assert DeviceError in ours
    assert {kind.exit_code for kind in ours} | {0, FAULT} == set(EXIT_CODES)
    assert run("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in said


def test_the_guide_has_the_exit_codes_and_the_common_options() -> None:
    text = (Path(__file__).parents[1] / "docs" / "guides" / "command_line.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == EXIT_CODES
    for option in ("-h", "-q", "-v", "--json", "--yes", "--install-completion"):
        assert f"{option}`" in text or f"{option} " in text or f"`{option}" in text


@pytest.mark.parametrize("group", [[], ["data"]])
def test_a_group_alone_prints_its_help(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*group) == 2
    said = capsys.readouterr()
    assert "Usage: hw-amc" in said.out
    assert said.err == ""


def test_every_command_is_there() -> None:
    names = {command.name for command in app.registered_commands}
    assert names == {
        *("models", "hls", "csim", "graph", "estimate", "rtl", "cosim", "synth", "power", "overlay", "bench"),
        *("sim-overlays", "new", "init", "classify", "evaluate"),
        *("sim-device", "train", "compare", "report", "cache", "doctor", "level"),
    }


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "/a/[b]"), 1, "/a/[b] cannot be used: Permission denied"),
        (OSError("odd"), 1, "the standard output, or a file, cannot be used: odd"),
        (MemoryError(), 1, "the memory is too small for this"),
        (TypeError("a [b]"), 9, "TypeError: a [b] (this is a fault of hw_amc: please report it with what "
         "HW_AMC_TRACEBACK=1 makes the command say)"),
    ],
)  # fmt: skip
def test_what_nobody_has_foreseen_is_one_line(
    raised: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr("hw_amc.workspace.trained_models", fail)
    assert run("models") == code
    assert capsys.readouterr().err == f"error: {said}\n"
    monkeypatch.setenv("HW_AMC_TRACEBACK", "1")
    with pytest.raises(type(raised)):
        main(["models"])


def test_ctrl_c_says_so_and_exits_with_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hw_amc.workspace.trained_models", lambda: signal.raise_signal(signal.SIGINT))
    assert run("models") == Stopped.exit_code == 130
    assert capsys.readouterr().err == "stopped; nothing is half written, run the same command to go on\n"


def test_ctrl_c_while_options_are_read_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen before, once in 20 kills: exit code 130 without a word, which is Typer's own answer."""
    monkeypatch.setattr("typer.core.TyperGroup.parse_args", lambda *_: signal.raise_signal(signal.SIGINT))
    assert run("models") == 130
    assert capsys.readouterr().err == "stopped; nothing is half written, run the same command to go on\n"


@pytest.mark.board
def test_ctrl_c_in_a_users_program_is_the_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "program.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    assert run("sim-device", str(tmp_path / "program.py")) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["-h"], ["hls", "-h"], ["data", "-h"], ["data", "info", "-h"]])
def test_h_is_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    assert run(*arguments[:-1], "--help") == 0
    assert capsys.readouterr().out == said
    assert "Usage: hw-amc" in said


def _commands() -> list[tuple[str, Any]]:
    """All commands, those of groups too, with what they take."""
    group: Any = typer.main.get_command(app)
    flat = [(name, command) for name, command in group.commands.items() if name != "data"]
    return flat + [(f"data {name}", command) for name, command in group.commands["data"].commands.items()]


@pytest.mark.parametrize(("name", "command"), _commands())
def test_every_command_has_the_common_options_and_words_for_all(name: str, command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert name == "sim-device" or {"-q", "-v"} <= options
    assert name == "sim-device" or "--json" in options
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_results_are_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "--json") == 0
    said = capsys.readouterr()
    models = {each["model"]: each for each in json.loads(said.out)["models"]}
    found = models["gru_cnn_sparse07"]
    told = {key: found[key] for key in ("network", "sparsity", "parameters", "nonzeros", "macs", "trained", "state")}
    assert told == {
        "network": "GRU-CNN with 80 cells",
        "sparsity": 0.7,
        "parameters": 25480,
        "nonzeros": 8210,
        "macs": 24674304,
        "trained": True,
        "state": "trained",
    }
    assert found["kind"] == {"memory_bytes": "measured"}
    assert said.err == ""


def test_json_leaves_steps_to_the_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.printer.configure(as_json=True)
    output.printer.done("made", "csim", 1.0)
    output.printer.table(("a",), [("b",)])
    output.printer.line("c")
    output.printer.result({"n": np.int64(3), "path": Path("x"), "snrs": {-20: np.float32(0.5)}})
    output.printer.finish()
    output.printer.configure()
    said = capsys.readouterr()
    assert json.loads(said.out) == {"n": 3, "path": "x", "snrs": {"-20": 0.5}}
    assert said.err == "made (1.0 s)\n"


def test_quiet_leaves_results_and_problems(capsys: pytest.CaptureFixture[str]) -> None:
    output.printer.configure(quiet=True)
    with output.printer.status("x"):
        output.printer.done("made")
    assert list(output.printer.track([1, 2], "y")) == [1, 2]
    output.Aside(output.printer).done("made")
    output.printer.line("result")
    output.printer.warning("problem")
    output.printer.configure()
    assert capsys.readouterr() == ("result\n", "warning: problem\n")


def test_verbose_names_programs_and_where_an_error_arose(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> None:
        tools.run(["sh", "-c", "exit 0"], tmp_path)
        raise DataError("no")

    monkeypatch.setattr("hw_amc.workspace.trained_models", fail)
    assert run("models", "-v") == 7
    said = capsys.readouterr().err
    assert re.search(rf"^sh -c 'exit 0' in {tmp_path}: \d+\.\d s$", said, re.MULTILINE)
    assert "Traceback (most recent call last):" in said
    assert said.endswith("\nerror: no\n")
    assert run("models") == 7
    assert capsys.readouterr().err == "error: no\n"


def test_a_long_wait_is_told_of_in_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_FIRST_S", 0.05)
    with output.printer.status("Verilator") as change:
        time.sleep(0.2)
        change("g++")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "Verilator (0 s so far)\n"


def test_of_waits_within_waits_a_log_is_told_the_innermost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_FIRST_S", 0.05)
    with output.printer.status("synthesis"), output.printer.status("Yosys"):
        time.sleep(0.2)
    assert capsys.readouterr().err == "Yosys (0 s so far)\n"


def test_a_wait_on_a_terminal_shows_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb terminal shows nothing that moves
    stream = io.StringIO()
    monkeypatch.setattr(output.printer, "console", Console(file=stream, force_terminal=True, width=100, markup=False))
    with output.printer.status("Verilator"):
        time.sleep(1.2)
    assert re.search(r"Verilator.*0:00:01", stream.getvalue())


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("hls gru_cnn_sp", {"gru_cnn_sparse05", "gru_cnn_sparse07", "gru_cnn_sparse08", "gru_cnn_sparse085"}),
        ("compare mtl mt", {"mtl", "mtl_dynamic"}),
        ("cosim mtl --board pynq", {"pynq-z1", "pynq-z2"}),
        ("classify mtl x --board si", {"sim"}),
        ("data reach gru_cnn_c4", {"gru_cnn_c40"}),
        ("cach", {"cache"}),
    ],
)
def test_the_shell_completes_models_and_boards(words: str, completed: set[str]) -> None:
    line = f"hw-amc {words}"
    asked = {"_HW_AMC_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "hw_amc"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == completed


def test_nothing_is_replaced_without_asking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photo.png"
    output.printer.confirm_new(path, yes=False)
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"photo\.png is there already and would be replaced; give --yes to go on"):
        output.printer.confirm_new(path, yes=False)
    output.printer.confirm_new(path, yes=True)
    terminal = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(output.printer, "problems", terminal)
    for answer, agreed in (("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)):
        stream = io.StringIO(answer)
        stream.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", stream)
        if agreed:
            output.printer.confirm_new(path, yes=False)
        else:
            with pytest.raises(ConfigError, match="nothing was changed"):
                output.printer.confirm_new(path, yes=False)


@pytest.mark.train
def test_restart_asks_before_training_is_thrown_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hls_projects" / "gru_cnn_c40"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "train.toml").write_text((MAKEFILE.parent / "hls_projects" / "gru_cnn_c40" / "train.toml").read_text())
    (folder / "checkpoints" / "state.npz").write_bytes(b"days of work")
    (folder / "checkpoints" / "dense.npz").write_bytes(b"no file of this recipe's")
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    assert run("train", "gru_cnn_c40", "--restart") == 2
    assert "--restart removes what was trained of gru_cnn_c40: state.npz; give --yes" in capsys.readouterr().err
    assert (folder / "checkpoints" / "state.npz").read_bytes() == b"days of work"


MAKEFILE = Path(__file__).parents[1] / "Makefile"


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    args = ["make", "-n", "-o", ".venv/.train", "-o", ".venv/.all", "-f", str(MAKEFILE), "-C", str(MAKEFILE.parent)]
    return subprocess.run([*args, *arguments], capture_output=True, text=True, check=False)


def test_make_refuses_variables_that_it_does_not_know() -> None:
    done = _make("hls", "model=x")
    assert done.returncode == 2
    assert "unknown variable model; variables are written in capitals: MODEL FRAMES" in done.stderr


@pytest.mark.parametrize("name", ["my file.h5", "it's a=b.h5", "$HOME.h5", "plain.h5"])
def test_make_hands_on_names_as_they_are(name: str) -> None:
    done = _make("hls", "MODEL=m", f"DATA={name.replace('$', '$$')}", "VENV=.venv")
    (line,) = [line for line in done.stdout.splitlines() if "hw-amc hls" in line]
    assert shlex.split(line)[1:] == ["hls", "m", "--data", name]


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
