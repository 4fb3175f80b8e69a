"""python examples/text_rectification.py: curved lines of text, straightened, then read.

A small recognizer (convolutions and CTC) reads words that are bent along an arc: alone, and behind
a thin plate spline that starts on the text's margins, as in ASTER (Shi et al. 2018).
"""

import argparse
import glob
from pathlib import Path

import keras
import matplotlib
import numpy as np
from keras import layers, ops
from PIL import Image, ImageDraw, ImageFont

from stn_keras import SpatialTransformer, models
from stn_keras.ops import sample
from stn_keras.optimizers import with_localization_rate
from stn_keras.transforms import ThinPlateSpline

LETTERS, LONGEST = "abcdefghijklmnopqrstuvwxyz", 8
PICTURE, LINE, MASTER = (80, 200, 1), (32, 100), (48, 160)
SYMBOLS = ("cmex10", "cmsy10")  # fonts without letters
FONTS = [f"{matplotlib.get_data_path()}/fonts/ttf", "/usr/share/fonts/truetype"]


def find_fonts():
    """matplotlib's fonts and the system's, but for those that have no letters."""
    found = sorted(path for root in FONTS for path in glob.glob(f"{root}/**/*.ttf", recursive=True))
    masks = ({bytes(ImageFont.truetype(path, 40).getmask(k)) for k in LETTERS} for path in found)
    drawn = dict(zip(found, masks, strict=True))
    return [path for path in found if len(drawn[path]) == 26 and Path(path).stem not in SYMBOLS]


def straight_words(count, fonts, rng, letters=LETTERS, longest=LONGEST):
    """Random letters, each word filling a line: uint8 (N, 48, 160, 1), 255 on ink; the words."""
    words, lines = [], np.empty((count, *MASTER, 1), "uint8")
    for line in lines:
        word = "".join(rng.choice(list(letters), rng.integers(3, longest + 1)))
        font = ImageFont.truetype(fonts[rng.integers(len(fonts))], 40)
        left, top, right, bottom = font.getbbox(word)
        drawn = Image.new("L", (right - left + 10, bottom - top + 10))
        ImageDraw.Draw(drawn).text((5 - left, 5 - top), word, fill=255, font=font)
        line[..., 0] = drawn.resize(MASTER[::-1], Image.Resampling.BILINEAR)
        words.append(word)
    return lines, words


def arcs(count, bent, rng):
    """Where pictures read straight lines: (count, 80, 200, 2), (x, y) in pixels of the lines.

    `bent` is 0 for lines that stay straight, 1 for arcs of up to 110 degrees, in perspective.
    """

    def drawn(low, high):
        return rng.uniform(low, high, (count, 1, 1))

    height, width = PICTURE[:2]
    y, x = np.mgrid[:height, :width]
    x, y = (x + 0.5 - width / 2) / (width / 2), (y + 0.5 - height / 2) / (width / 2)
    far = 1 + bent * (drawn(-0.1, 0.1) * x + drawn(-0.4, 0.4) * y)
    turn = bent * np.radians(drawn(-6, 6))
    x, y = (
        (np.cos(turn) * x - np.sin(turn) * y) / far,
        (np.sin(turn) * x + np.cos(turn) * y) / far,
    )
    half = np.maximum(bent * np.radians(drawn(0, 55)), 1e-3)  # half of the arc's angle
    radius = 0.82 / np.sin(half)
    sag = radius * (1 - np.cos(half))
    thick = np.minimum(0.26, 0.38 - sag / 2)
    up = np.where(drawn(0, 1) < 0.5, -1, 1)
    below = radius - sag / 2 + up * y
    along, across = np.arctan2(x, below) / half, up * (np.hypot(x, below) - radius) / thick
    rows, columns = MASTER
    xy = [(along + 1) * columns / 2 - 0.5, (across + 1) * rows / 2 - 0.5]
    return np.stack(xy, axis=-1).astype("float32")


def photograph(lines, bent, rng):
    """Lines (N, 48, 160, 1) bent, in uneven light, noisy: float32 (N, 80, 200, 1) in 0..1."""
    ink = sample(lines.astype("float32") / 255, arcs(len(lines), bent, rng))
    each = (len(lines), 1, 1, 1)
    paper, contrast = rng.uniform(0.4, 0.9, each), rng.uniform(0.25, 0.9, each)
    slope = rng.uniform(-0.2, 0.2, each) * np.linspace(-1, 1, PICTURE[1])[:, None]
    noise = rng.standard_normal((len(lines), *PICTURE), "float32")
    noise *= rng.uniform(0.01, 0.06, each)
    darker = 1 - contrast * ops.convert_to_numpy(ink)
    return (paper * darker + slope + noise).clip(0, 1).astype("float32")


def as_labels(words):
    """Words as numbers from 1 on, 0 where a word has ended: (N, 8) int32."""
    labels = np.zeros((len(words), LONGEST), "int32")
    for row, word in zip(labels, words, strict=True):
        row[: len(word)] = [1 + LETTERS.index(letter) for letter in word]
    return labels


class Photographs(keras.utils.PyDataset):
    """Batches of words, photographed anew each time, a fifth of them straight."""

    def __init__(self, lines, words, batch_size=64):
        super().__init__()
        self.lines, self.labels, self.batch_size = lines, as_labels(words), batch_size
        self.rng = np.random.default_rng(1)

    def __len__(self):
        return len(self.lines) // self.batch_size

    def __getitem__(self, index):
        chosen = self.rng.integers(len(self.lines), size=self.batch_size)
        bent = (self.rng.random((self.batch_size, 1, 1)) < 0.8).astype("float32")
        return photograph(self.lines[chosen], bent, self.rng), self.labels[chosen]


