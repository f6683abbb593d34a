from pathlib import Path

import pytest

from vqtool.runs.folder import RunFolder, create_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run folder as the trainer makes it, of this very process."""
    return create_run(tmp_path / "runs", "first", 'name = "first"\n', {"total_steps": 100})
