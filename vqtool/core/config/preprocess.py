"""From raw videos to a frame store."""

from typing import Literal

from pydantic import model_validator

from vqtool.core.config.section import Count, Section, SourceChoice, setting


class PreprocessConfig(Section):
    """From raw videos to a frame store."""

    source: SourceChoice = setting("auto", "kind of the raw videos; auto looks at the input, synthetic draws its own")
    input: str = setting("data/hdf5", "folder of the raw videos")
    output: str = setting("data/robonet64", "folder of the frame store to write")
    size: int = setting(64, "height and width of a stored frame, pixels", ge=8, le=1024)
    fit: Literal["squash", "crop", "pad"] = setting(
        "squash", "frame to square: change the aspect ratio, cut to the centre, or add black bars"
    )
    cameras: Literal["single", "subfolder"] = setting(
        "single", "source videos: a file is a trajectory of its own, or a camera of the trajectory that its folder is"
    )
    fps: float = setting(0.0, "source videos: frame rate to sample at, frames/s; 0 is all frames", ge=0, le=1000)
    stride: Count = setting(1, "source videos: take every n-th frame (of those that fps leaves)")
    max_frames: int = setting(0, "source videos: take at most this many frames of a video; 0 is all", ge=0)
    min_frames: Count = setting(12, "videos with fewer usable frames are skipped and counted")
    val: int = setting(256, "number of validation trajectories", ge=0)
    test: int = setting(256, "number of test trajectories; unused where test_list names them", ge=0)
    test_list: str = setting("", "file of the names of the test trajectories, one a line; empty is none")
    seed: int = setting(23, "seed of the split", ge=0)
    workers: int = setting(0, "number of worker processes; 0 is one a core", ge=0, le=1024)
    limit: int = setting(0, "number of trajectories to take, drawn by the seed; 0 is all", ge=0)
    timeout_seconds: float = setting(
        600.0, "a trajectory that takes longer to read is skipped, seconds", gt=0, le=86400
    )
    executor: Literal["local", "dask"] = setting("local", "worker processes here, or the workers of a Dask cluster")
    scheduler: str = setting("", "address of the Dask cluster's scheduler, such as tcp://host:8786")

    @model_validator(mode="after")
    def _scheduler_for_dask(self) -> "PreprocessConfig":
        if self.executor == "dask" and not self.scheduler:
            raise ValueError("executor dask needs a scheduler: set scheduler to its address, such as tcp://host:8786")
        if self.executor != "dask" and self.scheduler:
            raise ValueError(
                f"scheduler {self.scheduler} is for executor dask: set executor to dask, or scheduler empty"
            )
        return self
