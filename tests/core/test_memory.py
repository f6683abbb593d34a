"""Freed memory that is kept: counted in pages that the system has to give anew."""

import subprocess
import sys

import pytest

COUNT = """
import resource
from vqtool.core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        [b"x" * (1 << 23) for _ in range(12)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
given_back = faults()
keep_freed_memory()
faults()
print(given_back, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_large_arrays_are_not_new_pages_each_time() -> None:
    # Without an environment no other allocator is preloaded or tuned.
    answer = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True, env={})
    given_back, kept = map(int, answer.stdout.split())
    assert given_back > 50_000
    assert kept < given_back / 20
