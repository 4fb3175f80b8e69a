"""The figures of README and docs are those of the committed results."""

import json
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text()


def committed(path):
    """Text of a committed file: whoever follows the pages overwrites results with their own."""
    shown = subprocess.run(
        ["git", "-C", str(ROOT), "show", f"HEAD:{path}"], capture_output=True, text=True
    )
    if shown.returncode:
        pytest.skip("not a git checkout")
    return shown.stdout


def table_of(page, first_column):
    """Header and rows, as lists of cells, of the table whose header begins with a cell."""
    table = re.search(rf"^\| {re.escape(first_column)} +\|.*\n(?:^\|.*\n)+", page, re.MULTILINE)
    header, _, *rows = (
        [cell.strip() for cell in row.strip().strip("|").split("|")]
        for row in table.group().splitlines()
    )
    return header, rows


def model_of(experiment, name):
    """A model's entry in the report, None if it was not run."""
    models = json.loads(committed(f"results/{experiment}/report.json"))["models"]
    return next((model for model in models if model["model"] == name), None)


def accuracy(experiment, name, images="test"):
    """Ours, as 99.09 ± 0.09; the error if there are several seeds, nothing for no model."""
    model = model_of(experiment, name)
    if model is None:
        return ""
    found = model["accuracy"][images]
    error = found["standard_error"]
    return f"{100 * found['mean']:.2f}" + (f" ± {100 * error:.2f}" if error is not None else "")


def published(experiment, name, images="test"):
    """The published figure of a model; nothing if there is none."""
    figure = model_of(experiment, name)["published"].get(images)
    return "" if figure is None else str(figure)


def beside_published(experiment, name, images="test"):
    """Both, as 98.76 → 99.44 ± 0.01; ours only if nothing was published."""
    figures = published(experiment, name, images), accuracy(experiment, name, images)
    return " → ".join(filter(None, figures))


def words_wrong():
    """Percent of the words of test pictures, by model and by how they lie."""
    measured = json.loads(committed("results/benchmarks/text-rectification-cpu2.json"))
    return measured["words_wrong_in_percent"]


def test_the_page_on_text_has_the_benchmarks_figures():
    wrong = words_wrong()
    _, rows = table_of(page("text-rectification.md"), "words with a wrong letter, %")
    for row, name in zip(rows, ("alone", "rectified"), strict=True):
        assert row[1:] == [f"{wrong[f'{name}, {lie}']:.2f}" for lie in ("straight", "bent")]


def test_the_front_page_has_the_reports_figures():
    _, rows = table_of(README, "experiment")
    expected = [
        ("distorted-mnist", "dense", "distorted"),
        ("distorted-mnist", "cnn", "distorted"),
        ("mnist", "cnn", "test"),
        ("cluttered-mnist", "cnn", "test"),
        ("cifar10", "lenet", "test"),
        ("paper-rts", "fcn", "test"),
        ("gtsrb-moved", "cnn", "test"),
    ]
    *rows, text = rows
    assert len(rows) == len(expected)
    wrong = words_wrong()
    assert text[2:] == [f"{100 - wrong[f'{name}, bent']:.2f}" for name in ("alone", "rectified")]
    for (*_, alone, behind), (experiment, name, images) in zip(rows, expected, strict=True):
        assert alone == beside_published(experiment, name, images)
        assert behind == beside_published(experiment, f"stn-{name}", images)


def test_the_front_page_has_the_benchmarks_figures():
    sampler, step, distortion = (
        json.loads(committed(f"results/benchmarks/{name}-cpu2.json"))
        for name in ("sampler", "training-step", "distortion")
    )
    for backend, name in (("tensorflow", "TensorFlow"), ("jax", "JAX"), ("torch", "torch")):
        content = sampler["backends"][backend]
        ratios = [cell["times_torch"]["ours"] for cell in content["cells"]]
        mean = content["summary"]["ours"]["geometric_mean"]
        assert f"{name} {mean:.2f} ({min(ratios):.2f} to {max(ratios):.2f})" in README
    steps, times = step["steps_per_execution"], step["times_torch_channels_last"]
    assert f"`steps_per_execution={steps}`: {times} times the speed of torch" in README
    assert f"{distortion['times_imgaug']} times the speed of imgaug" in README


def page(name):
    return (ROOT / "docs" / name).read_text()


def test_the_textbook_s_sampler_is_that_of_the_benchmark():
    content = json.loads(committed("results/benchmarks/sampler-cpu2.json"))
    times = [cell["times_textbook"] for cell in content["backends"]["tensorflow"]["cells"]]
    mean = statistics.geometric_mean(times)
    assert f"{min(times):.1f} to {max(times):.1f} times as fast, geometric mean {mean:.1f}." in (
        page("performance.md").replace("\n ", "")
    )


def rows_of(markdown):
    """Cells of a Markdown table, as lists."""
    header, _, *rows = markdown.splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in (header, *rows)]


def test_registration_is_that_of_the_benchmark():
    from benchmarks.registration import table

    content = json.loads(committed("results/benchmarks/registration-cpu2.json"))
    header, rows = table_of(page("registration.md"), "method")
    assert [header, *rows] == rows_of(table(content))
    first = content["first_seconds"]
    assert f"takes {first['process']:.1f} s" in page("registration.md")
    assert f"the same size {first['same_size']:.1f} s" in page("registration.md")


