"""Timing things side by side."""

import statistics
import time


def side_by_side(functions, rounds, warm_up=0):
    """Seconds of each function in each round; every round runs each once, so all meet the same
    machine.

    Returns:
        name -> list of seconds, one a round.
    """
    for function in functions.values():
        for _ in range(warm_up):
            function()
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def medians(seconds):
    """name -> median seconds."""
    return {name: statistics.median(times) for name, times in seconds.items()}


def times_faster(seconds, name, baseline):
    """How many times faster `name` is than `baseline`: the median of the ratios round by round."""
    pairs = zip(seconds[baseline], seconds[name], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)
