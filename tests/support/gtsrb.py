"""Small archives of traffic signs."""

import io

import numpy as np
from PIL import Image

TRACKS, FRAMES = 3, 4


def small_gtsrb(rng):
    """Columns of every class with three tracks of four frames, and photographs of several sizes."""
    places = np.stack(np.unravel_index(np.arange(43 * TRACKS * FRAMES), (43, TRACKS, FRAMES)), 1)
    columns = {"y_train": places[:, 0], "track_train": places[:, 1], "frame_train": places[:, 2]}
    columns["y_test"] = rng.permutation(np.arange(86) % 43)
    photographs = {}
    for part in ("train", "test"):
        sizes = rng.integers(20, 50, (len(columns[f"y_{part}"]), 2))
        starts, ends = rng.integers(0, 6, sizes.shape), sizes - rng.integers(0, 6, sizes.shape)
        columns[f"meta_{part}"] = np.concatenate([sizes, starts, ends], 1).astype("int16")
        photographs[part] = [
            Image.fromarray(rng.integers(0, 256, (height, width, 3), "uint8"))
            for width, height in sizes
        ]
    return columns, photographs


def strip_members(columns, photographs, per_strip=60):
    """Members of a small gtsrb32.zip."""
    file = io.BytesIO()
    np.savez(file, **columns)
    members = {"labels.npz": file.getvalue()}
    for part, pictures in photographs.items():
        images = [picture.resize((32, 32), Image.Resampling.BILINEAR) for picture in pictures]
        for start in range(0, len(images), per_strip):
            strip, file = np.concatenate(images[start : start + per_strip]), io.BytesIO()
            Image.fromarray(strip).save(file, "WEBP", lossless=True)
            members[f"{part}/{start:05}.webp"] = file.getvalue()
    return members


def write_original(root, columns, photographs):
    """The same as the publisher's folders, whose rows are in no order."""
    lines = {}
    for part, pictures in photographs.items():
        for number, picture in enumerate(pictures):
            label, meta = columns[f"y_{part}"][number], columns[f"meta_{part}"][number]
            folder, name = root / "Final_Test" / "Images", f"{number:05}.ppm"
            table = folder / "GT-final_test.csv"
            if part == "train":
                track, frame = columns["track_train"][number], columns["frame_train"][number]
                folder = root / "Final_Training" / "Images" / f"{label:05}"
                table, name = folder / f"GT-{label:05}.csv", f"{track:05}_{frame:05}.ppm"
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / name)
            lines.setdefault(table, []).append(";".join(map(str, [name, *meta, label])))
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    for table, rows in lines.items():
        table.write_text("\r\n".join([head, *rows[::-1], ""]))
