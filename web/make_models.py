"""Make web/models: trained models as ONNX files, and pictures to start from.

What Keras says of stored drawings goes to web/tests/drawings.json.

    python -m web.make_models
"""

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cli.errors import UserError
from cli.files import writable_folder, write_json
from cli.run import run_command
from cli.startup import import_keras
from data_prep.distortions.clutter import add_scraps
from data_prep.sources import load_source
from experiments.data.data import as_input
from experiments.pretrained.cards import cards_of

FOLDER = Path(__file__).parent / "models"
DRAWINGS = Path(__file__).parent / "tests" / "drawings.json"
TOLERANCE = 1e-4  # of photographs, which processors round otherwise by 2e-5, and of the page
MOST_BYTES = 1_000_000
SMALL = 64  # numbers, that are not worth packing
SEED = 0
EXAMPLES, CLUTTERS, STORED, SIGNS = 20, 8, 20, 12


@dataclass(frozen=True)
class Kind:
    """Pictures of one kind, as the page shows them.

    Attributes:
        name: what the page and its files call it.
        title: on its button.
        lead: what a visitor may do.
        experiment: whose models are shown.
        base: size of a drawing, as a part of the picture's.
        sliders: name -> least, most and first value: what the models were trained on.
        first: position of the example that is shown first.
        alone: the model without a transformer, where there is one small enough.
        pen: whether one can draw.
        behind: the model with a transformer.
    """

    name: str
    title: str
    lead: str
    experiment: str
    base: float
    sliders: dict
    first: int = 0
    alone: str | None = None
    pen: bool = True
    behind: str = "stn-cnn"


KINDS = (
    Kind(
        name="digits",
        title="Digits",
        lead="Draw a digit, or take an example. Then turn it, make it small, move it away.",
        experiment="distorted-mnist",
        base=1.0,
        sliders={
            "turn": (-60, 60, 55),
            "size": (50, 130, 60),
            "right": (-25, 25, -18),
            "down": (-25, 25, 15),
            "shear": (-40, 40, 0),
        },
        first=3,
        alone="cnn",
    ),
    Kind(
        name="cluttered",
        title="Cluttered digits",
        lead="Draw a digit among scraps of others. The transformer finds it.",
        experiment="cluttered-mnist",
        base=28 / 40,
        sliders={
            "turn": (-30, 30, 0),
            "size": (70, 130, 100),
            "right": (-15, 15, 10),
            "down": (-15, 15, 8),
        },
    ),
    Kind(
        name="signs",
        title="Traffic signs",
        lead="Move the sign, turn it: the window follows. Nobody told the network where signs are.",
        experiment="gtsrb-moved",
        base=0.5,
        sliders={
            "turn": (-30, 30, 20),
            "size": (35, 100, 60),
            "right": (-25, 25, 18),
            "down": (-25, 25, -12),
        },
        alone="cnn",
        pen=False,
    ),
)


def main():
    """Make all of it."""
    import_keras("stn_keras")
    writable_folder(FOLDER)
    digits = load_source("mnist")
    makers = {"digits": digit_pictures, "cluttered": cluttered_pictures, "signs": sign_pictures}
    kinds, drawings = [], {}
    for kind in KINDS:
        sprites, images, classes = makers[kind.name](digits)
        made, drawings[kind.name] = export_kind(kind, images)
        kinds.append({**made, "classes": classes, "sprites": sprites})
    photograph = save_picture(astronaut(), "photograph.jpg")
    write_json(FOLDER / "models.json", {"kinds": kinds, "photograph": photograph})
    write_compact(DRAWINGS, drawings)
    for path in sorted([*FOLDER.iterdir(), DRAWINGS]):
        print(f"{path}: {path.stat().st_size:,} bytes")


def export_kind(kind, images):
    """The models of a kind as ONNX files, and what Keras says of images (N, H, W, C) uint8."""
    said = {
        role: export_model(kind, model, images, with_theta=role == "behind")
        for role, model in (("alone", kind.alone), ("behind", kind.behind))
        if model
    }
    shown = {**asdict(kind), "side": images.shape[1], "channels": images.shape[3]}
    shown.update({role: file_of(kind, shown[role]) for role in said})
    del shown["experiment"]
    thetas = as_affine(said["behind"]["theta"])
    drawings = [
        {
            "pixels": base64.b64encode(image.tobytes()).decode(),
            **{role: rounded(outputs["scores"][index]) for role, outputs in said.items()},
            "theta": rounded(thetas[index]),
        }
        for index, image in enumerate(images)
    ]
    return shown, drawings


def export_model(kind, name, images, with_theta):
    """Write one model as ONNX; name -> what it gives for the images in Keras."""
    from experiments.training.checkpoint import load_model
    from stn_keras.export import export
    from stn_keras.export.source import with_named_outputs

    (card,) = (card for card in cards_of(kind.experiment) if card.model == name)
    model, file = load_model(card.checked_path()), FOLDER / file_of(kind, name)
    export(model, file, "onnx", as_input(images), with_theta=with_theta, tolerance=TOLERANCE)
    pack(file)
    if file.stat().st_size > MOST_BYTES:
        raise UserError(f"expected {file} of at most {MOST_BYTES:,} bytes")
    return with_named_outputs(model, with_theta).predict(as_input(images), verbose=0)


def as_affine(theta):
    """Thetas (N, 6) of windows; of a similarity too."""
    from keras import ops

    from stn_keras.transforms import Similarity

    if theta.shape[1] == 6:
        return theta
    return ops.convert_to_numpy(Similarity().to_affine(theta)).reshape(-1, 6)


