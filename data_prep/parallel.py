"""How many work at once, and how far they are."""

import os


def default_workers():
    """As many processes as this one may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def progress_bar(count, description):
    """A progress bar over `count` images; none where the description is None."""
    from tqdm import tqdm

    return tqdm(
        total=count, desc=description, unit="image", unit_scale=True, disable=description is None
    )