def test_volumes_are_those_of_the_benchmarks():
    from benchmarks.head_registration import table
    from benchmarks.sampler import paths_table

    content = json.loads(committed("results/benchmarks/volumes-cpu2.json"))
    header, rows = table_of(page("volumes.md"), "shape, what")
    assert [header, *rows] == rows_of(paths_table(content["backends"]))
    content = json.loads(committed("results/benchmarks/head-registration-cpu2.json"))
    header, rows = table_of(page("volumes.md"), "stage")
    assert [header, *rows] == rows_of(table(content["stages"]))
    report = committed("results/digits-3d/report.md")
    assert re.search(r"(?:^\|.*\n)+", report, re.MULTILINE).group() in page("volumes.md")
    copy = content["moved_copy"]
    assert f"{copy['start']} voxels" in page("volumes.md")
    assert f"within {copy['error']:.4f} voxels" in page("volumes.md")


def test_where_to_put_a_transformer_is_that_of_the_benchmark():
    from benchmarks.image_folder import table

    content = json.loads(committed("results/benchmarks/image-folder-cpu2.json"))
    header, rows = table_of(page("real-pictures.md"), "transformer")
    assert [header, *rows] == rows_of(table(content["rows"]))


def test_what_large_pictures_cost_is_that_of_the_benchmark():
    from benchmarks.picture_sizes import table

    content = json.loads(committed("results/benchmarks/picture-sizes-cpu2.json"))
    text = page("real-pictures.md")
    header, rows = table_of(text, "a training step")
    assert [header, *rows] == rows_of(table(content["rows"]))
    alone, cut = (
        next(row for row in content["rows"] if (row["place"], row["side"]) == (place, 512))
        for place in ("none", "crop")
    )
    assert round(cut["pictures_per_second"] / alone["pictures_per_second"]) == 8
    assert round(alone["mebibytes_a_picture"] / cut["mebibytes_a_picture"]) == 7
    assert "eight times as fast as the network alone, in a seventh of the memory" in text


@pytest.mark.parametrize("experiment", ["distorted-mnist", "gtsrb", "gtsrb-moved"])
def test_tables_of_accuracy_are_those_of_the_reports(experiment):
    report = committed(f"results/{experiment}/report.md")
    assert re.search(r"(?:^\|.*\n)+", report, re.MULTILINE).group() in RESULTS


def test_what_moved_signs_lose_is_that_of_the_reports():
    windows, alone, behind = (
        float(accuracy(experiment, name, "test").removesuffix(" (1)"))
        for experiment, name in (
            ("gtsrb-moved-windows", "cnn"),
            ("gtsrb-moved", "cnn"),
            ("gtsrb-moved", "stn-cnn"),
        )
    )
    assert f"the same CNN reaches {windows:.2f}. The transformer loses {windows - behind:.1f}" in (
        RESULTS.replace("\n", " ")
    )
    assert f"the CNN alone loses {windows - alone:.1f};" in RESULTS.replace("\n", " ")


def test_what_windows_of_moved_signs_enclose_is_that_of_the_report():
    report = json.loads(committed("results/gtsrb-moved/report.json"))
    (windows,) = (model["windows"] for model in report["models"] if model["windows"])
    raw, fitted = (f"{100 * windows[name]:.0f} %" for name in ("raw", "fitted"))
    text = RESULTS.replace("\n", " ")
    assert f"The windows overlap the signs by {raw}, and by {fitted} after one similarity" in text
    (turn,) = re.findall(r"follows (\d+ %) of a turn", committed("results/gtsrb-moved/report.md"))
    assert f"take back {turn}" in text
    (card,) = (
        card
        for card in json.loads((ROOT / "pretrained" / "cards.json").read_text())
        if card["experiment"] == "gtsrb-moved" and card["model"] == "stn-cnn"
    )
    assert f"where it reaches {100 * card['validation']['accuracy']:.2f}" in text


def test_published_networks_are_those_of_the_reports():
    _, rows = table_of(RESULTS, "`train.py`")
    expected = [
        ("mnist", "cnn", "stn-cnn", "test"),
        ("cifar10", "lenet", "stn-lenet", "test"),
        ("cifar10-eva6", "cnn", "stn-cnn", "test"),
        ("cluttered-mnist", "cnn", "stn-cnn", "test"),
        ("cluttered-mnist", None, "stn-dense", "test"),
        ("distorted-mnist-strong", "dense", "stn-dense", "original"),
        ("distorted-mnist-strong", "dense", "stn-dense", "distorted"),
        ("mnist-1000", "cnn", "stn-cnn", "test"),
    ]
    for (*_, figure, same, without, behind, _), (experiment, cnn, stn, images) in zip(
        rows, expected, strict=True
    ):
        assert figure == published(experiment, stn, images)
        assert same == accuracy(experiment, f"{stn}-published", images)
        assert without == (accuracy(experiment, cnn, images) if cnn else "")
        assert behind == accuracy(experiment, stn, images)


@pytest.mark.parametrize("schedule", ["", "-published"])
def test_the_papers_tables_are_those_of_the_reports(schedule):
    page = RESULTS[RESULTS.index("### By the paper's own schedule") :] if schedule else RESULTS
    header, rows = table_of(page, "network")
    columns = header[1:]
    assert columns == ["R", "RTS", "P", "E", "TC", "addition"][: len(columns)]
    for network, *cells in rows:
        name = network.lower().replace("st-", "stn-").replace(" affine", "")
        name = name.replace("projective", "homography").replace(" ", "-") + schedule
        experiments = [f"paper-{column.lower()}" for column in columns]
        assert cells == [
            beside_published(experiment, name) if model_of(experiment, name) else ""
            for experiment in experiments
        ]
        assert any(cells)
