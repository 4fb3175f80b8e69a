"""One way to tell a user what went wrong."""

import argparse
import contextlib
import multiprocessing
import os
import signal
import sys
import textwrap

_EXPERIMENTS = 'pip install ".[experiments]"'
# Packages that an installation may lack: what is imported -> (package, how to install it).
PACKAGES = {
    "PIL": ("pillow", _EXPERIMENTS),
    "cv2": ("opencv-python-headless", _EXPERIMENTS),
    "imageio": ("imageio", _EXPERIMENTS),
    "imgaug": ("imgaug", "pip install --no-deps imgaug"),
    "jax": ("jax", "pip install jax"),
    "matplotlib": ("matplotlib", _EXPERIMENTS),
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
def reading(what, path):
    """Turns any error of what is done inside into one line: expected `what` at `path`."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except Exception as error:  # zipfile, numpy, csv, pickle and Pillow each have their own
        raise UserError(f"expected {what} at {path} ({one_line(error)})") from None


def printable(text):
    """Text with names of files on one line that every terminal takes, whatever bytes they have."""
    return " ".join(text.split()).encode(errors="backslashreplace").decode()


class WholeNames(argparse.HelpFormatter):
    """Help whose lines do not break at the hyphens of names."""

    def _split_lines(self, text, width):
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, without the usage before it."""

    def __init__(self, *args, formatter_class=WholeNames, **kwargs):
        super().__init__(*args, formatter_class=formatter_class, **kwargs)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def run_command(main, prog, stopped=""):
    """Run a command line's `main`; what the user can mend becomes one line and exit code 2.

    Args:
        main: function of no arguments.
        prog: name of the program.
        stopped: what a user does after the program was stopped, by SIGTERM or by Ctrl-C.
    """
    advice = f"; {stopped}" if stopped else ""
    _end_at_sigterm(f"{prog}: terminated{advice}")
    try:
        main()
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in PACKAGES:
            raise  # a fault of this project
        print(f"{prog}: error: {missing_package(error)}", file=sys.stderr)
        sys.exit(2)
    except (UserError, OSError) as error:
        print(f"{prog}: error: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except MemoryError as error:
        print(f"{prog}: error: not enough memory ({one_line(error)})", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{prog}: interrupted{advice}", file=sys.stderr)
        sys.exit(130)


def _end_at_sigterm(message):
    """Let SIGTERM say one line and end the process, and its workers, at once with exit code 143.

    Files are whole or absent at every moment, so there is nothing to wait for.
    """
    own = os.getpid()

    def end(number, frame):
        if os.getpid() == own:  # a forked worker that has just begun ends without a word
            for worker in multiprocessing.active_children():
                worker.kill()
            os.write(sys.stderr.fileno(), f"{message}\n".encode())
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)
