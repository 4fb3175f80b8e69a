"""What the library's command lines share: errors of one line, and a clean end."""

import argparse
import signal
from collections.abc import Callable
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came. The partial file is removed on the way out, as after Ctrl-C."""


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.fail(f"{message} (see --help)")

    def fail(self, message: object) -> NoReturn:
        """End with exit code 2 and a message, on one line."""
        self.exit(2, f"{self.prog}: error: {' '.join(str(message).split())}\n")


def run_command(
    parser: OneLineParser,
    run: Callable[[argparse.Namespace], None],
    errors: type[Exception],
) -> None:
    """Parse arguments and run; what the user can mend is one line and exit code 2.

    Args:
        parser: of the arguments.
        run: what to do with them.
        errors: what the user can mend, besides files that cannot be read or written.
    """
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        run(arguments)
    except (errors, OSError) as error:
        parser.fail(error)
    except MemoryError as error:
        parser.fail(f"not enough memory ({error})")
    except Terminated:
        parser.exit(143, f"{parser.prog}: terminated\n")
    except KeyboardInterrupt:
        parser.exit(130, f"{parser.prog}: interrupted\n")


def _terminate(number, frame):
    raise Terminated
