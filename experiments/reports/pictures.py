"""Pictures of an evaluation."""

import keras
import matplotlib
import numpy as np

from cli.files import atomic_path
from experiments.data.data import as_input
from experiments.evaluation.measure import SWEEPS, transformer_of
from stn_keras.monitor import animate, epoch_pictures, middle_slices, row_names, to_rgb

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

PER_GROUP, AT_MOST = 3, 15
FRAMES = 8
COLORS = 64  # of a still picture
CONFUSIONS_A_ROW = 4
# Dashes distinguish the models after the last color.
LINES = plt.cycler(linestyle=["-", "--", ":"]) * plt.rcParams["axes.prop_cycle"]


def draw_all(evaluated, results, data, folder):
    """Draw what a report shows, of the first seed of every model.

    What a transformer does takes a model that is here; of others the report has pictures already.

    Args:
        evaluated: (run, Keras model, `experiments.evaluation.measure.RunResult`) of every run here.
        results: `RunResult` of every run of the report.
        data: `experiments.data.data.Data`.
        folder: where the report lies.

    Returns:
        Dictionary file name -> caption.
    """
    here = {result.model: (run, model, result) for run, model, result in reversed(evaluated)}
    test_images = (
        "Test images" if data.shown == "test" else f"{data.shown} test images".capitalize()
    )
    captions = {}
    names = list(dict.fromkeys(result.model for result in results))
    for name in names:
        picture = folder / f"transformed-{name}.png"
        if name in here and transformer_of(here[name][1]) is not None:
            draw_transformer(*here[name][1:], data, picture)
        if picture.exists():
            captions[picture.name] = (
                f"{test_images} above what the transformer of {name} made of them, with "
                "the class it then predicts"
            )
    if film := _draw_film_of_best(names, here, results, data, folder):
        name = film.stem.removeprefix("epochs-")
        captions[film.name] = f"What the transformer of {name} learned, epoch by epoch"
    measured = "validation" if data.validation else "training"
    if data.swept:
        draw_curves(_first_seeds(results, "sweeps"), folder / "curves.png")
        captions["curves.png"] = "Accuracy against rotation, scale and shift"
    if answered := _first_seeds(results, "predicted"):
        draw_confusion(answered, data, folder / "confusion.png")
        captions["confusion.png"] = f"Confusion matrices on the {test_images.lower()}"
    if watched := _first_seeds(results, "history"):
        draw_learning(watched, measured, folder / "learning.png")
        captions["learning.png"] = f"{measured.capitalize()} error by epoch, on logarithmic axes"
    return captions


def _first_seeds(results, noted):
    """The first result of every model that has this noted."""
    first = {}
    for result in results:
        if getattr(result, noted):
            first.setdefault(result.model, result)
    return list(first.values())


def _draw_film_of_best(names, here, results, data, folder):
    """One film a report: of the most accurate model that was watched; its path, or None."""

    def monitored(name):
        return name in here and any(here[name][0].monitor.glob("epoch-*.png"))

    def accuracy(name):
        return np.mean([r.accuracy[data.shown] for r in results if r.model == name])

    films = {name: folder / f"epochs-{name}.gif" for name in names}
    watched = [name for name, film in films.items() if monitored(name) or film.exists()]
    if not watched:
        return None
    best = max(watched, key=accuracy)
    if monitored(best):
        draw_film(here[best][0].monitor, films[best])
    for name in set(watched) - {best}:
        films[name].unlink(missing_ok=True)
    return films[best]


def draw_film(folder, path):
    """A short GIF of a monitor's pictures, the first and the last among them."""
    drawn = list(epoch_pictures(folder).values())
    chosen = np.unique(np.linspace(0, len(drawn) - 1, min(FRAMES, len(drawn))).round().astype(int))
    animate([drawn[number] for number in chosen], path)


