"""python -m data_prep: make a distorted or a cluttered data set, one of the paper's, or signs."""

import textwrap
from pathlib import Path

from cli.errors import UserError
from cli.files import atomic_folder, writable_folder
from cli.parser import OneLineParser
from cli.run import run_command
from data_prep.distortions.clutter import Clutter
from data_prep.files import save_npz
from data_prep.parallel import default_workers
from data_prep.sets.cluttered import CLUTTERED, make_cluttered_set
from data_prep.sets.distorted import SETS, make_distorted_set
from data_prep.sets.distorted import save as save_distorted
from data_prep.sets.moved_signs import GTSRB_MOVED, SIDE, make_moved_signs, write_moved_signs
from data_prep.sets.paper import RECIPES, make_paper_set
from data_prep.sets.shards import make_shards
from data_prep.sources import data_folder, load_source
from data_prep.sources.gtsrb import CLASSES, read_gtsrb
from data_prep.sources.gtsrb import SIDE as SIGN_SIDE

LEAST = {
    "seed": 0,
    "workers": 1,
    "copies": 1,
    "count": 1,
    "canvas": 1,
    "patches": 0,
    "patch_size": 1,
    "shards": 1,
    "frames": 1,
    "side": 1,
}


def parse_arguments():
    """The command line of python -m data_prep."""
    parser = OneLineParser(
        prog="python -m data_prep",
        description="Make a data set, most of them in one .npz. SET --help lists the options.",
    )
    sets = parser.add_subparsers(dest="set", required=True, metavar="SET")
    for name, (source, _) in SETS.items():
        help_text = f"{source}: originals, distorted copies, labels"
        distorted = add_set(sets, name, help_text, make_distorted, check_distorted)
        add_workers(distorted)
        add_pictures(distorted)
        add_number(distorted, "--copies", 1, "how often each training image is distorted")
        distorted.add_argument(
            "--shards",
            type=int,
            metavar="K",
            help="write a folder, --out, with the training images in K files, for more than fit "
            "into memory; train.py and evaluate.py read it by --data-dir",
        )
    help_text = "mnist: digits at random places among scraps of others"
    cluttered = add_set(sets, CLUTTERED, help_text, make_cluttered, check_file_and_pictures)
    add_workers(cluttered)
    add_pictures(cluttered)
    add_number(cluttered, "--count", 60_000, "training images; there is one for each test digit")
    add_number(cluttered, "--canvas", Clutter.canvas, "height and width of the images")
    add_number(cluttered, "--patches", Clutter.patches, "scraps of other digits in each image")
    add_number(cluttered, "--patch-size", Clutter.patch_size, "their height and width")
    for name, recipe in RECIPES.items():
        help_text = f"mnist: the paper's validation and test digits, {recipe.title}"
        add_set(sets, name, help_text, make_paper, check_file)
    add_signs(sets)
    return parser.parse_args()


def add_set(sets, name, help_text, make, check):
    """The parser of one set, with the options that all have."""
    parser = sets.add_parser(name, help=help_text, description=f"Make one .npz from {help_text}.")
    parser.set_defaults(make=make, check=check)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .npz to write")
    add_common(parser, "mnist.npz", "FILE")
    return parser


def add_common(parser, data, out):
    """The options of all sets, of this source and this kind of --out."""
    add_number(parser, "--seed", 42, "same seed, same bytes")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help=f"folder with {data} (default: STN_DATA_DIR, else Keras's own)",
    )
    parser.add_argument(
        "--no-preview", action="store_true", help=f"do not draw {out}'s preview picture"
    )


def add_signs(sets):
    """The parser of moved traffic signs, which are an .npz or a folder of pictures."""
    help_text = "gtsrb: photographs of traffic signs at random places on other photographs"
    parser = sets.add_parser(GTSRB_MOVED, help=help_text, description=f"Make a set of {help_text}.")
    parser.set_defaults(make=make_signs, check=check_signs)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="FILE.npz: the validation and test pictures, with the signs' true windows; else a new "
        "folder to write: PATH/train|validation|test/CLASS/*.png",
    )
    add_common(parser, "gtsrb32.zip or GTSRB", "PATH")
    add_number(parser, "--side", SIDE, "height and width of the pictures")
    parser.add_argument(
        "--frames",
        type=int,
        metavar="K",
        help="in a folder, take K images of each training track, evenly spread (default: all)",
    )


def add_pictures(parser):
    """The option of sets with training images of one channel or three."""
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="write the images as PNG files too: DIR/train/LABEL/*.png and DIR/test/LABEL/*.png",
    )


def add_workers(parser):
    """The option of sets that are made in parallel."""
    add_number(parser, "--workers", default_workers(), "how many work at once")


def add_number(parser, name, default, help_text):
    """An integer option that says its default."""
    parser.add_argument(
        name, type=int, default=default, metavar="N", help=f"{help_text} (default: %(default)s)"
    )


def main():
    """Make the set, write it, draw its preview."""
    arguments = parse_arguments()
    check_ranges(arguments)
    arguments.check(arguments)
    writable_folder(arguments.out.parent)
    arguments.make(arguments)


def check_ranges(arguments):
    """Refuse numbers that are too small."""
    for name, least in LEAST.items():
        value = vars(arguments).get(name)
        if value is not None and value < least:
            option = name.replace("_", "-")
            raise UserError(f"expected --{option} of at least {least}, got {value}")


def check_signs(arguments):
    """The options of a set that is an .npz or a folder."""
    if arguments.side < SIGN_SIDE:
        raise UserError(f"expected --side of at least {SIGN_SIDE}, got {arguments.side}")
    if arguments.out.suffix == ".npz":
        if arguments.frames is not None:
            raise UserError("expected --frames with a folder as --out, got an .npz")
        return check_file(arguments)
    if arguments.out.exists():
        raise UserError(f"expected --out to name an .npz or a new folder, got {arguments.out}")
    import_preview(arguments)