def pack(file):
    """Keep the weights of an ONNX file that float16 can hold in half the bytes; nothing is lost."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(file)
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        half = values.astype("float16")
        if (half.astype("float32") != values).any():
            continue
        packed = f"{tensor.name}_float16"
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(numpy_helper.from_array(half, packed))
        cast = helper.make_node("Cast", [packed], [tensor.name], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, cast)
    number(model.graph)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString(deterministic=True))


def number(graph):
    """Call nodes and tensors by numbers: converters' names are others each time, and long."""
    names = {"": "", **{value.name: value.name for value in (*graph.input, *graph.output)}}
    for position, node in enumerate(graph.node):
        node.name = str(position)
        for tensors in (node.input, node.output):
            tensors[:] = [names.setdefault(name, str(len(names))) for name in tensors]
        node.attribute.sort(key=lambda attribute: attribute.name)
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    graph.initializer.sort(key=lambda tensor: int(tensor.name))
    del graph.value_info[:]
    graph.ClearField("doc_string")


def file_of(kind, model):
    return f"{kind.name}-{model}.onnx"


def rounded(values):
    return [round(float(value), 7) for value in values]


def digit_pictures(digits):
    """Examples to start from, and distorted test digits."""
    from data_prep.distortions.imgaug_recipes import RECIPES
    from data_prep.distortions.imgaug_runner import distort

    chosen = first_of_each_class(digits.test_labels, EXAMPLES)
    images, _ = distort(digits.test_images[chosen], RECIPES["post"], SEED)
    sprites = {"examples": strip(digits.test_images[chosen], "digits.png")}
    return sprites, images[:STORED], [str(digit) for digit in range(10)]


def cluttered_pictures(digits):
    """The same examples, scraps to lay over them, and test images of the cluttered set."""
    rng = np.random.default_rng(SEED)
    source = load_source("cluttered-mnist-40x40")
    blank = np.zeros((CLUTTERS, 40, 40, 1), "uint8")
    own = np.full(CLUTTERS, -1)
    scraps = add_scraps(blank, digits.test_images[:1000], own, 8, 6, rng)
    images = np.rint(255 * source.test_images[:STORED]).astype("uint8")
    sprites = {
        "examples": {"file": "digits.png", "count": EXAMPLES},
        "clutter": strip(scraps, "clutter.png"),
    }
    return sprites, images, [str(digit) for digit in range(10)]


def sign_pictures(digits):
    """Test signs cut out, test photographs to put them on, and test pictures of the moved set."""
    from keras import ops

    from data_prep.distortions.signs import MovedSign
    from data_prep.sets.moved_signs import framed
    from data_prep.sources import data_folder
    from data_prep.sources.gtsrb import CLASSES, read_gtsrb

    signs = read_gtsrb(data_folder(None))
    rng = np.random.default_rng(SEED)
    chosen = sharpest_of_each_class(signs.test)
    cut = framed(signs.test, chosen)
    warp = MovedSign("test")
    uniform = rng.random((STORED, warp.uniforms), "float32")
    shown = cut[np.arange(STORED) % len(cut)].astype("float32") / 255
    drawn = warp(ops.convert_to_tensor(shown), ops.convert_to_tensor(uniform), None)
    images = np.rint(255 * ops.convert_to_numpy(drawn)).astype("uint8")
    places = rng.random((CLUTTERS, 4), "float32")
    behind = 255 * ops.convert_to_numpy(warp.background(ops.convert_to_tensor(places)))
    sprites = {
        "examples": strip(cut, "signs.png"),
        "backgrounds": strip(np.rint(behind).astype("uint8"), "backgrounds.png"),
    }
    return sprites, images, list(CLASSES)


def first_of_each_class(labels, count):
    """Positions of `count` images, class after class."""
    by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    turns = -(-count // len(by_class))
    return np.array([found[turn] for turn in range(turns) for found in by_class])[:count]


def sharpest_of_each_class(signs):
    """Positions of the signs that were largest in their photographs, of classes evenly spread."""
    labels = np.unique(signs.labels)
    labels = labels[np.linspace(0, len(labels) - 1, SIGNS).round().astype(int)]
    area = signs.sizes.prod(-1)
    return np.array(
        [np.flatnonzero(signs.labels == k)[area[signs.labels == k].argmax()] for k in labels]
    )


def strip(images, name):
    """Save images (N, H, W, C) side by side."""
    count, height, width, channels = images.shape
    wide = images.transpose(1, 0, 2, 3).reshape(height, count * width, channels)
    return {"file": save_picture(wide, name), "count": count}


def save_picture(image, name):
    """Save an image (H, W, C) uint8 among the models; its file's name."""
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    options = {"quality": 85} if name.endswith(".jpg") else {"optimize": True}
    picture.save(FOLDER / name, **options)
    return name


def astronaut():
    """A photograph in the public domain, (384, 384, 3)."""
    import skimage.data
    from PIL import Image

    return np.asarray(Image.fromarray(skimage.data.astronaut()[:384, 40:424]))


def write_compact(path, content):
    """Write plain data as JSON, a drawing a line."""
    writable_folder(path.parent)
    path.write_text(json.dumps(content).replace('{"pixels"', '\n{"pixels"') + "\n")


if __name__ == "__main__":
    run_command(main, "python -m web.make_models")
