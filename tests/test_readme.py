"""The README tells the truth: its code runs, its table is the report's."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_code_runs():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(block, names)
        assert names["model"].output_shape == (None, 10)


def test_results_are_those_of_the_committed_report():
    # The committed one: whoever follows the README writes a report of their own over it.
    shown = subprocess.run(
        ["git", "-C", str(ROOT), "show", "HEAD:results/distorted-mnist/report.md"],
        capture_output=True,
        text=True,
    )
    if shown.returncode:
        pytest.skip("not a git checkout")
    report = shown.stdout
    table = re.search(r"(?:^\|.*\n)+", report, re.MULTILINE).group()
    assert table in README


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
