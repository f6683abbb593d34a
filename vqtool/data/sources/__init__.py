"""Where raw videos come from: one file a kind of source, behind the protocol of `base`.

Empty, so that worker processes import no more than the source that they read.
"""
