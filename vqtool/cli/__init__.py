"""The commands: one thin file each, flags in, one call into the layer below, text out.

Bodies import what they need, so that `vqtool --help` loads typer and nothing heavy.
"""

import os
import sys


def main() -> None:
    """Run the command line; the entry point of the `vqtool` script.

    Exit codes: 0 done, 1 a user's mistake (one message on stderr), 2 a usage error, 130 interrupted.
    """
    from vqtool.cli.console import log_warnings, show_traceback, speak_any_encoding, stderr_line
    from vqtool.core.atomic import refusal
    from vqtool.errors import VqtoolError

    speak_any_encoding()
    log_warnings()
    try:
        _run()
    except VqtoolError as error:
        if "--debug" in sys.argv:
            raise
        stderr_line(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone (`vqtool runs | head`): nothing is left to say, nor to flush at exit.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        message = refusal(error)
        if message is None or "--debug" in sys.argv:
            raise
        stderr_line(f"error: {message}")
        sys.exit(1)
    finally:
        # Here, since typer puts its own in the place of whatever it finds.
        sys.excepthook = show_traceback


def _run() -> None:
    from functools import partial
    from pathlib import Path

    from vqtool.cli.watch import has_paths_only, watch

    _check_folder()
    if has_paths_only(sys.argv[1:]) and "_VQTOOL_COMPLETE" not in os.environ:
        watch(list(map(Path, sys.argv[2:])))
        return
    from vqtool.cli.app import app

    # By this name also where Python or torchrun started it: in help, and for the shell's completion.
    run = partial(app, prog_name="vqtool")
    match os.environ.get("_VQTOOL_COMPLETE"):
        case "complete_bash":
            from vqtool.cli.completion import complete_in_bash

            complete_in_bash(run)
        case "complete_zsh" | "complete_fish":
            from vqtool.cli.completion import complete_in_zsh_or_fish

            complete_in_zsh_or_fish(run)
        case _:
            run()


def _check_folder() -> None:
    """Here, for without a folder of its own the process dies inside torch's libraries, with words of theirs.

    Raises:
        VqtoolError: the current folder is gone.
    """
    from pathlib import Path

    from vqtool.errors import VqtoolError

    try:
        Path.cwd()
    except FileNotFoundError:
        raise VqtoolError("the current folder no longer exists: change to another one (cd)") from None
