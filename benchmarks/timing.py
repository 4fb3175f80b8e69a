"""Timing things side by side."""

import random
import statistics
import time


def side_by_side(functions, rounds, warm_up=0):
    """Seconds of each function in each round.

    Every round runs each once, so all meet the same machine, in an order drawn by lot: idle threads
    of one library keep a core busy for a while and would always slow down the same neighbour.

    Args:
        functions: name -> function of no arguments.
        rounds: how many seconds each gets.
        warm_up: calls right before each timed one that do not count.

    Returns:
        name -> list of seconds, one a round.
    """
    rng = random.Random(0)
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name in rng.sample(list(functions), len(functions)):
            for _ in range(warm_up):
                functions[name]()
            started = time.perf_counter()
            functions[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def medians(seconds):
    """name -> median seconds."""
    return {name: statistics.median(times) for name, times in seconds.items()}


def times_faster(seconds, name, baseline):
    """How many times faster `name` is than `baseline`: the median of the ratios round by round."""
    pairs = zip(seconds[baseline], seconds[name], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)