def draw_transformer(model, result, data, path):
    """Test images above what each transform made of them, with the predicted class."""
    part = data.test[data.shown]
    # A volume takes the room of three images.
    at_most = AT_MOST // 3 if part.images.ndim == 5 else AT_MOST
    chosen = part.examples(PER_GROUP, at_most)
    inputs = as_input(part.images[chosen])
    outputs = keras.Model(model.inputs, transformer_of(model).output).predict(inputs, verbose=0)
    rows = [inputs, *np.split(outputs, outputs.shape[-1] // inputs.shape[-1], axis=-1)]
    rows = [middle_slices(volumes) for volumes in rows] if inputs.ndim == 5 else rows
    width = 0.85 * rows[0].shape[2] / rows[0].shape[1]
    figure, axes = plt.subplots(
        len(rows),
        len(chosen),
        figsize=(width * len(chosen), 0.5 + 0.83 * len(rows)),
        layout="compressed",
        squeeze=False,
    )
    for column, number in enumerate(chosen):
        for axis, images in zip(axes[:, column], rows, strict=True):
            axis.imshow(to_rgb(images[column], (0, 1)))
            axis.set(xticks=[], yticks=[])
        label = data.class_name(part.labels[number])
        predicted = data.class_name(result.predicted[data.shown][number])
        group = next((name for name, mask in part.groups.items() if mask[number]), "")
        axes[0, column].set_title(group, fontsize=8)
        axes[-1, column].set_xlabel(
            predicted if predicted == label else f"{predicted},\nis {label}",
            color="black" if predicted == label else "tab:red",
            fontsize=9,
        )
    for axis, name in zip(axes[:, 0], row_names(len(rows) - 1), strict=True):
        axis.set_ylabel(name, fontsize=8)
    _save(figure, path)


def draw_confusion(results, data, path):
    """Confusion matrices on the test set shown, with only the errors colored."""
    labels, classes = data.test[data.shown].labels, data.num_classes
    matrices = []
    for result in results:
        matrix = np.zeros((classes, classes), int)
        np.add.at(matrix, (labels, result.predicted[data.shown]), 1)
        matrices.append(matrix)
    worst = max(1, max(_errors(matrix).max() for matrix in matrices))
    columns = min(len(results), CONFUSIONS_A_ROW)
    rows = -(-len(results) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.2 * columns, 5 * rows), layout="constrained", squeeze=False
    )
    names = [data.class_name(label) for label in range(classes)]
    for axis, result, matrix in zip(axes.flat, results, matrices, strict=False):
        _draw_matrix(axis, matrix, worst)
        axis.set(
            title=f"{result.model}\n{_errors(matrix).sum():,} errors of {matrix.sum():,}",
            xlabel="predicted",
            ylabel="true",
            xticks=range(classes),
            yticks=range(classes),
            yticklabels=names,
        )
        axis.set_xticklabels(names, rotation=90 if data.classes else 0)
    for axis in axes.flat[len(results) :]:
        axis.remove()
    _save(figure, path)


def _errors(matrix):
    """A confusion matrix without what is right."""
    return matrix - np.diag(np.diag(matrix))


def _draw_matrix(axis, matrix, worst):
    """Errors from white to red, `worst` of them the reddest, and every count as a number."""
    errors = _errors(matrix)
    axis.imshow(errors, cmap="Reds", vmin=0, vmax=worst)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            color = "white" if errors[row, column] > worst / 2 else "black"
            axis.text(column, row, count, ha="center", va="center", fontsize=6.5, color=color)


def draw_curves(results, path):
    """Accuracy against rotation, scale and shift."""
    figure, axes = plt.subplots(
        1, len(SWEEPS), figsize=(12, 3.6), layout="constrained", sharey=True
    )
    for axis, (label, (_, values)) in zip(axes, SWEEPS.items(), strict=True):
        axis.set_prop_cycle(LINES)
        for result in results:
            axis.plot(values, 100 * np.array(result.sweeps[label]), marker=".", label=result.model)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy (%)")
    axes[-1].legend(loc="lower center")
    _save(figure, path)


def draw_learning(results, measured, path):
    """Error by epoch, "validation" or "training".

    Logarithmic axes tell models apart that differ by tenths of a percent, after tens of epochs or
    hundreds. An error of 0 is below the picture.
    """
    column = {"validation": "val_accuracy", "training": "accuracy"}[measured]
    figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
    axis.set_prop_cycle(LINES)
    for result in results:
        errors = [100 * (1 - row[column]) for row in result.history]
        epochs = range(1, len(errors) + 1)
        axis.loglog(epochs, errors, marker=".", markersize=3, label=result.model)
    axis.set(xlabel="epoch", ylabel=f"{measured} error (%)")
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter("{x:g}")
        scale.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    _save(figure, path)


def _save(figure, path):
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=110)
        shrink(partial)
    plt.close(figure)


def shrink(path):
    """Rewrite a PNG with a palette, a third of its size or less."""
    with Image.open(path) as picture:
        palette = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    palette.save(path, format="PNG", optimize=True)
