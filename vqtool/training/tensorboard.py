"""The run's numbers and previews for TensorBoard, beside the run folder's own files; needs the extra `tensorboard`."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from vqtool.data.video import encode_gif
from vqtool.errors import ConfigError
from vqtool.evaluation.pictures import side_by_side, strip
from vqtool.runs.previews import PreviewClip

FOLDER = "tensorboard"
SCALE = 2
"""Screen pixels a pixel in pictures."""
FPS = 6.0


def check_tensorboard() -> None:
    """Raises ConfigError where the package that writes TensorBoard's files is not installed."""
    if find_spec("tensorboard") is None:
        raise ConfigError(
            "train.tensorboard needs the package tensorboard: pip install 'vqtool[tensorboard]', or set "
            "train.tensorboard=false"
        )


class TensorBoard:
    """Writes `folder`; with `step` above 0 what TensorBoard has of later steps is hidden, as a resume wants it."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def numbers(self, step: int, split: str, numbers: Mapping[str, float]) -> None:
        """One scalar a name, those of a split together."""
        for name, value in numbers.items():
            self._writer.add_scalar(f"{name}/{split}", value, step)

    def clips(self, step: int, clips: Sequence[PreviewClip]) -> None:
        """Of each clip a strip (input, reconstruction, error) and the same moving."""
        for number, clip in enumerate(clips):
            picture = strip(clip.real, clip.reconstruction, SCALE)
            self._writer.add_image(f"preview/{number}", picture, step, dataformats="HWC")
            self._add_gif(f"moving/{number}", step, clip)

    def _add_gif(self, tag: str, step: int, clip: PreviewClip) -> None:
        # As an image that moves: add_video would want moviepy.
        from tensorboard.compat.proto.summary_pb2 import Summary

        frames = side_by_side(clip.real, clip.reconstruction, SCALE)
        _, height, width, _ = frames.shape
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encode_gif(frames, FPS))
        self._writer._get_file_writer().add_summary(  # type: ignore[no-untyped-call]
            Summary(value=[Summary.Value(tag=tag, image=image)]), step
        )

    def close(self) -> None:
        """Push everything to the disk."""
        self._writer.close()
