"""Run a command line: what the user can mend, and signals, end it with one line."""

import multiprocessing
import os
import signal
import sys

from cli.errors import PACKAGES, UserError, missing_package, one_line


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
    main_process = os.getpid()

    def end(number, frame):
        if os.getpid() == main_process:  # a forked worker that has just begun ends without a word
            for worker in multiprocessing.active_children():
                worker.kill()
            os.write(sys.stderr.fileno(), f"{message}\n".encode())
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)
