"""The trained models that come along are what their cards say, and are measured by one command."""

import os
import re
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest

import experiments.networks.finder  # noqa: F401  registers a layer of one of the models
from cli.errors import UserError
from experiments import EXPERIMENTS
from experiments.pretrained import keep as keeping
from experiments.pretrained.cards import FOLDER, cards_of, read_cards, sha256_of, write_cards
from experiments.pretrained.page import write_page
from experiments.training.run_folder import VALIDATED_HISTORY, run_of
from tests.support.commands import DIGITS, ROOT, refused, run, settings_of

CARDS = read_cards()
of_every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.file)


@of_every_card
def test_a_model_is_what_its_card_says(card):
    path = card.checked_path()
    assert path.stat().st_size <= keeping.MOST_BYTES
    assert "-dirty" not in card.environment["commit"]
    with zipfile.ZipFile(path) as archive:
        assert "optimizer" not in archive.read("config.json").decode().lower()
    model = keras.models.load_model(path)
    assert model.count_params() == card.parameters
    assert getattr(model, "optimizer", None) is None


def test_the_page_is_that_of_the_cards(tmp_path):
    write_page(CARDS, tmp_path)
    assert (tmp_path / "README.md").read_text() == (FOLDER / "README.md").read_text()
    models = {path.name for path in FOLDER.glob("*.keras")}
    assert models == {card.file for card in CARDS}


def test_another_file_than_the_cards_is_refused(tmp_path):
    card = CARDS[0]
    with pytest.raises(UserError, match="found none"):
        card.checked_path(tmp_path)
    content = bytearray((FOLDER / card.file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / card.file).write_bytes(content)
    with pytest.raises(UserError, match=f"SHA-256 {card.sha256}, got"):
        card.checked_path(tmp_path)


def test_damaged_cards_are_refused(tmp_path):
    (tmp_path / "cards.json").write_text('[{"experiment": "mnist"}]')
    with pytest.raises(UserError, match=r"cards of trained models in .*cards\.json"):
        read_cards(tmp_path)


def test_an_experiment_without_trained_models_is_refused():
    assert "distorted-mnist" in refused("evaluate.py", "mnist", "--pretrained")
    assert "writes no report" in refused("evaluate.py", "--pretrained", "--all")


def test_a_bare_evaluate_measures_them_without_any_file(tmp_path):
    code, out, err = run(ROOT / "evaluate.py", cwd=tmp_path, env={"STN_DATA_DIR": str(tmp_path)})
    assert code == 0, err
    assert out.startswith("no experiment named: distorted-mnist; the others are ")
    assert "scikit-learn's digits instead" in out
    rows = dict(re.findall(r"\| \*\*(\S+)\*\* +\| +[\d,]+ +\| +([\d.]+)", out))
    assert rows.keys() == {card.model for card in cards_of("distorted-mnist")}
    assert all(float(share) > 75 for share in rows.values())


def test_on_mnist_the_figures_are_those_of_the_cards(tmp_path):
    folder = os.environ.get("STN_DATA_DIR", "absent")
    if not os.path.exists(f"{folder}/mnist.npz"):
        pytest.skip("no MNIST at hand; STN_DATA_DIR names its folder")
    code, out, err = run(ROOT / "evaluate.py", "distorted-mnist", "--pretrained", cwd=tmp_path)
    assert code == 0, err
    measured = re.findall(r"\| \*\*\S+\*\* +\| +[\d,]+ +\|(.*)\|", out)
    on_card = re.findall(r"\| its card +\| +\|(.*)\|", out)
    assert len(measured) == len(cards_of("distorted-mnist"))
    np.testing.assert_allclose(
        [[float(cell) for cell in row.split("|")] for row in measured],
        [[float(cell) for cell in row.split("|")] for row in on_card],
        atol=0.03,
    )


@pytest.fixture
def two_runs(tmp_path):
    """Two finished runs of an untrained CNN; the second one was better in validation."""
    experiment = EXPERIMENTS[DIGITS]
    data = experiment.load_data(folder=tmp_path / DIGITS)
    for seed, loss in ((0, 0.9), (1, 0.4)):
        settings = replace(settings_of("cnn"), seed=seed)
        made = run_of(tmp_path, settings)
        described = experiment.schedule_of(settings).described
        environment = {"device": "CPU", "commit": "0" * 40, "time": "then"}
        made.start(settings, environment, data.parameters, described)
        keras.utils.set_random_seed(seed)
        experiment.build_model("cnn", (28, 28, 1), 10).save(made.best_model)
        made.metrics.write_text('{"best_epoch": 1, "epochs": 1}')
        row = f"0,2,0.5,1.0,{loss},0.1"
        made.history.write_text(f"{','.join(VALIDATED_HISTORY)}\n{row}\n")
    return tmp_path


def test_the_best_seed_by_validation_is_kept(two_runs, tmp_path):
    folder = tmp_path / "pretrained"
    path = keeping.keep(EXPERIMENTS[DIGITS], "cnn", two_runs, folder=folder)
    (card,) = read_cards(folder)
    assert (card.settings["seed"], card.seeds, card.validation["loss"]) == (1, [0, 1], 0.4)
    assert card.sha256 == sha256_of(path)
    run_folder = run_of(two_runs, replace(settings_of("cnn"), seed=1))
    trained = keras.models.load_model(run_folder.best_model)
    for kept, before in zip(
        keras.models.load_model(path).get_weights(), trained.get_weights(), strict=True
    ):
        np.testing.assert_allclose(kept, before, rtol=2**-11, atol=1e-7)


def test_a_model_is_replaced_by_a_better_run_alone(two_runs, tmp_path):
    folder = tmp_path / "pretrained"
    keeping.keep(EXPERIMENTS[DIGITS], "cnn", two_runs, folder=folder)
    (card,) = read_cards(folder)
    for kept, replaced in ((card, False), (_with_loss(card, 0.5), True)):
        write_cards([kept], folder)
        ((found, path),) = keeping.keep_better(two_runs, folder=folder)
        assert (found, bool(path)) == (kept, replaced)
        assert [known.validation for known in read_cards(folder)] == [card.validation]
    other_images = replace(_with_loss(card, 0.5), data={"seed": 7})
    write_cards([other_images], folder)
    assert list(keeping.keep_better(two_runs, folder=folder)) == [(other_images, None)]


def _with_loss(card, loss):
    return replace(card, validation={**card.validation, "loss": loss})


def test_a_model_without_a_finished_run_is_refused(tmp_path):
    arguments = ("-m", "experiments.pretrained", DIGITS)
    assert "finished run of cnn" in refused(*arguments, "cnn", "--runs-dir", tmp_path)
    assert "MODEL from cnn, stn-cnn, got resnet" in refused(*arguments, "resnet")
