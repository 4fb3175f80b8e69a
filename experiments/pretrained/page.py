"""The page of all cards: pretrained/README.md."""

from pathlib import Path

from cli.files import atomic_path
from experiments.catalogue import EXPERIMENTS
from experiments.pretrained.cards import FOLDER, Card
from experiments.reports.markdown import markdown_table

# experiment -> what its models are for, and whose images taught them.
USES = {
    "distorted-mnist": (
        "Digits of 28x28, white on black, as they are or turned, scaled, sheared or moved.",
        "MNIST (Yann LeCun and Corinna Cortes, CC BY-SA 3.0)",
    ),
    "cluttered-mnist": (
        "One digit among scraps of others on a canvas of 40x40.",
        "cluttered MNIST, of the images of MNIST (Yann LeCun and Corinna Cortes, CC BY-SA 3.0)",
    ),
    "gtsrb-moved": (
        "One German traffic sign at a random place of a photograph of 64x64, 43 classes.",
        "the German Traffic Sign Recognition Benchmark (Stallkamp et al. 2012, Neural Networks 32; "
        "research use) on photographs that come with scikit-image and scikit-learn",
    ),
    "paper-addition": (
        "The sum of two digits, one in each channel of 42x42, each turned, scaled and moved.",
        "MNIST (Yann LeCun and Corinna Cortes, CC BY-SA 3.0)",
    ),
}
# experiment -> module with a layer of its models that is not the library's.
MODULES = {"gtsrb-moved": "experiments.networks.finder"}
HEAD = """# Trained models

Trained by `train.py` of this repository; of several seeds the best by validation. The files hold
weights alone, no state of the optimizer; kernels are rounded to what float16 can hold, and the
figures were measured after that. Keras loads them:

```python
import keras
import stn_keras

model = keras.models.load_model("pretrained/distorted-mnist-stn-cnn.keras")
```

`python evaluate.py distorted-mnist --pretrained` measures those of an experiment on its test
images and trains nothing. It checks each file's SHA-256.

The files are under this project's [MIT license](../LICENSE). The images that they learned from are
not; each card names them.
"""


def write_page(cards: list[Card], folder: Path = FOLDER) -> None:
    """Write README.md of a folder of trained models."""
    with atomic_path(folder / "README.md") as partial:
        partial.write_text("\n".join([HEAD, *(_section(card) for card in cards)]))


def _section(card):
    use, images = USES.get(card.experiment, (EXPERIMENTS[card.experiment].title + ".", "its own"))
    schedule, made = card.schedule, card.environment
    seeds = ", ".join(map(str, card.seeds))
    chosen = f"the best of seeds {seeds} by validation" if len(card.seeds) > 1 else "the only seed"
    table = [["parameters", "validation", *card.accuracy]]
    shares = [card.validation["accuracy"], *card.accuracy.values()]
    table.append([f"{card.parameters:,}", *(f"{100 * share:.2f}" for share in shares)])
    lines = [
        f"## {card.file}",
        "",
        use,
        "",
        markdown_table(table),
        "",
        "Accuracy in percent.",
        *_windows(card),
        *_imports(card),
        "",
        f"- Trained by `{_command(card)}`: {schedule['optimizer']}, {schedule['decay']} learning "
        f"rate of at most {schedule['learning_rate']:g}, epoch {card.best_epoch} of "
        f"{card.settings['epochs']}; seed {card.settings['seed']}, {chosen}.",
        f"- Images: {images}.",
        f"- Commit {made['commit']} on {made['device']}, {made['time']}.",
        f"- SHA-256 {card.sha256}",
        "",
    ]
    return "\n".join(lines)


def _windows(card):
    if card.windows is None:
        return []
    fitted, raw = (100 * card.windows[name] for name in ("fitted", "raw"))
    return [
        "",
        f"The windows that it reads overlap the signs' boxes by {raw:.0f} % (mean of intersection "
        f"over union), by {fitted:.0f} % after one similarity of all, fitted on validation images.",
    ]


def _imports(card):
    """What is to be imported before the model is loaded, besides the library."""
    module = MODULES.get(card.experiment)
    return ["", f"It has a layer of `{module}`: import that first."] if module else []


def _command(card):
    settings = card.settings
    default = EXPERIMENTS[card.experiment].schedules["best"].of(card.model).epochs
    epochs = f" --epochs {settings['epochs']}" if settings["epochs"] != default else ""
    seeds = ",".join(map(str, card.seeds))
    return f"python train.py {card.experiment} --models {card.model}{epochs} --seeds {seeds}"
