"""The README's tables are those of the reports."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def committed(path):
    """Text of a committed file: whoever follows the README writes a report of their own over it."""
    shown = subprocess.run(
        ["git", "-C", str(ROOT), "show", f"HEAD:{path}"], capture_output=True, text=True
    )
    if shown.returncode:
        pytest.skip("not a git checkout")
    return shown.stdout


def test_results_are_those_of_the_committed_report():
    report = committed("results/distorted-mnist/report.md")
    table = re.search(r"(?:^\|.*\n)+", report, re.MULTILINE).group()
    assert table in README


def test_the_papers_table_is_that_of_the_committed_reports():
    table = re.search(r"^\| network \|.*\n(?:^\|.*\n)+", README, re.MULTILINE).group()
    (_, *columns), _, *rows = (
        [cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()
    )
    assert columns == ["R", "RTS", "P", "E", "TC", "addition"]
    for network, *cells in rows:
        assert any(cells), network
        assert cells == [papers_cell(column, network) for column in columns], network


def papers_cell(column, network):
    """What the table shows of a network: published and own accuracy; nothing where none ran."""
    report = json.loads(committed(f"results/paper-{column.lower()}/report.json"))
    name = network.lower().replace("st-", "stn-").replace(" affine", "")
    name = name.replace("projective", "homography").replace(" ", "-")
    for model in report["models"]:
        if model["model"] == name:
            accuracy = f"{100 * model['accuracy']['test']['mean']:.2f}"
            published = model["published"].get("test")
            return f"{published} → {accuracy}" if published else accuracy
    return ""


def test_the_table_of_first_tries_is_that_of_the_benchmark():
    page = (ROOT / "docs" / "experiments.md").read_text()
    table = re.search(r"^\| folder \|.*\n(?:^\|.*\n)+", page, re.MULTILINE).group()
    _, _, *lines = (
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()
    )
    measured = {
        (row["folder"], row["model"], row["label"]): [f"{row['accuracy']:.2f}", str(row["seconds"])]
        for row in json.loads(committed("results/benchmarks/image-folder-cpu2.json"))["rows"]
    }
    assert len(lines) == 6
    for folder, model, *cells in lines:
        key = folder.split("`")[1], model.strip("`")
        assert cells == [*measured[*key, "before"], *measured[*key, "now"]]
