"""`python -m vqtool`, also what torchrun starts."""

from vqtool.cli import main

main()
