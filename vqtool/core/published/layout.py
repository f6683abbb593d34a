"""Where in a file the tensors of a VQGAN are (Esser et al. 2021; the names of its published checkpoints)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vqtool.core.text import clean
from vqtool.errors import CheckpointError

LANDMARK = "encoder.conv_in.weight"
NETWORKS = ("encoder", "decoder", "quantize", "quant_conv", "post_quant_conv")
AVERAGE = "model_ema"
LEFT_OUT = ("loss", "colorize", AVERAGE)
"""What only training or drawing needs: the losses' networks and discriminator, colours of label maps, the average."""
CODEBOOK_STATE = ("quantize.embedding.cluster_size", "quantize.embedding.embed_avg", "quantize.used")
"""Running means of a codebook, which only training needs, and a table that renumbers tokens."""
MAX_NAMED = 5


@dataclass(frozen=True)
class Found:
    """The tensors of one VQGAN by their published names.

    place: the names around them, such as `state_dict.` or nothing. averaged: they are a moving average, which the file
    has beside the raw weights. left_out: how many tensors of what else there is were left out.
    """

    tensors: dict[str, Tensor]
    place: str
    averaged: bool
    left_out: Counter[str]

    @property
    def is_of_2022(self) -> bool:
        """Whether it is of the 2022 project, whose checkpoints hold the network of its FVD loss."""
        return any(name.startswith("loss.inception_i3d") for name in self.left_out)


def find_vqgan(tensors: Mapping[str, Tensor], part: str | None, raw: bool, ignore: Sequence[str]) -> Found:
    """The VQGAN among `tensors`.

    Args:
        tensors: As `read_tensors` gives them.
        part: Where it is, if there are several: the names around it, or a dot where there are none.
        raw: Take the raw weights even where there is their moving average.
        ignore: More names, or beginnings of names up to a dot, to leave out.

    Raises:
        CheckpointError: there is none, or several; lists them.
    """
    place = _choose([name.removesuffix(LANDMARK) for name in tensors if _ends_in(name, LANDMARK)], part)
    inside = {name.removeprefix(place): tensor for name, tensor in tensors.items() if name.startswith(place)}
    left_out = Counter(name.partition(".")[0] for name in tensors if not name.startswith(place))
    kept = {}
    for name, tensor in inside.items():
        if _is_left_out(name, ignore):
            left_out[_group(name)] += 1
        else:
            kept[name] = tensor
    average = {} if raw else _average(inside, kept)
    return Found(kept | average, place, bool(average), left_out)


def _ends_in(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _choose(places: Sequence[str], part: str | None) -> str:
    if not places:
        raise CheckpointError(f"no VQGAN in the file: none of its tensors is called {LANDMARK}")
    names = ", ".join(clean(place.rstrip("."), 100) or "." for place in places[:MAX_NAMED])
    if part is not None:
        wanted = [place for place in places if place.rstrip(".") == part.rstrip(".")]
        if not wanted:
            raise CheckpointError(f"no network {part!r} in the file; --part may be: {names}")
        return wanted[0]
    if len(places) > 1:
        raise CheckpointError(f"there are {len(places)} networks in the file: choose one with --part: {names}")
    return places[0]


def _is_left_out(name: str, ignore: Sequence[str]) -> bool:
    roots = (*LEFT_OUT, *CODEBOOK_STATE, *(root.rstrip(".") for root in ignore))
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def _group(name: str) -> str:
    """What a tensor that is left out is counted as."""
    root, _, rest = name.partition(".")
    return f"{root}.{rest.partition('.')[0]}" if root == "loss" else name if root in NETWORKS else root


def _average(inside: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The moving average under the names of the weights, which are its own names with the dots taken out."""
    stored = {
        name.removeprefix(f"{AVERAGE}."): value for name, value in inside.items() if name.startswith(f"{AVERAGE}.")
    }
    return {name: stored[bare] for name in kept if (bare := name.replace(".", "")) in stored}
