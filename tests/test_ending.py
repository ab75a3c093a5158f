"""A signal that tells a command to end does so, even where a library loses the exception that it became."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hw_amc import ending
from hw_amc.cache import Cache
from hw_amc.cli.main import main
from hw_amc.errors import DataError
from hw_amc.files import write_text

STOPPED = "stopped; nothing is half written, run the same command to go on\n"


@pytest.fixture(autouse=True)
def steady() -> Iterator[None]:
    """Handlers of signals, put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def lose(number: int) -> None:
    """Do as C code does that clears whatever Python raises in its callback."""
    with suppress(BaseException):
        signal.raise_signal(number)


def run() -> object:
    with pytest.raises(SystemExit) as ended:
        main(["models"])
    return ended.value.code


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, STOPPED), (signal.SIGTERM, 143, "")])
@pytest.mark.parametrize("raised", [TypeError("Invalid input to `zip`"), DataError("no model"), OSError(5, "x")])
def test_an_error_behind_a_lost_signal_is_the_end_that_was_told(
    number: int,
    code: int,
    said: str,
    raised: Exception,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen before, once in 20 kills of csim: "TypeError: Invalid input to `zip`", a fault of hw_amc, after SIGTERM."""

    def work() -> None:
        lose(number)
        raise raised

    monkeypatch.setattr("hw_amc.workspace.trained_models", work)
    assert (run(), capsys.readouterr().err) == (code, said)
    assert ending.told() is None


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, STOPPED), (signal.SIGTERM, 143, "")])
@pytest.mark.parametrize("publish", ["file", "cache"])
def test_nothing_is_published_after_a_lost_signal(
    number: int,
    code: int,
    said: str,
    publish: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work() -> None:
        lose(number)
        if publish == "file":
            write_text(tmp_path / "report.json", "wrong")
        else:
            Cache("kind", tmp_path).entry({"a": "b"}, lambda folder: (folder / "x").write_text("wrong"))

    monkeypatch.setattr("hw_amc.workspace.trained_models", work)
    assert (run(), capsys.readouterr().err) == (code, said)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    write_text(tmp_path / "report.json", "right")  # by whoever comes next in this process


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, STOPPED), (signal.SIGTERM, 143, "")])
def test_what_python_ignored_is_raised_again(
    number: int, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen before, in 7 kills of init: "Exception ignored in" a weak reference's end, with a traceback."""

    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def work() -> None:
        Dying()
        time.sleep(20)

    monkeypatch.setattr("hw_amc.workspace.trained_models", work)
    before, started = sys.unraisablehook, time.monotonic()
    assert (run(), capsys.readouterr().err) == (code, said)
    assert time.monotonic() - started < 15
    assert sys.unraisablehook is before


def test_what_else_python_ignores_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __del__(self) -> None:
            raise ValueError("odd")

    monkeypatch.setattr("hw_amc.workspace.trained_models", Dying)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    run()
    assert "ValueError: odd" in capsys.readouterr().err


def test_outside_a_command_nothing_is_remembered(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    write_text(tmp_path / "a", "right")
    assert ending.told() is None


def test_ctrl_c_may_end_a_block_alone(tmp_path: Path) -> None:
    with ending.listening("hw-amc classify"):
        with ending.until_ctrl_c():
            signal.raise_signal(signal.SIGINT)
        write_text(tmp_path / "a", "right")
        assert ending.told() is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_process_that_ignores_ctrl_c_goes_on_doing_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ending.listening("hw-amc models"):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
