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
            untimed, where they take less than a second: idle threads of another library keep a core
            busy for a while. 0: one call, timed.

    Returns:
        name -> list of seconds, one a round.
    """
    rng = random.Random(0)
    calls = {name: _calls_in(sample, function) for name, function in functions.items()}
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name in rng.sample(list(functions), len(functions)):
            untimed, timed = calls[name]
            _time(functions[name], untimed)
            seconds[name].append(_time(functions[name], timed))
    return seconds


def _calls_in(sample, function):
    """How many calls go untimed, and how many are timed."""
    if not sample:
        return 0, 1
    _time(function, 1)  # compiles
    taken = _time(function, 2)
    timed = math.ceil(sample / taken)
    return timed if timed * taken < 1 else 0, timed


def _time(function, calls):
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / max(1, calls)


def medians(seconds):
    """name -> median seconds."""
    return {name: statistics.median(times) for name, times in seconds.items()}


def times_faster(seconds, name, baseline):
    """How many times faster `name` is than `baseline`: the median of the ratios round by round."""
    pairs = zip(seconds[baseline], seconds[name], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)


def compare_steps(seconds, steps, ours, baseline):
    """Print what a training step of each takes.

    Args:
        seconds: name -> list of seconds, one a round, as `side_by_side` gives them.
        steps: training steps of a round.
        ours: the name whose speed is reported,
        baseline: against this one's.

    Returns:
        (rows for the results file, how many times faster `ours` is).
    """
    rows = [
        {"name": name, "milliseconds_a_step": round(1e3 * taken / steps, 1)}
        for name, taken in medians(seconds).items()
    ]
    faster = round(times_faster(seconds, ours, baseline), 2)
    for row in rows:
        print(f"{row['name']:20} {row['milliseconds_a_step']:7.1f} ms a step")
    print(f"times faster: {faster}")
    return rows, faster
