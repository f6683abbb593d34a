"""Getting the weights of a network: from its sources in order or from a local file, always verified before use."""

import logging
import tempfile
from pathlib import Path

from vqtool.core.atomic import explained_os_errors
from vqtool.errors import VqtoolError, WeightsError
from vqtool.weights.entry import Advance, WeightsEntry
from vqtool.weights.registry import find_entry
from vqtool.weights.store import weights_folder, weights_state
from vqtool.weights.tensors import Tensors, tensors_sha256, write_tensors

logger = logging.getLogger(__name__)


def fetch(name: str, folder: Path | None = None, local: Path | None = None, advance: Advance | None = None) -> Path:
    """The weights `name` as a verified safetensors file in `folder` (default: the folder vqtool looks in).

    Verified weights that are there already are kept. With `local` (a file, or a folder with one, in any known form)
    nothing is downloaded. Two processes may fetch at once: each renames a whole file into place.

    Raises:
        WeightsError: unknown name, nothing reachable, or what was found is damaged or something else; says how to
            supply the weights by hand.
    """
    return fetch_entry(find_entry(name), folder or weights_folder(), local, advance)


def fetch_entry(entry: WeightsEntry, folder: Path, local: Path | None = None, advance: Advance | None = None) -> Path:
    """`fetch` for a registry entry.

    Raises:
        WeightsError: as `fetch`.
    """
    target = folder / entry.file_name
    if weights_state(entry, folder) == "verified":
        return target
    try:
        tensors = _read_verified(entry, local) if local else _download(entry, folder, advance)
        write_tensors(target, tensors)
    except VqtoolError as error:
        advice = "" if local else f"\n{_by_hand(entry)}"
        raise WeightsError(f"cannot fetch the {entry.name} weights: {error}{advice}") from error
    return target


def _download(entry: WeightsEntry, folder: Path, advance: Advance | None) -> Tensors:
    """The verified tensors from the first source that works."""
    failures = []
    for source in entry.sources:
        try:
            # In the target's folder, not in the system's: that one may be small and in memory.
            with explained_os_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
                    return _read_verified(entry, source.download(Path(scratch), advance))
        except WeightsError as error:
            logger.info("%s: %s", source.description, error)
            failures.append(f"\n  {source.description}: {error}")
    raise WeightsError("no source works:" + "".join(failures))


def _read_verified(entry: WeightsEntry, path: Path) -> Tensors:
    tensors = entry.read(path)
    found = tensors_sha256(tensors)
    if found != entry.tensors_sha256:
        raise WeightsError(
            f"the tensors in {path} are not the published ones (sha256 {found}, expected {entry.tensors_sha256})"
        )
    return tensors


def _by_hand(entry: WeightsEntry) -> str:
    return (
        f"To supply them by hand: where there is a network, run vqtool fetch-weights {entry.name} --dir FOLDER; copy "
        f"FOLDER here and run vqtool fetch-weights {entry.name} --from FOLDER. --from also takes: {entry.accepted}"
    )
