"""README and docs/: figures are those of the records, links lead somewhere."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_the_figures_of_readme_are_in_the_records_that_it_names() -> None:
    """A row is checked against its own record, a row without one against the record named below its table."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8").split("## Results")[1].split("\n## ")[0]
    found = 0
    for part in re.split(r"(?<=\))\.", text):
        below = re.sub(r"^\|.*$", "", part, flags=re.MULTILINE)
        records = re.findall(r"\((benchmarks/results/[^)]+)\)", below)
        for row in re.findall(r"^\|.*\d.*\|$", part, re.MULTILINE):
            own = re.findall(r"\((benchmarks/results/[^)]+)\)", row) or records[:1]
            record = (REPOSITORY / own[0]).read_text(encoding="utf-8")
            for number in re.findall(r"\| ([\d.,]+)(?= |x|%)", row.split("](")[0]):
                if number != "1":
                    found += 1
                    assert number in record, f"{number} of {row} is not in {own[0]}"
    assert found >= 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        assert re.match(r"https?://", target) or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    heads = {
        re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= heads


def test_every_page_is_in_the_index() -> None:
    index = (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name
