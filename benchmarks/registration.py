"""python -m benchmarks.registration: our registration and those of OpenCV, kornia, scikit-image."""

import time
from statistics import median

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.command_line import results_folder
from benchmarks.image_pairs import moved_photographs, wall
from cli.files import write_json
from cli.run import run_command
from experiments.environment import describe, device_slug
from experiments.reports.markdown import markdown_table
from stn_keras import register
from stn_keras.ops import from_pixel_matrix

OURS, ROBUST = "stn-keras", "stn-keras, robust"
# An error in pixels from which a pair counts as not aligned.
LOST = 2.0
# For OpenCV, of small and of large images.
_LEVELS, _SMALL_SIDE = (3, 4), 256


def ours(pair, robust=False):
    """`stn_keras.register`, by normalized cross-correlation."""
    sizes = {"input_size": pair.moving.shape, "output_size": pair.fixed.shape}
    theta = np.asarray(from_pixel_matrix(pair.start[None].astype("float32"), **sizes))
    settings = {"loss": "ncc", "initial_theta": theta, "robust": robust, "verbose": 0}
    found = register(pair.moving, pair.fixed, "homography", **settings)
    return found.pixel_matrix[0]


def opencv(pair):
    """`cv2.findTransformECC`, on copies from small to whole, as it has none of its own.

    How many, and no blur, is what does best on these pairs.
    """
    is_large = max(pair.fixed.shape) > _SMALL_SIDE
    matrix, levels = pair.start, _LEVELS[is_large]
    for level in reversed(range(levels)):
        factor = 2.0**-level
        images = [
            cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            for image in (pair.fixed, pair.moving)
        ]
        shrink = np.diag([factor, factor, 1.0])
        shrink[:2, 2] = (factor - 1) / 2
        start = (shrink @ matrix @ np.linalg.inv(shrink)).astype("float32")
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-6)
        try:
            _, found = cv2.findTransformECC(
                *images, start, cv2.MOTION_HOMOGRAPHY, criteria, None, 1
            )
        except cv2.error:  # it did not converge
            continue
        matrix = np.linalg.inv(shrink) @ found @ shrink
    return matrix


def kornia(pair):
    """`kornia.geometry.ImageRegistrator`, on images of equal mean and deviation.

    It starts at the identity, so the moving image is brought to the start before. What it found is
    read from coordinates that it warps, whatever its convention.
    """
    import torch
    from kornia.geometry import ImageRegistrator

    height, width = pair.fixed.shape
    started = cv2.warpPerspective(
        pair.moving, pair.start, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    images = [
        torch.tensor((image - image.mean()) / image.std())[None, None]
        for image in (started, pair.fixed)
    ]
    registrator = ImageRegistrator("homography", num_iterations=500, tolerance=1e-7)
    registrator.register(*images)
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height))).astype("float32")
    ramps = torch.tensor(np.concatenate([pixels, np.ones((1, height, width), "float32")]))[None]
    with torch.no_grad():
        read = registrator.warp_src_into_dst(ramps)[0].numpy()
    inside = read[2] > 0.999
    found, _ = cv2.findHomography(pixels[:, inside].T, read[:2, inside].T)
    return pair.start @ found


def scikit_image(pair):
    """ORB keypoints of scikit-image, matched by RANSAC; it needs no start."""
    from skimage.feature import ORB, match_descriptors
    from skimage.measure import ransac
    from skimage.transform import ProjectiveTransform

    found = []
    for image in (pair.fixed, pair.moving):
        detector = ORB(n_keypoints=2000, fast_threshold=0.03)
        detector.detect_and_extract(image)
        found.append(detector)
    matches = match_descriptors(*(d.descriptors for d in found), cross_check=True)
    points = [d.keypoints[matches[:, i]][:, ::-1] for i, d in enumerate(found)]
    model, _ = ransac(points, ProjectiveTransform, 4, residual_threshold=2, max_trials=2000, rng=0)
    return pair.start if model is None else np.asarray(model.params)


CONTESTANTS = {
    OURS: ours,
    ROBUST: lambda pair: ours(pair, robust=True),
    "OpenCV findTransformECC": opencv,
    "kornia ImageRegistrator": kornia,
    "scikit-image ORB and RANSAC": scikit_image,
}


def measure(pairs):
    """name -> one row a pair: its error and seconds; ours also with compilation."""
    rows = {name: [] for name in CONTESTANTS}
    for pair in tqdm(pairs, unit="pair"):
        for name, run in CONTESTANTS.items():
            row = {"pair": pair.name}
            if name in (OURS, ROBUST):
                row["first_seconds"] = round(_timed(run, pair)[1], 3)
            matrix, seconds = _timed(run, pair)
            row |= {"error": round(float(pair.error(matrix)), 4), "seconds": round(seconds, 3)}
            rows[name].append(row)
    return rows


def _timed(run, pair):
    started = time.perf_counter()
    matrix = run(pair)
    return matrix, time.perf_counter() - started


def summary(rows):
    """Median error and seconds, and how many pairs were lost."""
    return {
        "median_error": median(row["error"] for row in rows),
        "worst_error": max(row["error"] for row in rows),
        "median_seconds": median(row["seconds"] for row in rows),
        "lost": sum(row["error"] > LOST for row in rows),
    }


def table(content):
    """All contestants on the photographs, and on the wall where it is there."""
    header = ["method", "median error, px", "worst, px", "lost", "median s"]
    rows = [[*header, *(["wall, px", "wall, s"] if "wall" in content else [])]]
    for name, values in content["summary"].items():
        row = [
            name,
            f"{values['median_error']:.3f}",
            f"{values['worst_error']:.2f}",
            str(values["lost"]),
            f"{values['median_seconds']:.2f}",
        ]
        if "wall" in content:
            (on_wall,) = content["wall"][name]
            row += [f"{on_wall['error']:.2f}", f"{on_wall['seconds']:.2f}"]
        rows.append(row)
    return markdown_table(rows)


def main():
    """Measure, print, write JSON."""
    out = results_folder("registration", __doc__)
    cv2.setNumThreads(2)
    photographs = measure(moved_photographs())
    content = {
        "photographs": photographs,
        "summary": {name: summary(rows) for name, rows in photographs.items()},
    }
    pair = wall()
    if pair is not None:
        content["wall"] = measure([pair])
        content["wall_start_error"] = round(float(pair.error(pair.start)), 1)
    first = [row["first_seconds"] for row in photographs[OURS]]
    content["first_seconds"] = {"process": first[0], "same_size": median(first[1:])}
    content["environment"] = describe("kornia", "scikit-image", "opencv-python-headless")
    print(table(content))
    path = out / f"registration-{device_slug()}.json"
    write_json(path, content)
    print(path)


if __name__ == "__main__":
    run_command(main, "python -m benchmarks.registration")
