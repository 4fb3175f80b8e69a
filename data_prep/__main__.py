"""python -m data_prep: make a distorted data set."""

from pathlib import Path

from data_prep.distorted_set import SETS, make_distorted_set, save
from data_prep.distortions import default_workers
from data_prep.errors import OneLineParser, UserError, run_command
from data_prep.files import writable_folder


def parse_arguments():
    """The command line of python -m data_prep."""
    parser = OneLineParser(
        prog="python -m data_prep",
        description="Make a distorted data set: originals, copies and labels in one .npz.",
    )
    parser.add_argument("set", choices=SETS, metavar="SET", help=f"one of: {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .npz to write")
    parser.add_argument(
        "--seed", type=int, default=42, help="same seed, same bytes (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=default_workers(), help="processes (default: %(default)s)"
    )
    parser.add_argument(
        "--copies",
        type=int,
        default=1,
        help="how often each training image is distorted (default: %(default)s)",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder with mnist.npz (default: STN_DATA_DIR, else Keras's own)",
    )
    parser.add_argument(
        "--no-preview", action="store_true", help="do not draw FILE's preview picture"
    )
    return parser.parse_args()


def main():
    """Make the set, write it, draw its preview."""
    arguments = parse_arguments()
    if arguments.out.suffix != ".npz" or arguments.out.is_dir():
        raise UserError(f"expected --out to name an .npz file, got {arguments.out}")
    for name, least in (("seed", 0), ("workers", 1), ("copies", 1)):
        value = getattr(arguments, name)
        if value < least:
            raise UserError(f"expected --{name} of at least {least}, got {value}")
    writable_folder(arguments.out.parent)
    dataset = make_distorted_set(
        arguments.set, arguments.seed, arguments.data_dir, arguments.workers, arguments.copies
    )
    save(dataset, arguments.out)
    counts = (
        f"{len(dataset.train.distorted):,} training and {len(dataset.test.distorted):,} test images"
    )
    print(f"{arguments.out}: {counts}, seed {arguments.seed}")
    if not arguments.no_preview:
        from data_prep.preview import save_preview

        preview = arguments.out.with_suffix(".png")
        save_preview(dataset, preview)
        print(f"{preview}: originals above their distorted copies")


if __name__ == "__main__":
    run_command(main, "python -m data_prep")
