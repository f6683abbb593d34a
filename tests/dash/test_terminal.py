"""The program as a user starts it, on a real pseudo-terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from vqtool.cli.watch import has_paths_only
from vqtool.dash.saved_view import load_view
from vqtool.runs.folder import RunFolder

MODULES = ("vqtool.dash.app", "vqtool.dash.summary", "vqtool.cli.dash", "vqtool.runs.previews")


def test_torch_is_never_imported() -> None:
    program = f"import sys, {', '.join(MODULES)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_run_is_opened_without_the_imports_of_the_command_line(run: RunFolder) -> None:
    program = (
        "import sys; import vqtool.dash.app as a; sys.argv = ['vqtool', 'dash', sys.argv[1]];"
        "a.DashApp.run = lambda app: print(app._first_screen.state.run.path); import vqtool.cli.watch as w;"
        "w._check_terminal = lambda: None; import vqtool.cli; vqtool.cli.main();"
        "sys.exit(bool({'typer', 'pydantic', 'PIL.Image'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, run.path], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{run.path}\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "plain"),
    [
        (["dash"], True),
        (["dash", "runs/a", "runs/b"], True),
        (["dash", "runs/a", "--once"], False),
        (["dash", "-h"], False),
        (["train"], False),
        ([], False),
    ],
)
def test_only_paths_go_the_short_way(arguments: list[str], plain: bool) -> None:
    assert has_paths_only(arguments) is plain


def test_printing_a_run_needs_no_terminal_library(recorded: RunFolder) -> None:
    program = (
        "import sys, pathlib; from vqtool.cli.dash import dash; dash([pathlib.Path(sys.argv[1])], once=True);"
        "sys.exit(bool({'torch', 'textual', 'PIL.ImageFont'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program, recorded.path], check=False).returncode == 0


def read_until(terminal: int, output: bytearray, wanted: bytes) -> None:
    deadline = time.monotonic() + 60
    while wanted not in output and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            output += os.read(terminal, 65536)
    assert wanted in output


def test_hostile_run_cannot_drive_the_terminal_and_quitting_restores_it(run: RunFolder) -> None:
    run.update_status(name="\x1b]0;EVIL\x07run")
    run.console_file.write_text("\x1b]52;c;EVIL\x07\x1b[?25h console-line\n")
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [sys.executable, "-m", "vqtool", "dash", str(run.path)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(terminal)
    output = bytearray()
    read_until(terminal, output, b"loss/total")
    os.write(terminal, b"2")
    read_until(terminal, output, b"reconstruction")
    os.write(terminal, b"4")
    read_until(terminal, output, b"console-line")
    assert b"\x1b_G" not in output and b"\x1bP" not in output, "pictures only for terminals that say they have them"
    assert b"EVIL" in output
    assert b"\x1b]0;EVIL" not in output and b"\x1b]52" not in output
    os.write(terminal, b"q")
    read_until(terminal, output, b"\x1b[?1049l")
    read_until(terminal, output, b"\x1b[?25h")
    assert os.waitpid(process, 0)[1] == 0
    assert termios.tcgetattr(terminal)[3] & termios.ECHO == before[3] & termios.ECHO
    os.close(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_the_view_and_restores_the_terminal(run: RunFolder, number: signal.Signals) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [sys.executable, "-m", "vqtool", "dash", str(run.path)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(terminal)
    output = bytearray()
    read_until(terminal, output, b"loss/total")
    os.write(terminal, b"5")
    read_until(terminal, output, b"versions")
    os.kill(process, number)
    read_until(terminal, output, b"\x1b[?1049l")
    read_until(terminal, output, b"\x1b[?25h")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 128 + number
    assert termios.tcgetattr(terminal)[3] & termios.ECHO == before[3] & termios.ECHO
    os.close(terminal)
    assert load_view(run).panel == 4


def test_a_terminal_that_is_closed_ends_the_program_and_keeps_the_view(run: RunFolder) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [sys.executable, "-m", "vqtool", "dash", str(run.path)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    output = bytearray()
    read_until(terminal, output, b"loss/total")
    os.write(terminal, b"5")
    read_until(terminal, output, b"versions")
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 128 + signal.SIGHUP
    assert load_view(run).panel == 4
