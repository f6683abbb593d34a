"""Whether the encoders and decoders are there that videos and pictures need. Never raises."""

from vqtool.core.finding import Finding

NEEDED = {"r": ("h264", "mjpeg", "gif"), "w": ("libx264", "gif", "png")}
"""For RoboNet's mp4 files and the videos that vqtool writes, by mode (reading, writing) and FFmpeg's names."""
USEFUL = {"r": ("hevc", "libdav1d", "vp9", "mpeg4"), "w": ("libwebp_anim", "libx265", "libsvtav1")}
"""For other videos, WebP, and `vqtool bench rd`."""
REINSTALL = "pip install --upgrade --force-reinstall av simplejpeg"


def check_codecs() -> list[Finding]:
    """FFmpeg's decoders and encoders, and the JPEG decoder of RoboNet's jpg files."""
    try:
        import av  # noqa: F401 - whether it loads is the question
    except Exception as error:  # a broken installation fails in any way it likes
        return [Finding("codecs", "broken", f"PyAV does not load: {error}", REINSTALL), check_jpeg()]
    return [_check("decoders", "r"), _check("encoders", "w"), check_jpeg()]


def check_jpeg() -> Finding:
    """A picture through simplejpeg and back."""
    try:
        import numpy as np
        import simplejpeg

        grey = np.full((16, 16, 3), 128, dtype=np.uint8)
        whole = np.array_equal(simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(grey)), grey)
    except Exception as error:  # as above
        return Finding("jpeg", "broken", f"simplejpeg does not work: {error}", REINSTALL)
    if not whole:
        return Finding("jpeg", "broken", "simplejpeg decodes a grey picture wrongly", REINSTALL)
    return Finding("jpeg", "ok", "simplejpeg")


def _check(name: str, mode: str) -> Finding:
    names = (*NEEDED[mode], *USEFUL[mode])
    missing = [codec for codec in names if not _has(codec, mode)]
    if broken := [codec for codec in missing if codec in NEEDED[mode]]:
        return Finding(name, "broken", f"FFmpeg has no {', '.join(broken)}", REINSTALL)
    if missing:
        remedy = "only other videos and vqtool bench rd need them; for all: pip install --upgrade av"
        return Finding(name, "note", f"FFmpeg has no {', '.join(missing)}", remedy)
    return Finding(name, "ok", ", ".join(names))


def _has(codec: str, mode: str) -> bool:
    import av

    try:
        av.codec.Codec(codec, "r" if mode == "r" else "w")
    except Exception:  # PyAV's own class of error, which has moved between versions
        return False
    return True
