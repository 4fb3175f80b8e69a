"""python -m stn_keras.export: a trained model as SavedModel, ONNX, LiteRT or OpenVINO."""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

from stn_keras._command_line import OneLineParser, run_command
from stn_keras.export import FORMATS, QUANTIZATIONS, ExportError, export, load_model
from stn_keras.export.checked import BATCHES, TOLERANCE
from stn_keras.export.errors import UnregisteredError
from stn_keras.export.images import noise_images, read_images
from stn_keras.export.loading import import_module
from stn_keras.export.source import check_model

# Images that a quantized model is made for; its accuracy is measured on the others.
CALIBRATION = 100
_BATCHES = ", ".join(map(str, BATCHES))


def command_line() -> OneLineParser:
    """The parser of python -m stn_keras.export."""
    parser = OneLineParser(
        prog="python -m stn_keras.export",
        description="Write a model for another runtime and run it there on batches of "
        f"{_BATCHES} images. It is kept if nothing differs from Keras by more than --tolerance, "
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
        help="also return theta and the straightened images",
    )
    parser.add_argument(
        "--compiled",
        action="store_true",
        help="for saved_model: let XLA compile grid and sampler where the model runs, which is "
        "faster after the first batch",
    )
    _add_comparison(parser)
    return parser


def _add_comparison(parser):
    """Add the options that say what is compared with Keras."""
    compared = parser.add_mutually_exclusive_group()
    compared.add_argument(
        "--images",
        type=Path,
        metavar="NPZ",
        help="compare on the images of this .npz, such as mnist.npz or one of data_prep "
        "(default: smooth noise of the model's input shape)",
    )
    compared.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="of the noise's values (default: 0 1, or 0 255 if the model takes integers)",
    )
    parser.add_argument(
        "--keep-range",
        action="store_true",
        help="hand the values of --images to the model as they are (default: uint8 is divided by "
        "255, unless the model takes integers)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="DIFFERENCE",
        help="straightened images of sharp pictures may need 1e-4 (default: %(default)s)",
    )
    parser.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        help="for litert: keep the weights in int8, or also compute in int8, and measure accuracy "
        "(needs --images)",
    )


def load_images(
    arguments: argparse.Namespace, model: keras.Model
) -> tuple[np.ndarray, np.ndarray | None]:
    """The images to compare on, and their labels if they have any."""
    shape, dtype = model.input_shape[1:], model.inputs[0].dtype
    if not arguments.images:
        if arguments.quantize:
            raise ExportError("expected --images with --quantize: int8 is fitted to real images")
        low, high = arguments.range or ((0, 255) if "int" in dtype else (0, 1))
        if low > high:
            raise ExportError(f"expected --range LOW HIGH, got {low:g} {high:g}")
        return noise_images(shape, sum(BATCHES), (low, high)), None
    scaled = not arguments.keep_range and "int" not in dtype
    images, labels = read_images(arguments.images, shape, scaled=scaled)
    if arguments.quantize and len(images) <= CALIBRATION:
        raise ExportError(f"expected more than {CALIBRATION} images, got {len(images)}")
    return images.astype(dtype), labels


def run(arguments: argparse.Namespace) -> None:
    """Load, write, compare, print."""
    for module in arguments.modules:
        import_module(module)
    try:
        model = load_model(arguments.model)
    except UnregisteredError as error:
        raise ExportError(f"{error}, by --import MODULE") from None
    check_model(model)
    images, labels = load_images(arguments, model)
    _check_writable(arguments.out.parent)
    exported = export(
        model,
        arguments.out,
        arguments.format,
        images[:CALIBRATION],
        with_theta=arguments.with_theta,
        quantize=arguments.quantize,
        compiled=arguments.compiled,
        tolerance=arguments.tolerance,
    )
    for name, difference in exported.differences.items():
        print(f"{name}: within {difference:.1e} of Keras, batches of {_BATCHES}")
    if arguments.quantize:
        others = slice(CALIBRATION, None)
        _print_quantized(
            model, exported, images[others], None if labels is None else labels[others]
        )
    print(exported.path)


def _check_writable(folder):
    """Make the folder and prove, before the long work, that it can be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _print_quantized(model, exported, images, labels):
    """How often Keras and the quantized model are right, and how often they agree."""
    float_classes = model.predict(images, verbose=0).argmax(-1)
    classes = exported.load()(images)["scores"].argmax(-1)
    print(f"same class as Keras: {np.mean(classes == float_classes):.2%} of {len(images)} images")
    if labels is not None:
        right = [np.mean(predicted == labels) for predicted in (float_classes, classes)]
        print(f"accuracy: {right[0]:.2%} of Keras, {right[1]:.2%} quantized")


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit code 2."""
    run_command(command_line(), run, ExportError)


if __name__ == "__main__":
    main()