def check_file(arguments):
    """The options of a set that is an .npz."""
    if arguments.out.suffix != ".npz" or arguments.out.is_dir():
        raise UserError(f"expected --out to name an .npz file, got {arguments.out}")
    import_preview(arguments)


def check_file_and_pictures(arguments):
    """The options of a set that is an .npz, and pictures where they are asked for."""
    if arguments.pictures:
        if arguments.pictures.exists():
            raise UserError(f"expected --pictures to name a new folder, got {arguments.pictures}")
        import data_prep.sources.image_folder  # noqa: F401  a missing package is named now
    check_file(arguments)


def check_distorted(arguments):
    """The options of a distorted set, which is an .npz or a folder of shards."""
    if arguments.shards is None:
        check_file_and_pictures(arguments)
    elif arguments.pictures or arguments.out.exists():
        raise UserError("expected --shards without --pictures, and --out to name a new folder")


def import_preview(arguments):
    """Import what draws, so that a missing package is named before the work and not after it."""
    if not arguments.no_preview:
        import data_prep.preview  # noqa: F401


def make_sharded(arguments):
    """A distorted set in shards; it has no preview."""
    training, test = make_shards(
        arguments.set,
        arguments.seed,
        arguments.out,
        arguments.shards,
        arguments.data_dir,
        arguments.workers,
        arguments.copies,
    )
    print_made(arguments, training, test)


def make_distorted(arguments):
    """A distorted set, with originals above their copies in its preview."""
    if arguments.shards is not None:
        return make_sharded(arguments)
    dataset = make_distorted_set(
        arguments.set, arguments.seed, arguments.data_dir, arguments.workers, arguments.copies
    )
    save_distorted(dataset, arguments.out)
    print_made(arguments, len(dataset.train.distorted), len(dataset.test.distorted))
    write_pictures(
        arguments,
        {
            name: (split.distorted, split.distorted_labels)
            for name, split in (("train", dataset.train), ("test", dataset.test))
        },
    )
    if not arguments.no_preview:
        from data_prep.preview import save_preview

        preview = arguments.out.with_suffix(".png")
        save_preview(dataset, preview)
        print(f"{preview}: originals above their distorted copies")


def make_cluttered(arguments):
    """A cluttered set, with test images in its preview."""
    clutter = Clutter(arguments.canvas, arguments.patches, arguments.patch_size)
    dataset = make_cluttered_set(
        clutter, arguments.count, arguments.seed, arguments.data_dir, arguments.workers
    )
    save_npz(dataset, arguments.out)
    print_made(arguments, len(dataset.train_labels), len(dataset.test_labels))
    write_pictures(
        arguments,
        {
            "train": (dataset.train_images, dataset.train_labels),
            "test": (dataset.test_images, dataset.test_labels),
        },
    )
    if not arguments.no_preview:
        draw_grid(dataset, arguments.out.with_suffix(".png"))


def write_pictures(arguments, parts):
    """The images of each part {name: (images, labels)} as PNG files, where they are asked for."""
    if not arguments.pictures:
        return
    from data_prep.sources.image_folder import write_images

    with atomic_folder(arguments.pictures) as folder:
        for name, (images, labels) in parts.items():
            write_images(images, labels, folder / name, f"writing {name} pictures")
    print(f"{arguments.pictures}: the same images as pictures")


def make_paper(arguments):
    """A set of the paper, with test images in its preview."""
    source = load_source("mnist", arguments.data_dir)
    dataset = make_paper_set(arguments.set, arguments.seed, source)
    save_npz(dataset, arguments.out)
    print_made(arguments, len(dataset.validation_labels), len(dataset.test_labels), "validation")
    if not arguments.no_preview:
        draw_grid(dataset, arguments.out.with_suffix(".png"))


def make_signs(arguments):
    """Moved traffic signs, with test pictures of some classes in their preview."""
    signs = read_gtsrb(data_folder(arguments.data_dir))
    where = signs, arguments.seed, arguments.side
    if arguments.out.suffix == ".npz":
        dataset = make_moved_signs(*where)
        save_npz(dataset, arguments.out)
        counts = {
            "validation": len(dataset.validation_labels),
            "test": len(dataset.test_labels),
        }
    else:
        counts = write_moved_signs(arguments.out, *where, arguments.frames)
    counted = ", ".join(f"{count:,} {part}" for part, count in counts.items())
    size = f"{arguments.side}x{arguments.side}"
    print(f"{arguments.out}: {counted} pictures of {size} pixels, seed {arguments.seed}")
    if not arguments.no_preview:
        draw_signs(arguments.out)


def draw_signs(out):
    """The preview of moved signs, from the set's .npz or folder."""
    from data_prep.preview import save_grid
    from data_prep.sets.moved_signs import example_pictures

    preview = out.with_name(f"{out.stem if out.suffix == '.npz' else out.name}.png")
    pictures, labels = example_pictures(out)
    names = [textwrap.fill(f"{label:02} {CLASSES[label]}", 14) for label in labels]
    save_grid(pictures, names, preview)
    print(f"{preview}: test pictures and their classes")


def draw_grid(dataset, path):
    """The preview of a set without originals."""
    from data_prep.preview import save_grid

    save_grid(dataset.test_images, dataset.test_labels, path)
    print(f"{path}: test images and their labels")


def print_made(arguments, others, test, part="training"):
    """What has been written."""
    counts = f"{others:,} {part} and {test:,} test images"
    print(f"{arguments.out}: {counts}, seed {arguments.seed}")


if __name__ == "__main__":
    run_command(main, "python -m data_prep")
