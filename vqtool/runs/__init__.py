"""The run folder: its names, its logs, its previews and its control requests; the only link between trainer and dash.

Torch-free, so that a dashboard over SSH starts at once. The layout is a stable contract: see docs/formats.md.
"""
