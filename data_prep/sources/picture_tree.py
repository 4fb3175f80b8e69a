"""The files below a folder: which are pictures, and what the others are."""

from collections import Counter

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
SYSTEM_FILES = ("thumbs.db", "desktop.ini")  # made by Windows
MOST_NAMED = 3
MOST_ENDINGS = 8


def list_pictures(folder):
    """Paths of the pictures in a folder and in the folders in it, sorted."""
    return [path for path in files_below(folder) if is_picture(path)]


def files_below(folder, outside=()):
    """Paths of all files in a folder and in the folders in it, sorted, but for hidden ones.

    Args:
        folder: where to look.
        outside: folders that are not entered, whatever links lead to them.

    Returns:
        A list of paths. Each folder is entered once, so links may lead back.
    """
    entered = {_identity(path) for path in outside}
    files, waiting = [], [folder]
    while waiting:
        here = waiting.pop()
        if _identity(here) in entered:
            continue
        entered.add(_identity(here))
        for path in visible(here):
            (waiting if path.is_dir() else files).append(path)
    return sorted(files)


def visible(folder):
    """Paths of what lies in a folder itself, sorted, but for hidden files and folders."""
    return sorted(path for path in folder.iterdir() if not _is_hidden(path.name))


def is_picture(path):
    """Whether it is a file with the name of a picture."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def first_of(names, separator=", "):
    """The number of names and the first few of them.

    Example:
        >>> first_of(["a.png", "b.png", "c.png", "d.png"])
        '4 (a.png, b.png, c.png, ...)'
    """
    more = ["..."] if len(names) > MOST_NAMED else []
    return f"{len(names)} ({separator.join([*names[:MOST_NAMED], *more])})"


def count_endings(paths):
    """The number of files and, ending by ending, how many of each there are.

    Example:
        >>> from pathlib import Path
        >>> count_endings([Path("a.txt"), Path("b.TXT"), Path("c")])
        '3 (.txt 2, no ending 1)'
    """
    endings = Counter(_ending(path) for path in paths)
    named = [f"{ending} {count}" for ending, count in endings.most_common(MOST_ENDINGS)]
    more = ["..."] if len(endings) > MOST_ENDINGS else []
    return f"{len(paths)} ({', '.join([*named, *more])})"


def _ending(path):
    suffix = path.suffix.lower()
    return "broken links and the like" if suffix in SUFFIXES else suffix or "no ending"


def _is_hidden(name):
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def _identity(folder):
    status = folder.stat()
    return status.st_dev, status.st_ino
