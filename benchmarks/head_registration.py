"""python -m benchmarks.head_registration: a head aligned with a template, and a moved copy found.

The scan and the MNI152 template lie in `volumes/` of the data folder. The affine transform is found
by mutual information, then a flow that follows a velocity by normalized cross-correlation, at half
the size.
"""

import time

import numpy as np
from keras import ops

from benchmarks.command_line import results_folder
from cli.errors import UserError
from cli.files import atomic_path, write_json
from cli.run import run_command
from data_prep.sources import data_folder
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table
from stn_keras import register, transforms
from stn_keras.ops import transform_points, warp
from stn_keras.registration.losses import mutual_information
from stn_keras.registration.pyramid import pyramid

# White matter, of the brain and of the cerebellum, in the scan's segmentation.
WHITE_MATTER = (2, 41, 7, 46)
BRIGHT = 0.8  # of the template's largest value: its white matter
SEED = 0
_POINTS = 200_000
_SMOOTHNESS, _STEPS = 2.0, 40
# How the copy is moved: a similarity.
MOVED = [1.03, 0.1, -0.08, 0.12, 0.05, -0.04, 0.03]


def load():
    """The scan in the template's axes, its white matter, and the template, each in 0..1."""
    import nibabel

    folder = data_folder(None) / "volumes"
    paths = folder / "voxelmorph_test_scan.npz", folder / "mni_icbm152_t1.nii.gz"
    for path in paths:
        if not path.exists():
            raise UserError(f"expected the volume {path}")
    with np.load(paths[0], allow_pickle=False) as scan:
        head, segmentation = (
            np.ascontiguousarray(scan[name].transpose(0, 2, 1)[::-1, :, ::-1], "float32")
            for name in ("vol", "seg")
        )
    template = nibabel.load(paths[1]).get_fdata(dtype="float32")
    white = np.isin(segmentation, WHITE_MATTER).astype("float32")
    return head / head.max(), white, template / template.max()


def information(first, second):
    """Mutual information of two volumes in nats, at random voxels."""
    chosen = np.random.default_rng(SEED).choice(first.size, _POINTS, replace=False)
    values = [volume.ravel()[chosen].reshape(1, -1, 1) for volume in (first, second)]
    weights = np.full((1, _POINTS, 1), 1 / _POINTS, "float32")
    return -float(mutual_information(*map(ops.convert_to_tensor, (*values, weights)))[0])


