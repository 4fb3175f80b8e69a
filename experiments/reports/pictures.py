"""Pictures of an evaluation."""

import textwrap

import keras
import matplotlib
import numpy as np

from cli.files import atomic_path
from experiments.data.data import as_input
from experiments.evaluation import windows
from experiments.evaluation.measure import SWEEPS, batch_size, predict_theta, transformer_of
from stn_keras.monitor import animate, epoch_pictures, middle_slices, row_names, to_rgb
from stn_keras.monitor.pictures import FRAME_COLORS

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

PER_GROUP, AT_MOST = 3, 15
FRAMES = 8
COLORS = 64  # of a still picture
CONFUSIONS_A_ROW, FEW_CLASSES, INCHES_A_CLASS = 4, 20, 0.2
MISTAKES_A_ROW = 5
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
    if mistakes := _draw_mistakes_of_best(here, results, data, folder):
        captions[mistakes] = (
            f"The worst mistakes on the {test_images.lower()}: those that the best model was "
            "surest of, with its answer, how sure it was, and the true class"
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


def _most_accurate(names, results, data):
    """Of several models the one whose seeds have the best mean."""

    def accuracy(name):
        return np.mean([r.accuracy[data.shown] for r in results if r.model == name])

    return max(names, key=accuracy)


def _draw_mistakes_of_best(here, results, data, folder):
    """The mistakes of the most accurate model, drawn if it is here; the picture's name, or None."""
    path = folder / "mistakes.png"
    best = _most_accurate(dict.fromkeys(result.model for result in results), results, data)
    if best in here and not draw_mistakes(*here[best][1:], data, path):
        path.unlink(missing_ok=True)
    return path.name if path.exists() else None


def draw_mistakes(model, result, data, path):
    """Test images in which the model was surest of a wrong class; whether there are any."""
    part = data.test[data.shown]
    (wrong,) = (result.predicted[data.shown] != part.labels).nonzero()
    if not len(wrong) or len(part.images.shape) != 4:
        return False
    images, _ = part.batch(wrong)
    sure = model.predict(images, batch_size=batch_size(images.shape[1:]), verbose=0).max(-1)
    worst = sure.argsort()[::-1][:AT_MOST]
    images, sure, wrong = images[worst], sure[worst], wrong[worst]
    has_window = transformer_of(model) is not None
    outlines = read_outlines(model, images) if has_window else ()
    columns = min(MISTAKES_A_ROW, len(wrong))
    rows = -(-len(wrong) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2 * columns, 2.6 * rows), layout="constrained", squeeze=False
    )
    for axis, place in zip(axes.flat, range(len(wrong)), strict=False):
        axis.imshow(to_rgb(images[place], (0, 1)))
        for outline, color in zip(outlines, FRAME_COLORS, strict=False):
            draw_outline(axis, outline[place], color)
        labels = result.predicted[data.shown][wrong[place]], part.labels[wrong[place]]
        answer, true = (textwrap.fill(data.class_name(label), 18) for label in labels)
        axis.set_title(f"{answer}\n{100 * sure[place]:.0f} % sure", fontsize=8, color="tab:red")
        axis.set_xlabel(f"is {true}", fontsize=8)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for axis in axes.flat[len(wrong) :]:
        axis.remove()
    _save(figure, path)
    return True


def _draw_film_of_best(names, here, results, data, folder):
    """One film a report: of the most accurate model that was watched; its path, or None."""

    def monitored(name):
        return name in here and any(here[name][0].monitor.glob("epoch-*.png"))

    films = {name: folder / f"epochs-{name}.gif" for name in names}
    watched = [name for name, film in films.items() if monitored(name) or film.exists()]
    if not watched:
        return None
    best = _most_accurate(watched, results, data)
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
    at_most = AT_MOST // 3 if len(part.images.shape) == 5 else AT_MOST
    chosen = part.examples(PER_GROUP, at_most)
    inputs = as_input(part.images[chosen])
    outputs = keras.Model(model.inputs, transformer_of(model).output).predict(inputs, verbose=0)
    rows = [inputs, *np.split(outputs, outputs.shape[-1] // inputs.shape[-1], axis=-1)]
    rows = [middle_slices(volumes) for volumes in rows] if inputs.ndim == 5 else rows
    outlines = () if inputs.ndim == 5 else read_outlines(model, inputs)
    width = 0.85 * rows[0].shape[2] / rows[0].shape[1]
    figure, axes = plt.subplots(
        len(rows),
        len(chosen),
        figsize=(width * len(chosen), 0.7 + 0.83 * len(rows)),
        layout="compressed",
        squeeze=False,
    )
    for column, number in enumerate(chosen):
        for axis, images in zip(axes[:, column], rows, strict=True):
            axis.imshow(to_rgb(images[column], (0, 1)))
            axis.set(xticks=[], yticks=[])
        for outline, color in zip(outlines, FRAME_COLORS, strict=False):
            draw_outline(axes[0, column], outline[column], color)
        label, predicted = (
            textwrap.fill(data.class_name(labels[number]), 14)
            for labels in (part.labels, result.predicted[data.shown])
        )
        group = next((name for name, mask in part.groups.items() if mask[number]), "")
        axes[0, column].set_title(group, fontsize=8)
        axes[-1, column].set_xlabel(
            predicted if predicted == label else f"{predicted},\nis {label}",
            color="black" if predicted == label else "tab:red",
            fontsize=7,
        )
    for axis, name in zip(axes[:, 0], row_names(len(rows) - 1), strict=True):
        axis.set_ylabel(name, fontsize=8)
    _save(figure, path)


def read_outlines(model, inputs):
    """Along which line each transform of a model's transformer reads the edge of its output.

    Returns:
        List of arrays (N, M, 2), (x, y) in pixels of the inputs (N, H, W, C).
    """
    transform, theta = transformer_of(model).theta_transform, predict_theta(model, inputs)
    each = theta.reshape(len(theta), -1, transform.num_parameters)
    size = inputs.shape[1:3]
    return [
        windows.read_at(transform, each[:, index], windows.outline(), size)
        for index in range(each.shape[1])
    ]


def draw_outline(axis, outline, color):
    """Draw a closed line on an image; its first quarter, the upper edge, is thick."""
    height, width = axis.images[0].get_array().shape[:2]
    closed = np.concatenate([outline, outline[:1]])
    axis.plot(*closed.T, color=color, linewidth=0.8)
    axis.plot(*closed[: len(outline) // 4 + 1].T, color=color, linewidth=2)
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def draw_confusion(results, data, path):
    """Confusion matrices on the test set shown, with only the errors colored."""
    labels, classes = data.test[data.shown].labels, data.num_classes
    matrices = []
    for result in results:
        matrix = np.zeros((classes, classes), int)
        np.add.at(matrix, (labels, result.predicted[data.shown]), 1)
        matrices.append(matrix)
    worst = max(1, max(_errors(matrix).max() for matrix in matrices))
    side = max(4.2, INCHES_A_CLASS * classes)
    columns = min(len(results), CONFUSIONS_A_ROW if classes <= FEW_CLASSES else 1)
    rows = -(-len(results) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(side * columns, (side + 0.8) * rows),
        layout="constrained",
        squeeze=False,
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
