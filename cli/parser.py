"""Argument parsers whose errors are one line."""

import argparse
import textwrap


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