def blocks(filters, strides):
    """Convolutions, each with a stride and normalized."""
    for count, stride in zip(filters, strides, strict=True):
        yield layers.Conv2D(count, 3, stride, padding="same", use_bias=False)
        yield layers.BatchNormalization(momentum=0.9)
        yield layers.ReLU()


def recognizer():
    """Lines (32, 100, 1) -> scores (25, 27) of each letter, or of none, from left to right."""
    return keras.Sequential(
        [
            keras.Input((*LINE, 1)),
            layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False),
            *blocks((32, 64, 64, 96, 128), (2, 2, (2, 1), (2, 1), (2, 1))),
            layers.Reshape((LINE[1] // 4, 128)),
            layers.Conv1D(128, 5, padding="same", activation="relu"),
            layers.Dense(len(LETTERS) + 1, dtype="float32"),
        ],
        name="recognizer",
    )


def alone():
    """The recognizer on the whole picture, as small as a line."""
    resized = [keras.Input(PICTURE), layers.Resizing(*LINE), recognizer()]
    return keras.Sequential(resized, name="alone")


def rectified():
    """The recognizer behind a spline that reads the text from its upper to its lower margin."""
    localization = keras.Sequential(
        [
            keras.Input(PICTURE),
            layers.AveragePooling2D(2),
            layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False),
            *blocks((16, 32, 48), (2, 2, 2)),
            layers.Flatten(),
            layers.Dense(96, activation="relu"),
        ],
        name="localization",
    )
    spline = ThinPlateSpline((2, 10))
    transformer = SpatialTransformer(
        localization,
        spline,
        initial_theta=spline.window(extent=(0.95, 0.7)),
        output_size=LINE,
        fill_mode="nearest",
        name="spatial_transformer",
    )
    return models.with_spatial_transformer(recognizer(), transformer, input_shape=PICTURE)


def decode(scores):
    """The likeliest letter of each place, without repetitions and blanks: a word each."""
    best = np.asarray(scores).argmax(-1)
    fresh = (best > 0) & (best != np.pad(best, [(0, 0), (1, 0)])[:, :-1])
    return ["".join(LETTERS[k - 1] for k in row[new]) for row, new in zip(best, fresh, strict=True)]


def word_error(read, words):
    """Percent of the words that have a wrong letter."""
    return 100 * np.mean([a != b for a, b in zip(read, words, strict=True)])


def train(model, batches, epochs):
    """Train with CTC, the localization network at a tenth of the rate."""
    steps = epochs * len(batches)
    warm_up = max(1, steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, steps - warm_up, warmup_target=2e-3, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0)
    if model.name != "alone":
        optimizer = with_localization_rate(optimizer, model, 0.1)
    model.compile(optimizer, keras.losses.CTC())
    model.fit(batches, epochs=epochs, verbose=2)


def draw(path, pictures, straightened, read, words):
    """Pictures, what the spline made of them, and what was read; errors in red."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(6, 4, figsize=(9, 7), layout="constrained")
    for number, (above, below) in enumerate(zip(axes[::2].flat, axes[1::2].flat, strict=True)):
        for axis, image in ((above, pictures[number]), (below, straightened[number])):
            axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        color = "black" if read[number] == words[number] else "tab:red"
        below.set_xlabel(read[number], color=color)
    figure.savefig(path, dpi=80)


def compare(out, quick=False):
    """Train both, print and return their errors on words neither has seen, export the second."""
    out.mkdir(parents=True, exist_ok=True)
    count, epochs, held_out = (3_200, 4, 500) if quick else (20_000, 10, 2_000)
    fonts, rng, wrong = find_fonts(), np.random.default_rng(0), {}
    kind = (fonts[:1], rng, LETTERS[:8], 3) if quick else (fonts, rng)
    batches = Photographs(*straight_words(count, *kind))
    lines, words = straight_words(held_out, *kind)
    tests = {name: photograph(lines, bent, rng) for name, bent in (("straight", 0), ("bent", 1))}
    for build in (alone, rectified):
        keras.utils.set_random_seed(0)
        model = build()
        train(model, batches, epochs)
        for name, pictures in tests.items():
            read = decode(model.predict(pictures, verbose=0))
            wrong[f"{build.__name__}, {name}"] = error = word_error(read, words)
            print(f"{build.__name__}, {name}: {error:.1f} % of words wrong")
    model.save(out / "rectified.keras")
    straighten = keras.Model(model.inputs, model.get_layer("spatial_transformer").output)
    draw(out / "lines.png", pictures, straighten.predict(pictures[:12]), read, words)
    export_onnx(model, out / "rectified.onnx", tests["bent"], read)
    return wrong


def export_onnx(model, path, pictures, read):
    """Export the model, and read the pictures by the file alone."""
    from stn_keras.export import export

    exported = export(model, path, "onnx", pictures[:64])
    scores = next(iter(exported.load()(pictures[:200]).values()))
    same = np.mean([a == b for a, b in zip(decode(scores), read, strict=False)])
    print(f"{path}: reads {same:.1%} of 200 pictures as Keras does")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="words of 3 letters, one font")
    parser.add_argument("--out", type=Path, default=Path("text"), help="folder (default: text)")
    compare(**vars(parser.parse_args()))
