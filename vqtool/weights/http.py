"""One HTTP request: http and https only, with a time limit, and failures in words that never show an address."""

import base64
import functools
import http.client
import os
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import certifi

from vqtool import __version__
from vqtool.errors import WeightsError

SCHEMES = ("http", "https")
BLOCK_BYTES = 1 << 16
CA_VARIABLE = "REQUESTS_CA_BUNDLE"
"""Certificates that a company's proxy needs; the package index is found by a library that reads it too."""
PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class Interrupted(WeightsError):
    """A failure that may pass: the same request is worth another try."""


class Unreachable(WeightsError):
    """No connection: the machine is offline, or the server is not there."""


class RangeNotSatisfiable(WeightsError):
    """The server has no bytes beyond those that were asked for."""


def host(address: str) -> str:
    """Where `address` leads, for messages: without user, password, path and query, all of which may be secret."""
    return urllib.parse.urlsplit(address).netloc.rpartition("@")[2]


def checked_address(address: str) -> str:
    """`address`, if it is one of a web server.

    Raises:
        WeightsError: not http or https, or no host.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise WeightsError("the address is not one of a web server (http:// or https://, a host, a path)")
    return address


@contextmanager
def open_url(address: str, headers: Mapping[str, str], timeout_seconds: float) -> Iterator[http.client.HTTPResponse]:
    """The answer to a GET request, with a status of 200 to 299.

    A user and password in the address are sent as HTTP Basic authentication, to that server only.

    Raises:
        Unreachable: no connection can be made.
        Interrupted: the server is busy, or the connection was cut or stalled.
        RangeNotSatisfiable: HTTP 416.
        WeightsError: not an address, or the server refuses.
    """
    try:
        request = _request(checked_address(address), headers)
        response = _opener().open(request, timeout=timeout_seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise explained(error, timeout_seconds, connected=False) from None
    with response:
        yield response


def read_blocks(response: http.client.HTTPResponse, timeout_seconds: float) -> Iterator[bytes]:
    """The body in blocks, as they come.

    Raises:
        Interrupted: the connection was cut or stalled.
    """
    try:
        # read1, not read: what came before a cut is handed on instead of thrown away.
        while block := response.read1(BLOCK_BYTES):
            yield block
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise explained(error, timeout_seconds, connected=True) from None


def explained(error: Exception, timeout_seconds: float, connected: bool) -> WeightsError:
    """`error` in words of our own: its text may hold the address, and the address a password."""
    match error:
        case urllib.error.HTTPError(code=416):
            return RangeNotSatisfiable("the server answers HTTP 416")
        case urllib.error.HTTPError(code=301 | 302 | 303 | 307 | 308):
            return WeightsError(_REDIRECT)
        case urllib.error.HTTPError(code=code):
            return (Interrupted if code in PASSING_STATUSES else WeightsError)(f"the server answers HTTP {code}")
        case urllib.error.URLError(reason=OSError() as cause):
            # urllib wraps so what happens before the request is sent.
            refused = isinstance(cause, TimeoutError) and not connected
            return Unreachable(_UNREACHABLE) if refused else explained(cause, timeout_seconds, connected)
        case ssl.SSLCertVerificationError():
            return WeightsError("the server's TLS certificate is not accepted")
        case TimeoutError():
            return Interrupted(f"the connection stalled: nothing came for {timeout_seconds:g} s")
        case socket.gaierror() | ConnectionRefusedError():
            return Unreachable(_UNREACHABLE)
        case ssl.SSLError() if not connected:
            return WeightsError("no TLS connection can be made with the server")
        case ConnectionError() | ssl.SSLError() | http.client.IncompleteRead():
            return Interrupted("the connection was cut")
        case http.client.InvalidURL() | UnicodeError():
            return WeightsError("the address has characters that none may have: write them as %XX")
        case http.client.HTTPException() | ValueError():
            return Interrupted("the connection was cut") if connected else WeightsError("the answer is not HTTP")
        case urllib.error.URLError():
            return WeightsError(_REDIRECT)
        case _:
            return Interrupted("the connection was cut") if connected else Unreachable(_UNREACHABLE)


_UNREACHABLE = "cannot connect (offline?)"
_REDIRECT = "the server redirects without end, or to an address that is not http or https"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Keeps the password from other servers than the one it is for."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to make next."""
        fp.close()  # urllib would read all that the server sends beside the redirect
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        secret = req.unredirected_hdrs.get("Authorization")
        if following and secret and _server(newurl) == _server(req.full_url):
            following.add_unredirected_header("Authorization", secret)
        return following


def _server(address: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(address)
    return parts.scheme, parts.netloc


def _request(address: str, headers: Mapping[str, str]) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(address)
    user, _, server = parts.netloc.rpartition("@")
    bare = urllib.parse.urlunsplit(parts._replace(netloc=server, fragment=""))
    request = urllib.request.Request(bare, headers={"User-Agent": f"vqtool/{__version__}", **headers})
    if user:
        secret = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def _opener() -> urllib.request.OpenerDirector:
    """Only what http and https need, so that a redirect leads nowhere else: urllib's usual opener also reads files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_tls(os.environ.get(CA_VARIABLE) or certifi.where())),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


@functools.cache  # reading the certificates takes longer than a request
def _tls(certificates: str) -> ssl.SSLContext:
    """The system's own certificates and these: a Python from python.org finds none on macOS."""
    context = ssl.create_default_context()
    try:
        if Path(certificates).is_dir():
            context.load_verify_locations(capath=certificates)
        else:
            context.load_verify_locations(cafile=certificates)
    except OSError:
        raise WeightsError(f"{certificates}, which {CA_VARIABLE} names, holds no certificates") from None
    return context
