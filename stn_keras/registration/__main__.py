"""python -m stn_keras.registration: align a picture with another."""

import argparse
import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from stn_keras._command_line import OneLineParser, run_command
from stn_keras._files import atomic_path
from stn_keras.ops.warping import warp
from stn_keras.registration import LOSSES, register
from stn_keras.transforms import FAMILIES

_SQUARES = 8  # of the checkerboard, along the longer side
_POOR = 0.5  # a correlation below which pictures are hardly of the same thing


class PictureError(ValueError):
    """A picture that cannot be read."""


def command_line() -> OneLineParser:
    """The parser of python -m stn_keras.registration."""
    parser = OneLineParser(
        prog="python -m stn_keras.registration",
        description="Find the transform that aligns MOVING with FIXED, in gray; write MOVING as it "
        "looks from where FIXED was taken, and beside it a checkerboard of both and the transform "
        "as JSON.",
    )
    parser.add_argument("moving", type=Path, metavar="MOVING", help="the picture to be warped")
    parser.add_argument("fixed", type=Path, metavar="FIXED", help="the picture to align it with")
    parser.add_argument("--transform", choices=(*FAMILIES, "dense_flow"), default="affine")
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        default="ncc",
        help="ncc bears a change of light, mutual_information other modalities (default: ncc)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PNG",
        help="the aligned picture; NAME-checkerboard.png and NAME.json are written beside it",
    )
    parser.add_argument("--levels", type=int, metavar="N", help="sizes to work at (default: many)")
    parser.add_argument("--mask", type=Path, metavar="PNG", help="white where FIXED counts")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Read, align, write."""
    if arguments.out.suffix.lower() != ".png":
        raise PictureError(f"expected --out to end in .png, got {arguments.out}")
    moving, fixed = _picture(arguments.moving), _picture(arguments.fixed)
    mask = None if arguments.mask is None else _gray(_picture(arguments.mask)) > 127
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    found = register(
        _gray(moving),
        _gray(fixed),
        arguments.transform,
        loss=arguments.loss,
        levels=arguments.levels,
        mask=mask,
        verbose=0 if arguments.quiet else 1,
    )
    aligned = warp(
        moving[None],
        found.theta,
        found.transform,
        found.fixed_size,
        data_format="channels_last",
    )
    aligned = ops.convert_to_numpy(aligned)[0]
    board = arguments.out.with_name(f"{arguments.out.stem}-checkerboard.png")
    _save(arguments.out, aligned)
    _save(board, np.where(_checkerboard(found.fixed_size), fixed, aligned))
    with atomic_path(arguments.out.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(_summary(arguments, found), indent=1) + "\n")
    print(f"{arguments.out}, {board.name}, {arguments.out.stem}.json")
    correlation = 1 - float(found.losses[-1][-1][0])
    if arguments.loss == "ncc" and correlation < _POOR:
        print(f"The pictures match badly even so: correlation {correlation:.2f}", file=sys.stderr)


def _picture(path):
    """A picture (H, W, 3), float32 in 0..255."""
    try:
        return keras.utils.img_to_array(keras.utils.load_img(path), data_format="channels_last")
    except ImportError:
        raise PictureError(
            "expected the package pillow, which is not installed: pip install pillow"
        ) from None
    except OSError as error:
        raise PictureError(f"expected a picture at {path} ({error})") from None


def _gray(picture):
    """Luma (H, W) of a picture (H, W, 3)."""
    return picture @ np.array([0.299, 0.587, 0.114], "float32")


def _checkerboard(size):
    """Squares of True and False, (H, W, 1)."""
    side = -(-max(size) // _SQUARES)
    rows, columns = (np.arange(length) // side for length in size)
    return ((rows[:, None] + columns) % 2 == 0)[..., None]


def _save(path, picture):
    with atomic_path(path) as partial:
        keras.utils.save_img(
            partial, np.clip(picture, 0, 255), data_format="channels_last", scale=False
        )


def _summary(arguments, found):
    matrix = found.pixel_matrix
    return {
        "transform": arguments.transform,
        "loss": arguments.loss,
        "last_loss": float(found.losses[-1][-1][0]),
        "converged": bool(found.converged[0]),
        "matrix": None if matrix is None else matrix[0].tolist(),
        "matrix_convention": "pixels (x, y, 1) of FIXED to pixels of MOVING",
        # A flow is as large as the picture.
        "theta": found.theta[0].tolist() if found.theta.ndim == 2 else None,
    }


def main() -> None:
    """Run the command line."""
    run_command(command_line(), run, ValueError)


if __name__ == "__main__":
    main()
