"""Real processes without the seconds that importing torch costs each: children of one that has imported it.

A process that has computed with torch, as the tests' own have, cannot fork: its threads would stay behind. And the fork
server of multiprocessing, of which a process has one, may have been started by preprocessing, without torch.
"""

import importlib
import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

import no_power_cut  # noqa: F401

TRAINER = ("torch._dynamo", "vqtool.cli.app", "vqtool.cli.train_display", "vqtool.training.start")
"""What `vqtool train` imports; the first, and the longest, is what every optimizer does."""
SECONDS = 240
"""How long a child may take before the test fails."""


@dataclass(frozen=True)
class Child:
    """What a child calls, and where what it prints goes."""

    function: Callable[..., object]
    arguments: tuple[object, ...]
    stdout: Path | None = None
    stderr: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """Call; gives the exit code that an interpreter would end with."""
        os.environ.clear()
        os.environ.update(self.variables)
        try:
            self.function(*self.arguments)
        except SystemExit as exit:
            return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        return 0


def pipe(path: Path) -> TextIO:
    """Make a named pipe that a child may print to; gives its reading end, to be read once the child is started."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # without waiting for a writer
    os.set_blocking(reader, True)
    return os.fdopen(reader)


def vqtool(*arguments: str) -> None:
    """`python -m vqtool` with these arguments."""
    from vqtool.cli import main

    sys.argv = ["vqtool", *arguments]
    main()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("localhost", 0)) as server:
        return int(server.getsockname()[1])


def two_processes(rank: int, port: int) -> dict[str, str]:
    """What torchrun tells one process of a job of two on this machine."""
    local = {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"}
    return {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)} | local


class Forks:
    """A process that imports what its children need (their function's module, and what it is told to), and forks."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()

    def _ask(self, request: object) -> int:
        self._ours.send(request)
        if not self._ours.poll(SECONDS):
            self._process.kill()
            raise TimeoutError(f"no answer within {SECONDS} s to {request}")
        return int(self._ours.recv())

    def load(self, *modules: str) -> None:
        """Import modules for all children to come."""
        for module in modules:
            self._ask(module)

    def start(self, child: Child) -> int:
        """Start one, with this process's environment and its variables; gives its process id.

        The files that it prints to are open then.
        """
        return self._ask(replace(child, variables=os.environ | child.variables))

    def wait(self, pid: int) -> int:
        """The exit code of a child, -N if signal N ended it."""
        return self._ask(pid)

    def call(self, function: Callable[..., object], *arguments: object) -> int:
        """Run a function in a child; gives its exit code."""
        return self.wait(self.start(Child(function, arguments)))

    def close(self) -> None:
        """End the process that forks; its children are left alone."""
        self._process.kill()
        self._process.join()


def _serve(requests: Connection) -> None:
    while True:
        try:
            request = requests.recv()
        except EOFError:
            return
        match request:
            case str():
                importlib.import_module(request)
                requests.send(0)
            case int():
                requests.send(os.waitstatus_to_exitcode(os.waitpid(request, 0)[1]))
            case Child():
                requests.send(_fork(request, requests))


def _fork(child: Child, requests: Connection) -> int:
    paths = {number: path for number, path in ((1, child.stdout), (2, child.stderr)) if path is not None}
    targets = {number: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for number, path in paths.items()}
    pid = os.fork()
    if pid == 0:
        requests.close()
        for number, target in targets.items():
            os.dup2(target, number)
        # As an interpreter starts: what these knew of files before is of no use.
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", 1, closefd=False)
        os._exit(child.run())
    for target in targets.values():
        os.close(target)
    return pid
