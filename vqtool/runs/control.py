"""Requests to a running trainer, as files in the run's `control/` folder: whoever may write the folder may ask.

The trainer looks at each step, removes what it took and answers with an event of kind `request`.
"""

from typing import Literal, get_args

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.runs.folder import RunFolder

Request = Literal["stop", "checkpoint", "preview", "evaluate"]
REQUESTS: tuple[Request, ...] = get_args(Request)


def send_request(run: RunFolder, request: Request) -> None:
    """Ask the trainer of `run`; asking twice before the answer is asking once.

    Raises:
        VqtoolError: the folder cannot be written.
    """
    with explained_os_errors(run.control):
        run.control.mkdir(exist_ok=True)
    write_atomic(run.control / request, "")


def take_requests(run: RunFolder) -> list[Request]:
    """The pending requests, removed from the folder; unknown names are left alone."""
    taken: list[Request] = []
    for request in REQUESTS:
        try:
            (run.control / request).unlink()
        except OSError:
            continue
        taken.append(request)
    return taken
