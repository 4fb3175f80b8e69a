"""One way to tell a user what went wrong."""

import contextlib

_EXPERIMENTS = 'pip install ".[experiments]"'
# Packages that an installation may lack: what is imported -> (package, how to install it).
PACKAGES = {
    "PIL": ("pillow", _EXPERIMENTS),
    "cv2": ("opencv-python-headless", _EXPERIMENTS),
    "imageio": ("imageio", _EXPERIMENTS),
    "imgaug": ("imgaug", "pip install --no-deps imgaug"),
    "jax": ("jax", "pip install jax"),
    "kornia": ("kornia", 'pip install ".[references]"'),
    "markdown_it": ("markdown-it-py", _EXPERIMENTS),
    "matplotlib": ("matplotlib", _EXPERIMENTS),
    "nibabel": ("nibabel", _EXPERIMENTS),
    "scipy": ("scipy", _EXPERIMENTS),
    "shapely": ("shapely", _EXPERIMENTS),
    "six": ("six", _EXPERIMENTS),
    "skimage": ("scikit-image", _EXPERIMENTS),
    "sklearn": ("scikit-learn", _EXPERIMENTS),
    "tensorboard": ("tensorboard", _EXPERIMENTS),
    "tensorflow": ("tensorflow", 'pip install ".[tensorflow]"'),
    "torch": ("torch", 'pip install ".[torch]"'),
    "tqdm": ("tqdm", _EXPERIMENTS),
}


class UserError(Exception):
    """Something the user can mend; one line that says what was expected and what came."""


def one_line(error):
    """The message of an exception on one line, or its name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def missing_package(error):
    """The package whose import failed, and how to install it, in one line; see `PACKAGES`."""
    package, command = PACKAGES[error.name.split(".")[0]]
    return f"expected the package {package}, which is not installed: {command}"


@contextlib.contextmanager
def reading(expected, path):
    """Turns any error of what is done inside into one line: expected `what` at `path`."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except Exception as error:  # zipfile, numpy, csv, pickle and Pillow each have their own
        raise UserError(f"expected {expected} at {path} ({one_line(error)})") from None


def printable(text):
    """Text with names of files on one line that every terminal takes, whatever bytes they have."""
    return " ".join(text.split()).encode(errors="backslashreplace").decode()
