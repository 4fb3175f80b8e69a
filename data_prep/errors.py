"""One way to tell a user what went wrong."""

import argparse
import sys


class UserError(Exception):
    """Something the user can mend; one line that says what was expected and what came."""


def one_line(error):
    """The message of an exception on one line, or its name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, without the usage before it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def run_command(main, prog):
    """Run a command line's `main`; what the user can mend becomes one line and exit code 2."""
    try:
        main()
    except (UserError, OSError) as error:
        print(f"{prog}: error: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        sys.exit(130)
