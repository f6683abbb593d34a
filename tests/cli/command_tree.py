"""The command line as typer builds it, walked; and command lines parsed without being run."""

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from vqtool.cli.app import app

REPOSITORY = Path(__file__).resolve().parents[2]


@functools.cache
def program() -> Any:
    """The whole command line."""
    return typer.main.get_command(app)


def leaves(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name such as `data info`."""
    command = command or program()
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, below in command.commands.items():
        yield from leaves(below, (*path, name))


def parse(line: str) -> str:
    """The name of the command that a line such as `vqtool data info STORE` runs; raises what the user would see."""
    command: Any = program()
    _, *words = shlex.split(line, comments=True)
    if "--install-completion" in words:
        return ""  # parsing it would change the shell's own files
    context, path = command.make_context("vqtool", words), []
    while hasattr(command, "commands"):
        words = [*context._protected_args, *context.args]
        if not words:
            break
        name, command, words = command.resolve_command(context, words)
        path.append(name)
        context = command.make_context(name, words, parent=context)
    return " ".join(path)


def command_lines(text: str, indent: str = "") -> Iterator[str]:
    """The lines, indented so, that run vqtool, whole where a backslash continues them."""
    for line in text.replace("\\\n", " ").splitlines():
        found = re.match(indent + r"(?:srun |torchrun .*-m (?:-- )?|.*\bpython -m )?(vqtool .*)", line)
        if found:
            yield re.split(r"\s+\||\s+&&|\s+>|;", found[1])[0]
