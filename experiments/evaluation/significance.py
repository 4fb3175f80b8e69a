"""Whether two models differ by more than chance on the same test images."""

from dataclasses import replace

import numpy as np
from scipy.stats import binomtest


def compare_with_plain(experiment, results, data):
    """Every model with a transformer against its plain classifier, on every whole test set.

    Both are trained by the same schedule, though perhaps for another number of epochs.

    Runs of one seed are compared, the first for which the answers of both are noted: pooled over
    seeds the same images would count several times, as if they were others.

    Args:
        experiment: `experiments.Experiment`.
        results: `experiments.evaluation.measure.RunResult` of every run.
        data: `experiments.data.data.Data`.

    Returns:
        List of plain dictionaries.
    """
    runs = {(result.model, result.seed): result for result in results if result.predicted}
    comparisons = []
    for name, settings in {result.model: result.settings for result in results}.items():
        plain = _plain(experiment, settings)
        both = [seed for model, seed in runs if model == name and (plain, seed) in runs]
        if not both:
            continue
        one, other = runs[name, min(both)], runs[plain, min(both)]
        for test_set, part in data.test.items():
            right, plain_right = (r.predicted[test_set] == part.labels for r in (one, other))
            comparisons.append(
                {
                    "model": name,
                    "plain": plain,
                    "seed": min(both),
                    "epochs": one.settings.epochs,
                    "plain_epochs": other.settings.epochs,
                    "test_set": test_set,
                    **mcnemar(right, plain_right),
                }
            )
    return comparisons


def _plain(experiment, settings):
    """What tables call the classifier behind the transformer, trained by the same schedule."""
    model = experiment.plain(settings.model)
    return model and replace(settings, model=model, transform=None).name


def mcnemar(right, plain_right):
    """Exact McNemar test, two-sided, of right answers (N,) bool to the same questions.

    Example:
        >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [True]))
        {'only_model_right': 6, 'only_plain_right': 1, 'p_value': 0.125}
    """
    gained, lost = int(np.sum(right & ~plain_right)), int(np.sum(plain_right & ~right))
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return {"only_model_right": gained, "only_plain_right": lost, "p_value": p_value}
