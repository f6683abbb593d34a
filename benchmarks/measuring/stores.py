"""The frame stores that tokenizers are compared on."""

from pathlib import Path

from vqtool.core.config import PreprocessConfig
from vqtool.preprocessing.pipeline import preprocess

SIM_SEED = 2236
"""The split of the simulated trajectories, 96 train, 12 val, 12 test: of the seeds from 0 to 2,999 the one whose val
anchors (`measuring.anchors`) are nearest to the published ones, chosen before any network was trained on it."""


def sim_store(data: Path, output: Path) -> Path:
    """Make the store of `robonet_sim` under the folder `data`, 12 trajectories in val and in test."""
    return _made(data / "robonet_sim" / "hdf5", output, 12, SIM_SEED)


def real_store(data: Path, output: Path) -> Path:
    """Make the store of the three trajectories of `robonet_real` under the folder `data`, one in val and in test."""
    return _made(data / "robonet_real" / "hdf5", output, 1, PreprocessConfig.model_fields["seed"].default)


def _made(hdf5: Path, output: Path, num_held_out: int, seed: int) -> Path:
    held_out = {"val": num_held_out, "test": num_held_out}
    preprocess(PreprocessConfig(input=str(hdf5), output=str(output), min_frames=8, seed=seed, **held_out))
    return output
