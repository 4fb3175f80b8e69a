"""Pictures of benchmark results."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib import ticker

from cli.files import atomic_path


def bar_chart(rows, path):
    """One group of bars a cell: how many times as fast as torch each contestant is."""
    names = list(dict.fromkeys(name for row in rows for name in row["times_torch"]))
    figure, axes = plt.subplots(figsize=(14, 5), layout="constrained")
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        bars = [
            (i, row["times_torch"][name])
            for i, row in enumerate(rows)
            if name in row["times_torch"]
        ]
        offset = (index - (len(names) - 1) / 2) * width
        axes.bar([i + offset for i, _ in bars], [ratio for _, ratio in bars], width, label=name)
    labels = ["x".join(map(str, row["shape"])) + "\n" + row["mode"] for row in rows]
    axes.set_xticks(range(len(rows)), labels, fontsize=8)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.set_ylabel("times as fast as torch")
    axes.set_title("Affine grid and bilinear sampler; 1 is torch's affine_grid and grid_sample")
    axes.legend(ncols=len(names), fontsize=8, loc="upper center")
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=110)
    plt.close(figure)
