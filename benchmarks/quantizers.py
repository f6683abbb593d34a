"""Does any quantizer collapse? Each one in the network of `best.toml` for the same wall time, and its codes counted.

Every row is a `vqtool train` and a `vqtool eval` of their own, as a user runs them, `--at-once` of them side by side. A
codebook has collapsed where the trainer's alarm says so (under 5 % of the codes in the last 100 steps), or where
under half of the codes are used on the train split when all is done. Both are promises here.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from measuring import REPOSITORY, Target, report, table
from measuring.stores import sim_store

CODES = "vectors_per_code=20,warmup_steps=0"
QUANTIZERS: Mapping[str, str] = {
    "vq": f"{{kind='vq',code_dim=32,{CODES}}}",
    "vq, cosine": f"{{kind='vq',code_dim=16,lookup='cosine',{CODES}}}",
    "ema": f"{{kind='ema',code_dim=32,{CODES}}}",
    "ema, cosine": f"{{kind='ema',code_dim=16,lookup='cosine',{CODES}}}",
    "ema, rotation": f"{{kind='ema',code_dim=32,gradient='rotation',{CODES}}}",
    "simvq": "{kind='simvq',code_dim=32}",
    "fsq": "{kind='fsq',levels=[8,5,5,5]}",
    "bsq": "{kind='bsq'}",
    "residual of ema": f"{{kind='residual',num_levels=2,of={{kind='ema',code_dim=32,{CODES}}}}}",
    "grouped of ema": f"{{kind='grouped',num_groups=2,of={{kind='ema',code_dim=16,{CODES}}}}}",
}
"""`model.quantizer` of every row: 16 positions a frame, 1,024 codes (fsq: 1,000), two of them a position at the end."""


@dataclass(frozen=True)
class Trained:
    """What a row came to."""

    num_steps: int
    num_alarms: int
    train: dict[str, float]
    val: dict[str, float]


def train(quantizer: str, store: Path, run: Path, seconds: float) -> Trained:
    """Train a row in the folder `run` and evaluate it."""
    settings = [
        f"model.quantizer={quantizer}", f"train.max_seconds={seconds}", "train.steps=1000000", f"run.dir={run.parent}",
        f"run.name={run.name}", "train.eval_every=1000000", "train.preview_every=1000000", "eval.num_clips=2",
    ]  # fmt: skip
    sets = [part for setting in settings for part in ("--set", setting)]
    _vqtool("train", "--config", str(REPOSITORY / "configs" / "best.toml"), "--data", str(store), *sets)
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    alarms = [event for event in events if event["kind"] == "alarm" and event["alarm"] == "collapse"]
    return Trained(events[-1]["step"], len(alarms), evaluated(run, store, "train"), evaluated(run, store, "val"))


def evaluated(run: Path, store: Path, split: str) -> dict[str, float]:
    """PSNR in dB, share of the codes used and perplexity on a split."""
    found = json.loads(_vqtool("eval", "--checkpoint", str(run), "--data", str(store), "--split", split,
                               "--metrics", "psnr", "--json"))  # fmt: skip
    codebook = found["codebook"]
    return {
        "psnr": found["scores"]["model"]["psnr"],
        "used": codebook["used"],
        "size": codebook["size"],
        "perplexity": codebook["perplexity"],
    }


def _vqtool(*arguments: str) -> str:
    """Run a command, return what it prints on stdout."""
    command = [sys.executable, "-m", "vqtool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{done.stderr}")
    return done.stdout


def facts(rows: Mapping[str, Trained]) -> str:
    """The table."""
    head = [
        "",
        "steps",
        "collapse alarms",
        "codes used on train",
        "perplexity",
        "on val",
        "train PSNR dB",
        "val PSNR dB",
    ]
    return table(
        head,
        [
            [
                name,
                str(row.num_steps),
                str(row.num_alarms),
                f"{row.train['used']:.0f}/{row.train['size']:.0f}",
                f"{row.train['perplexity']:.0f}",
                f"{row.val['used']:.0f}",
                f"{row.train['psnr']:.2f}",
                f"{row.val['psnr']:.2f}",
            ]
            for name, row in rows.items()
        ],
    )


def targets(rows: Mapping[str, Trained]) -> Sequence[Target]:
    """No alarm, and half of the codes used."""
    used = min(row.train["used"] / row.train["size"] for row in rows.values())
    return [
        Target("collapse alarms of all rows", 0, sum(row.num_alarms for row in rows.values()), "alarms", at_most=True),
        Target("codes used on train, worst row", 50, 100 * used, "%"),
    ]


def main() -> int:
    """Train, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VQTOOL_TEST_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of robonet_sim/hdf5")
    parser.add_argument("--store", type=Path, help="frame store to train on; default made of robonet_sim")
    parser.add_argument("--seconds", type=float, default=600, help="training time of a row")
    parser.add_argument("--at-once", type=int, default=1, help="rows that train side by side")
    parser.add_argument("--rows", nargs="*", choices=list(QUANTIZERS), default=list(QUANTIZERS), help="rows to train")
    parser.add_argument("--runs", type=Path, help="folder that keeps the runs")
    parser.add_argument("--output", action="store_true", help="write benchmarks/results/DATE-quantizers.md too")
    options = parser.parse_args()
    folder = (options.runs or Path(tempfile.mkdtemp(prefix="quantizers-"))).resolve()
    store = (options.store or sim_store(options.data, folder / "sim64")).resolve()

    def work(name: str) -> Trained:
        return train(QUANTIZERS[name], store, folder / name.replace(",", "").replace(" ", "-"), options.seconds)

    # Rows that share cores must not each compute on all of them.
    os.environ["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // options.at_once))
    with ThreadPoolExecutor(options.at_once) as pool:
        rows = dict(zip(options.rows, pool.map(work, options.rows), strict=True))
    said = f"{options.seconds:g} s of training a row, {options.at_once} side by side."
    return report("quantizers", [said, facts(rows)], targets(rows), options.output, shlex.join(["python", *sys.argv]))


if __name__ == "__main__":
    raise SystemExit(main())
