"""The README.md of a published tokenizer: what it is, how good it is, what it was trained on, how to load it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from vqtool import __version__
from vqtool.core.config import Config
from vqtool.core.metrics import METRICS
from vqtool.core.text import clean
from vqtool.data.store import StoreInfo, read_info
from vqtool.errors import DataError
from vqtool.runs.checkpoints import pointed_step
from vqtool.runs.folder import RunFolder, parse_step_name
from vqtool.runs.jsonl import JsonlTail

Scores = dict[str, dict[str, float]]
"""By split (`val`, `test`) and name, as in metrics.jsonl."""
NO_LICENSE = "unknown"
FRONT_MATTER_TAGS = ("vq-vae", "video-tokenizer", "robotics")


@dataclass(frozen=True)
class Provenance:
    """Where a checkpoint comes from: the run's name, the step, its scores there, and which best records it holds."""

    run: str = ""
    step: int = 0
    scores: Mapping[str, Mapping[str, float]] | None = None
    best: tuple[str, ...] = ()


def provenance_of(folder: Path) -> Provenance:
    """What the run that a checkpoint folder lies in says about it; empty where it lies in none."""
    run, step = RunFolder(folder.parent.parent), parse_step_name(folder.name)
    if step is None or folder.parent != run.checkpoints or not run.exists():
        return Provenance()
    links = sorted(path.name for path in run.checkpoints.glob("best-*"))
    best = tuple(name.removeprefix("best-") for name in links if pointed_step(run, name) == step)
    return Provenance(run.name, step, _scores_at(run, step), best)


def model_card(
    config: Config, provenance: Provenance, sha256: str, facts: Mapping[str, str], license_name: str = ""
) -> str:
    """The page, Markdown with the front matter that model hubs read.

    Args:
        config: Of the checkpoint.
        provenance: Its run, step and scores.
        sha256: Of the tokenizer.
        facts: What is to be said of the model, by name.
        license_name: Of the weights; empty where the author has not said.
    """
    front = ["---", f"license: {json.dumps(license_name or NO_LICENSE)}", "library_name: vqtool", "tags:"]
    front += [f"- {tag}" for tag in FRONT_MATTER_TAGS] + ["---"]
    title = f"# {clean(provenance.run) or 'A video tokenizer'}"
    parts = [
        "\n".join(front), title, _introduction(config, provenance), _usage(config), "## The model", _table(facts),
        _settings(config),
        "## Scores", _scores(provenance), "## Data", _data(config), "## Licence", _license(license_name),
        f"tokenizer sha256: `{sha256}`\n\nThe sha256 of each file are in `checksums.json`. "
        f"Written by vqtool {__version__}.",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _scores_at(run: RunFolder, step: int) -> Scores:
    """The scores that the run logged for this step, the last ones where it did twice."""
    scores: Scores = {}
    tail = JsonlTail(run.metrics_file)
    while records := tail.read():
        for record in records:
            if record.get("step") == step and record.get("split") in ("val", "test"):
                numbers = {name: value for name, value in record.items() if name.startswith(("metric/", "codebook/"))}
                scores.setdefault(str(record["split"]), {}).update(
                    {name: float(value) for name, value in numbers.items() if isinstance(value, int | float)}
                )
    return scores


def _introduction(config: Config, provenance: Provenance) -> str:
    size = config.model.resolution
    text = f"Turns video frames of {size} x {size} pixels into discrete tokens and back; trained with vqtool."
    if provenance.step:
        best = f", the best of its run by {', '.join(provenance.best)}" if provenance.best else ""
        text += f" Step {provenance.step:,} of {config.train.steps:,}{best}."
    return text


def _usage(config: Config) -> str:
    size = config.model.resolution
    lines = [
        "import numpy as np",
        "import vqtool",
        'tokenizer = vqtool.load("path/to/this/folder")',
        f"tokens = tokenizer.encode(np.zeros((12, {size}, {size}, 3), dtype=np.uint8))    # RGB frames",
        "frames = tokenizer.decode(tokens)",
    ]
    return "\n".join(["```python", *lines, "```"])


def _table(facts: Mapping[str, str]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _settings(config: Config) -> str:
    return "\n".join(["```toml", tomli_w.dumps({"model": config.model.model_dump(mode="json")}).strip(), "```"])


def _scores(provenance: Provenance) -> str:
    if not provenance.scores:
        return "None were recorded at this step: `vqtool eval --checkpoint path/to/this/folder` measures them."
    rows = [
        f"| {split} | {_cell(_score_name(name))} | {value:.5g}{_unit(name)} |"
        for split, numbers in sorted(provenance.scores.items(), reverse=True)
        for name, value in numbers.items()
    ]
    head = "Mean over the evaluation clips of a split, as the run logged them at this step."
    return "\n".join([head, "", "| split | score | value |", "|---|---|---:|", *rows])


def _score_name(name: str) -> str:
    room, _, score = name.partition("/")
    return f"codebook {score}" if room == "codebook" else score.upper()


def _unit(name: str) -> str:
    metric = next((METRICS[known] for known in METRICS if name == f"metric/{known}"), None)
    return f" {metric.unit}" if metric is not None and metric.unit else ""


def _data(config: Config) -> str:
    name = _cell(Path(config.data.store).name)
    try:
        info = read_info(Path(config.data.store))
    except DataError:
        return f"Trained on the frame store `{name}`, which was not at hand when this page was written."
    return f"Trained on the train split of the frame store `{name}`.\n\n{_table(_store_facts(info))}"


def _store_facts(info: StoreInfo) -> dict[str, str]:
    splits = {
        str(split): f"{counts.trajectories:,} trajectories, {counts.clips:,} videos, {counts.frames:,} frames"
        for split, counts in info.splits.items()
    }
    settings = ", ".join(f"{key} {value}" for key, value in info.settings.items())
    return {
        "source": info.source,
        **splits,
        "frames": f"{info.size} x {info.size} pixels{', ' if settings else ''}{settings}",
        "seed of the split": str(info.seed),
        "sha256 of its index": info.clips_sha256,
    }


def _license(license_name: str) -> str:
    return _cell(license_name) if license_name else "Not stated by the author."


def _cell(value: Any) -> str:
    """Text that came from a file, harmless in a table."""
    return clean(value).replace("|", "\\|").replace("<", "&lt;")
