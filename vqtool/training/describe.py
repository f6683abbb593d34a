"""What happens in training, in one line each: for the console, and for console.log."""

from vqtool.training.evaluator import Evaluated
from vqtool.training.session import Ended, Happening, Raised, Saved, StageBegan
from vqtool.training.trainer import StepResult

UNITS = {"metric/psnr": " dB"}


def describe(happening: Happening) -> str:
    """One plain line."""
    match happening:
        case StepResult():
            return _describe_step(happening)
        case StageBegan():
            return f"step {happening.step}: stage {happening.stage}"
        case Evaluated():
            return f"step {happening.step}: {happening.split} {describe_numbers(happening.numbers)}"
        case Saved():
            best = f" (best {', '.join(happening.best)})" if happening.best else ""
            return f"step {happening.step}: checkpoint {happening.path.name}{best}"
        case Raised():
            return f"step {happening.step}: alarm, {happening.alarm.kind}: {happening.alarm.evidence}"
        case Ended():
            return f"step {happening.step}: {happening.status}, {happening.reason}"


def describe_numbers(numbers: dict[str, float]) -> str:
    """Metrics, then loss, then codebook use."""
    chosen = [name for name in numbers if name.startswith("metric/")] + ["loss/total"]
    parts = [f"{name.split('/')[1]} {numbers[name]:.4g}{UNITS.get(name, '')}" for name in chosen]
    if "codebook/used" in numbers:
        parts.append(f"codes used {numbers['codebook/used']:.0f}, perplexity {numbers['codebook/perplexity']:.0f}")
    return ", ".join(parts)


def _describe_step(result: StepResult) -> str:
    losses = " ".join(f"{name} {float(value):.4f}" for name, value in result.losses.items())
    skipped = " skipped: gradient not finite" if result.skipped else ""
    return f"step {result.step}: {losses} lr {result.lr:.2e} {result.num_frames / result.seconds:.0f} frames/s{skipped}"
