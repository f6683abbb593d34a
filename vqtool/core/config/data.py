"""What a model is trained on."""

from vqtool.core.config.section import Section, setting


class AugmentConfig(Section):
    """Random changes to training clips, the same for every frame of a clip; all off by default."""

    flip: float = setting(0.0, "probability that a clip is mirrored left to right", ge=0, le=1)
    shift: float = setting(
        0.0, "largest shift up, down and sideways, share of the side, by whole pixels; 0 is none", ge=0, le=0.5
    )
    min_crop: float = setting(
        1.0, "smallest share of height and width that a random crop keeps before it is resized; 1 is none", ge=0.1, le=1
    )
    brightness: float = setting(0.0, "levels times a factor of at most 1 plus or minus this; 0 is none", ge=0, le=1)
    contrast: float = setting(0.0, "likewise, the distance of levels to the clip's mean grey", ge=0, le=1)
    saturation: float = setting(0.0, "likewise, the distance of colours to their own grey", ge=0, le=1)


class DataConfig(Section):
    """What the model is trained on."""

    store: str = setting("data/robonet64", "folder of the frame store")
    clip_frames: int = setting(1, "frames of a training clip; 1 trains on single frames", ge=1, le=256)
    stride: int = setting(1, "step between the frames of a clip, frames", ge=1, le=64)
    augment: AugmentConfig = setting(AugmentConfig(), "random changes to training clips")
