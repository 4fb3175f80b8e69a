"""The command line that benchmarks of several contestants share."""

from pathlib import Path

from cli.files import writable_folder
from cli.parser import OneLineParser


def rounds_and_folder(name, description, rounds=15):
    """What a benchmark's command line says.

    Args:
        name: of the benchmark's module.
        description: for its help.
        rounds: default of --rounds.

    Returns:
        (rounds, folder of the results).
    """
    parser = _parser(name, description)
    parser.add_argument("--rounds", type=int, default=rounds, help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"expected --rounds of at least 1, got {arguments.rounds}")
    return arguments.rounds, writable_folder(arguments.out)


def results_folder(name, description):
    """The folder of the results, of a benchmark without rounds."""
    return writable_folder(_parser(name, description).parse_args().out)


def _parser(name, description):
    parser = OneLineParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    return parser
