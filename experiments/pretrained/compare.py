"""Measure the trained models that come along; nothing is trained."""

import argparse

import numpy as np

from cli.errors import UserError
from cli.startup import import_keras
from experiments.arguments import data_arguments
from experiments.catalogue import EXPERIMENTS
from experiments.experiment import Experiment
from experiments.pretrained.cards import cards_of
from experiments.reports.markdown import markdown_table

# experiment -> one whose images need no file, for where its own cannot be had.
STAND_INS = {"distorted-mnist": "distorted-digits"}


def compare_pretrained(experiment: Experiment, arguments: argparse.Namespace) -> None:
    """Print the accuracy of an experiment's trained models on its test images.

    Args:
        experiment: `Experiment`.
        arguments: as `experiments.arguments.evaluation_arguments` gives them.

    Raises:
        UserError: there are no such models, one is not what its card says, or there are no images.
    """
    cards = cards_of(experiment.name)
    paths = [card.checked_path() for card in cards]
    test, stand_in = _test_images(experiment, arguments)
    import_keras("stn_keras")
    from experiments.evaluation.measure import predict
    from experiments.training.checkpoint import load_model

    rows = []
    for card, path in zip(cards, paths, strict=True):
        model = load_model(path, next(iter(test.values())).images.shape[1:])
        shares = _shares(test, {name: predict(model, part) for name, part in test.items()})
        rows.append([f"**{card.model}**", f"{card.parameters:,}", *map(_percent, shares.values())])
        if not stand_in:
            rows.append(["its card", "", *(_percent(card.accuracy[name]) for name in shares)])
    rows.insert(0, ["model", "parameters", *shares])
    print(f"{experiment.title}: accuracy of the trained models in pretrained/, in percent\n")
    print(f"{markdown_table(rows)}\n")
    counts = ", ".join(f"{name} {len(part.labels):,}" for name, part in test.items())
    print(f"Test images: {counts}{stand_in}.")


def _shares(test, predicted):
    """Test set or group of one -> share of right answers; the whole sets first."""
    right = {name: predicted[name] == part.labels for name, part in test.items()}
    groups = {
        group: right[name][mask]
        for name, part in test.items()
        for group, mask in part.groups.items()
    }
    return {name: np.mean(answers) for name, answers in {**right, **groups}.items()}


def _percent(share):
    return f"{100 * share:.2f}"


def _test_images(experiment, arguments):
    """Name -> test images, and what is to be said of them where they are not the experiment's."""
    try:
        return experiment.test_images(**data_arguments(experiment, arguments)), ""
    except UserError as error:
        other = EXPERIMENTS.get(STAND_INS.get(experiment.name))
        if other is None or arguments.data_dir:
            raise
        print(f"{error}\nmeasured on scikit-learn's digits instead, which no model has seen\n")
        images = other.test_images(folder=arguments.runs_dir / other.name)
        return images, " of scikit-learn's digits; those of MNIST give the figures of the cards"
