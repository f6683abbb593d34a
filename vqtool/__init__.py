"""vqtool: learn to compress robot video frames into a few discrete tokens and to reconstruct them."""

__version__ = "0.1.0"
