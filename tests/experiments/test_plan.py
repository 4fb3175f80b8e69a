"""What train.py and evaluate.py are to do, without a command line around it."""

import json
from dataclasses import replace

import pytest

import evaluate as evaluate_command
import train as train_command
from cli.errors import UserError
from experiments import EXPERIMENTS
from experiments.arguments import (
    DEFAULT_EXPERIMENT,
    data_arguments,
    evaluation_arguments,
    training_arguments,
)
from experiments.data.loading import DataOnDemand
from experiments.reports.compare import training_command
from experiments.training.plan import plan
from tests.support.training import TINY, TINY_DATA


def planned(experiment, *options):
    """The jobs that these options of train.py ask for."""
    arguments = training_arguments(["mnist", *map(str, options)])
    data = DataOnDemand(experiment, **data_arguments(experiment, arguments))
    return plan(arguments, experiment, data)


def test_a_plan_has_a_job_for_every_run_and_changes_nothing(tmp_path):
    jobs = planned(TINY, "--runs-dir", tmp_path, "--seeds", "0,1", "--epochs", "4")
    assert [(job.step, job.settings.model, job.settings.seed) for job in jobs] == [
        ("train", "tiny", 0),
        ("train", "stn-tiny", 0),
        ("train", "tiny", 1),
        ("train", "stn-tiny", 1),
    ]
    assert {job.settings.epochs for job in jobs} == {4}
    assert jobs[0].schedule == TINY.schedules["best"].of("tiny").described
    assert not list(tmp_path.iterdir())


def test_a_plan_resumes_what_is_begun_and_skips_what_is_done(tmp_path):
    done, begun = planned(TINY, "--runs-dir", tmp_path)
    for job in (done, begun):
        job.run.start(job.settings, {}, TINY_DATA.parameters, job.schedule)
    done.run.metrics.write_text("{}")
    with pytest.raises(UserError, match="pass --resume or --overwrite"):
        planned(TINY, "--runs-dir", tmp_path)
    steps = [job.step for job in planned(TINY, "--runs-dir", tmp_path, "--resume")]
    assert steps == ["skip", "resume"]
    steps = [job.step for job in planned(TINY, "--runs-dir", tmp_path, "--overwrite")]
    assert steps == ["overwrite", "overwrite"]


def test_a_plan_takes_no_run_of_another_schedule(tmp_path):
    for job in planned(TINY, "--runs-dir", tmp_path):
        job.run.start(job.settings, {}, TINY_DATA.parameters, {**job.schedule, "optimizer": "SGD"})
    with pytest.raises(UserError, match="another schedule, which --overwrite discards: optimizer"):
        planned(TINY, "--runs-dir", tmp_path, "--resume")


def test_data_are_loaded_for_a_plan_where_they_decide_the_batch_size(tmp_path, capsys):
    loads = []

    def load(**where):
        loads.append(where)
        return TINY_DATA

    pictures = replace(TINY, any_size=True, load_data=load)
    jobs = planned(pictures, "--runs-dir", tmp_path, "--batch-size", "50")
    assert (loads, jobs[0].settings.batch_size) == ([], 50)
    few = {"best": replace(TINY.schedules["best"], batch_size=50)}
    jobs = planned(replace(pictures, schedules=few), "--runs-dir", tmp_path)
    assert (len(loads), jobs[0].settings.batch_size) == (1, 40)
    assert "batches of 40 images" in capsys.readouterr().out


def test_devices_share_batches_evenly(tmp_path):
    with pytest.raises(UserError, match="--batch-size divisible by the 3 devices, got 10"):
        planned(TINY, "--runs-dir", tmp_path, "--devices", "3", "--batch-size", "10")


@pytest.fixture
def default_is_tiny(monkeypatch, tmp_path):
    """The default experiment is the tiny one, with a report that tells its cost."""
    experiment = replace(TINY, name=DEFAULT_EXPERIMENT)
    monkeypatch.setitem(EXPERIMENTS, DEFAULT_EXPERIMENT, experiment)
    monkeypatch.setenv("STN_RESULTS_DIR", str(tmp_path / "results"))
    folder = tmp_path / "results" / DEFAULT_EXPERIMENT
    folder.mkdir(parents=True)
    run = {
        "settings": {
            "epochs": 10,
            "batch_size": TINY.schedules["best"].batch_size,
            "schedule": "best",
        },
        "environment": {"device": "abacus"},
    }
    models = [{"network": name, "training_seconds": 600, "runs": [run]} for name in TINY.models]
    (folder / "report.json").write_text(json.dumps({"models": models}))
    return folder


def test_without_an_experiment_the_default_is_trained(
    default_is_tiny, monkeypatch, tmp_path, capsys
):
    arguments = ["train.py", "--runs-dir", str(tmp_path), "--epochs", "3", "--dry-run"]
    monkeypatch.setattr("sys.argv", arguments)
    train_command.main()
    first, *jobs = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"no experiment named: {DEFAULT_EXPERIMENT}, 6.0 minutes where it was measured (abacus); "
        "the others are distorted-mnist-strong, "
    )
    assert f" {DEFAULT_EXPERIMENT}, " not in first.split(";")[1]
    assert [line.split()[:2] for line in jobs] == [["train", "tiny,"], ["train", "stn-tiny,"]]
    (default_is_tiny / "report.json").unlink()
    train_command.main()
    assert capsys.readouterr().out.startswith(f"no experiment named: {DEFAULT_EXPERIMENT}; ")


def test_without_runs_the_committed_table_and_a_command_are_shown(
    default_is_tiny, monkeypatch, tmp_path, capsys
):
    table = "| model | test |\n| ----- | ---: |\n| tiny  | 75.0 |"
    text = f"# Tiny\n\nAccuracy.\n\n{table}\n\n## More\n\n| a | b |\n"
    (default_is_tiny / "report.md").write_text(text)
    monkeypatch.setattr("sys.argv", ["evaluate.py", DEFAULT_EXPERIMENT])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"found none; python train\.py makes them$"):
        evaluate_command.main()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"no finished runs; the table of {default_is_tiny / 'report.md'}:"
    assert "\n".join(shown[2:]).strip() == table
    assert (default_is_tiny / "report.md").read_text() == text


def test_the_command_that_makes_runs_repeats_what_it_needs():
    for options in (["mnist"], ["mnist", "--runs-dir", "my runs", "--data-dir", "data"]):
        command = training_command(EXPERIMENTS["mnist"], evaluation_arguments(options))
        assert command.split()[:3] == ["python", "train.py", "mnist"]
    assert command.endswith("mnist --runs-dir 'my runs' --data-dir data")