def dice(first, second):
    """The overlap of two masks."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def folds(flow):
    """The share of voxels at which a flow (D, H, W, 3) turns the volume over."""
    size = [length - 1 for length in flow.shape[:3]]
    slopes = [np.diff(flow, axis=axis)[: size[0], : size[1], : size[2]] for axis in (2, 1, 0)]
    determinant = np.linalg.det(np.stack(slopes, axis=-1) + np.eye(3))
    return float((determinant <= 0).mean())


def read(volume, theta, transform, size):
    """A volume (D, H, W) read where theta says."""
    warped = warp(volume[None, ..., None], theta, transform, size, data_format="channels_last")
    return ops.convert_to_numpy(warped)[0, ..., 0]


def half(volume):
    """A volume at half its size."""
    return pyramid(volume[None, ..., None], 2)[0][0, ..., 0]


def align(head, white, template):
    """Rows of the table, and the volumes that the picture shows."""
    affine, bright = transforms.Affine(rank=3), template > BRIGHT
    rows, shown = [], {"template": template}

    def add(stage, volume, mask, fixed, wanted, seconds=None, **more):
        rows.append(
            {
                "stage": stage,
                "mutual_information": round(information(fixed, volume), 3),
                "dice": round(dice(mask > 0.5, wanted), 3),
                "seconds": seconds and round(seconds, 1),
                **more,
            }
        )

    def placed(theta):
        return (read(volume, theta, affine, template.shape) for volume in (head, white))

    before = list(placed(affine.identity))
    add("before", *before, template, bright)
    started = time.perf_counter()
    found = register(head, template, affine, loss="mutual_information", seed=SEED)
    seconds = time.perf_counter() - started
    moved = list(placed(found.theta))
    add("affine", *moved, template, bright, seconds)
    shown |= {"scan": before[0], "affine": moved[0]}

    fixed, moving, mask = (half(volume) for volume in (template, *moved))
    wanted = half(bright.astype("float32")) > 0.5
    add("affine, half size", moving, mask, fixed, wanted)
    flow, started = transforms.DenseFlow(fixed.shape), time.perf_counter()
    settings = {"loss": "ncc", "smoothness": _SMOOTHNESS, "steps": _STEPS}
    found = register(moving, fixed, flow, **settings)
    seconds = time.perf_counter() - started
    warped = found.aligned, read(mask, found.theta, flow, fixed.shape)
    add("flow, half size", *warped, fixed, wanted, seconds, folds=folds(found.theta[0]))
    shown["flow"] = warped[0]
    return rows, shown


def find_copy(head):
    """How far a moved copy is from its place after registration, in voxels, at the corners."""
    similarity = transforms.Similarity(rank=3)
    copy = read(head, [MOVED], similarity, head.shape)
    started = time.perf_counter()
    # The copy is the head read by MOVED, so the head is found on the copy by its inverse.
    found = register(head, copy, similarity, loss="ncc")
    seconds = time.perf_counter() - started
    corners = np.array(np.meshgrid(*([0, n - 1] for n in reversed(head.shape)))).reshape(3, -1).T
    sizes = {"output_size": head.shape, "input_size": head.shape, "transform": similarity}
    there, true = (
        ops.convert_to_numpy(transform_points(theta, corners, **sizes))
        for theta in (found.theta, np.array([MOVED], "float32"))
    )
    start = np.linalg.norm(true - corners, axis=-1).mean()
    error = np.linalg.norm(there - true, axis=-1).mean()
    return {"start": round(float(start), 1), "error": round(float(error), 4), "seconds": seconds}


def draw(path, shown):
    """The middle slices of each stage, outlines of the template over them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        3, len(shown), figsize=(2.1 * len(shown), 6.4), layout="constrained"
    )
    for column, (name, volume) in enumerate(shown.items()):
        outline = (
            shown["template"]
            if volume.shape == shown["template"].shape
            else half(shown["template"])
        )
        axes[0, column].set_title(name)
        for axis in range(3):
            cut = [v.take(v.shape[axis] // 2, axis).T for v in (volume, outline)]
            panel = axes[axis, column]
            panel.imshow(cut[0], origin="lower", cmap="gray", vmin=0, vmax=1)
            panel.contour(cut[1], [0.35], colors="#f07c12", linewidths=0.6)
            panel.set(xticks=[], yticks=[])
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=75)


def table(rows):
    """The stages as a Markdown table."""
    header = ["stage", "mutual information, nats", "overlap (Dice)", "folded", "s"]
    lines = [
        [
            row["stage"],
            f"{row['mutual_information']:.3f}",
            f"{row['dice']:.3f}",
            f"{row['folds']:.2%}" if "folds" in row else "",
            f"{row['seconds']:.1f}" if row["seconds"] else "",
        ]
        for row in rows
    ]
    return markdown_table([header, *lines])


def main():
    """Register, print, write JSON and picture."""
    out = results_folder("head_registration", __doc__.splitlines()[0])
    head, white, template = load()
    rows, shown = align(head, white, template)
    copy = find_copy(head)
    print(table(rows))
    print(f"moved copy: {copy}")
    path = out / f"head-registration-{device_slug()}.json"
    content = {"stages": rows, "moved_copy": copy, "seed": SEED}
    write_json(path, {**content, "environment": describe("nibabel")})
    draw(path.with_suffix(".png"), shown)
    print(f"{path}\n{path.with_suffix('.png')}")


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.head_registration")
