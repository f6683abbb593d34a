"""The mistakes a user can make, each with a message that says what, where and what to do next."""


class VqtoolError(Exception):
    """A user's mistake or a broken input: printed as one message without a traceback, exit code 1."""


class ConfigError(VqtoolError):
    """A config file, a `--set` override or a combination of settings that cannot work."""


class DataError(VqtoolError):
    """A source file or a frame store that is missing, damaged, foreign or incomplete."""


class WeightsError(VqtoolError):
    """Metric weights that are absent, damaged or could not be fetched."""


class CheckpointError(VqtoolError):
    """A checkpoint that is missing, damaged, half-written or not one of ours."""


class RunError(VqtoolError):
    """A run folder that exists already, is missing, or is in use."""
