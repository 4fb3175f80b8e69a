"""python -m stn_keras.export: a trained model as SavedModel, ONNX, LiteRT or OpenVINO."""

from pathlib import Path

import numpy as np

from stn_keras.export import FORMATS, QUANTIZATIONS, ExportError, export, load_model
from stn_keras.export.checked import BATCHES, TOLERANCE
from stn_keras.export.errors import UnregisteredError
from stn_keras.export.images import fit_images, read_images
from stn_keras.export.source import check_model, import_module

# Images that a quantized model is made for; its accuracy is measured on the others.
CALIBRATION = 100


def parse_arguments():
    """The command line of python -m stn_keras.export."""
    from data_prep.errors import OneLineParser

    batches = ", ".join(map(str, BATCHES))
    parser = OneLineParser(
        prog="python -m stn_keras.export",
        description="Write a model for another runtime and run it there on batches of "
        f"{batches} images. It is kept where nothing differs from Keras by more than {TOLERANCE}, "
        "or by that part of an output's largest value where it is above 1.",
    )
    parser.add_argument(
        "model", type=Path, metavar="RUN_OR_MODEL", help="a .keras file, or a run of train.py"
    )
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="a .onnx or .tflite file; a new folder for saved_model and openvino",
    )
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="import this module or .py file first: it registers classes of your own that the "
        "model has (may be given several times)",
    )
    parser.add_argument(
        "--with-theta",
        action="store_true",
        help="also return theta and the straightened image",
    )
    add_comparison(parser)
    return parser.parse_args()


def add_comparison(parser):
    """The options of what is compared with Keras, and how closely."""
    parser.add_argument(
        "--images",
        type=Path,
        metavar="PATH",
        help="to compare on: an .npz of data_prep, mnist.npz, or a folder of pictures (default: "
        "scikit-learn's digits in the model's size)",
    )
    parser.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        help="for litert: keep the weights in int8, or compute all in int8, and measure accuracy",
    )


def load_images(path, shape):
    """Images and labels for a model of that input shape (H, W, C)."""
    if path:
        return read_images(path, shape)
    from data_prep.sources import load_source

    try:
        digits = load_source("digits")
    except ImportError:
        raise ExportError(
            "expected --images, or scikit-learn and Pillow for its digits: "
            'pip install ".[experiments]"'
        ) from None
    return fit_images(digits.test_images, shape), digits.test_labels


def main():
    """Load, write, compare, print."""
    from data_prep.errors import UserError

    from data_prep.files import writable_folder

    arguments = parse_arguments()
    try:
        for module in arguments.modules:
            import_module(module)
        model = load_model(arguments.model)
        check_model(model)
        images, labels = load_images(arguments.images, model.input_shape[1:])
        if arguments.quantize and len(images) <= CALIBRATION:
            raise ExportError(f"expected more than {CALIBRATION} images, got {len(images)}")
        writable_folder(arguments.out.parent)
        exported = export(
            model,
            arguments.out,
            arguments.format,
            images[:CALIBRATION],
            with_theta=arguments.with_theta,
            quantize=arguments.quantize,
        )
    except UnregisteredError as error:
        raise UserError(f"{error}, by --import MODULE") from None
    except ExportError as error:
        raise UserError(str(error)) from None
    batches = ", ".join(map(str, BATCHES))
    for name, difference in exported.differences.items():
        print(f"{name}: within {difference:.1e} of Keras, batches of {batches}")
    if arguments.quantize:
        others = slice(CALIBRATION, None)
        print_quantized(model, exported, images[others], None if labels is None else labels[others])
    print(exported.path)


def print_quantized(model, exported, images, labels):
    """How often Keras and the quantized model are right, and how often they agree."""
    float_classes = model.predict(images, verbose=0).argmax(-1)
    classes = exported.load()(images)["scores"].argmax(-1)
    print(f"same class as Keras: {np.mean(classes == float_classes):.2%} of {len(images)} images")
    if labels is not None:
        right = [np.mean(predicted == labels) for predicted in (float_classes, classes)]
        print(f"accuracy: {right[0]:.2%} of Keras, {right[1]:.2%} quantized")


if __name__ == "__main__":
    from data_prep.errors import run_command

    run_command(main, "python -m stn_keras.export")
