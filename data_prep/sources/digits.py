"""scikit-learn's embedded digits."""

import numpy as np

from data_prep.sources.source import Source


def load_embedded_digits(data_dir):
    """scikit-learn's 1,797 handwritten 8x8 digits, enlarged to 20x20 in a 28x28 frame as MNIST."""
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.zeros((len(digits.images), 28, 28, 1), "uint8")
    for image, digit in zip(
        images, np.round(digits.images * (255 / 16)).astype("uint8"), strict=True
    ):
        image[4:24, 4:24, 0] = Image.fromarray(digit).resize((20, 20), Image.Resampling.BICUBIC)
    train, test = train_test_split(
        np.arange(len(images)), test_size=360, stratify=digits.target, random_state=0
    )
    labels = digits.target.astype("int64")
    return Source(images[train], labels[train], images[test], labels[test])
