"""Timing things side by side."""

import math
import random
import statistics
import time


def side_by_side(functions, rounds, sample=0.0):
    """Seconds of a call of each function in each round.

    Every round times each once, so all meet the same machine, in an order drawn by lot.

    Args:
        functions: name -> function of no arguments.
        rounds: how many seconds each gets.
        sample: seconds that are timed at once, by as many calls as they take. As many go before,
            untimed: idle threads of another library keep a core busy for a while. 0: one call,
            timed.

    Returns:
        name -> list of seconds, one a round.
    """
    rng = random.Random(0)
    calls = {name: _calls_in(sample, function) for name, function in functions.items()}
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name in rng.sample(list(functions), len(functions)):
            if sample:
                _time(functions[name], calls[name])
            seconds[name].append(_time(functions[name], calls[name]))
    return seconds


def _calls_in(sample, function):
    if not sample:
        return 1
    _time(function, 1)  # compiles
    return math.ceil(sample / _time(function, 2))


def _time(function, calls):
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls


def medians(seconds):
    """name -> median seconds."""
    return {name: statistics.median(times) for name, times in seconds.items()}


def times_faster(seconds, name, baseline):
    """How many times faster `name` is than `baseline`: the median of the ratios round by round."""
    pairs = zip(seconds[baseline], seconds[name], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)
