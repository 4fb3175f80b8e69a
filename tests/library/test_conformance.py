"""The library computes the golden vectors, on every backend; they cover everything."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from conformance.write import (
    CONVENTIONS,
    FOLDER,
    INPUT_SIZE,
    OUTPUT_SIZE,
    edge_vectors,
    families,
    family_vectors,
)
from stn_keras.core.fill_modes import FILL_MODES
from stn_keras.core.kernels import INTERPOLATIONS
from stn_keras.ops import sample, warp
from tests.support.gradients import value_and_gradients

pytestmark = pytest.mark.backend

FAMILIES = families()
SIZES = {"output_size": OUTPUT_SIZE, "input_size": INPUT_SIZE}
# Compiling the kernels of every setting takes minutes; that they equal plain operations is tested
# elsewhere.
COMPILED = False if keras.backend.backend() == "tensorflow" else None
SCIPY_MODES = {"constant": "grid-constant", "wrap": "grid-wrap"}


def read(name):
    """(arrays, settings) of a file."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    return arrays, json.loads(str(arrays.pop("settings")))


def run_warp(arrays, settings, transform, **arguments):
    usual = {"data_format": "channels_last", "compiled": COMPILED}
    arguments = {"fill_value": settings["fill_value"], **usual, **arguments}
    warped = warp(arrays["images"], arrays["theta"], transform, OUTPUT_SIZE, **arguments)
    return ops.convert_to_numpy(warped)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_computes_its_vectors(name):
    arrays, settings = read(name)
    tolerance = settings["tolerance"]
    for path, expected in arrays.items():
        kind, *case = path.split("/")
        if kind == "coordinates":
            transform = FAMILIES[name](CONVENTIONS[case[0]])
            ours = ops.convert_to_numpy(transform.source_coordinates(arrays["theta"], **SIZES))
            np.testing.assert_allclose(ours, expected, atol=tolerance["coordinates"], err_msg=path)
        elif kind in ("warped", "supersampled"):
            convention, *fill = case if kind == "warped" else ("corners-not-aligned",)
            arguments = dict(zip(("interpolation", "fill_mode"), fill, strict=False))
            if kind == "supersampled":
                arguments["supersample"] = int(case[0])
            transform = FAMILIES[name](CONVENTIONS[convention])
            ours = run_warp(arrays, settings, transform, **arguments)
            np.testing.assert_allclose(ours, expected, atol=tolerance["warped"], err_msg=path)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_family_computes_the_gradients(name, convention):
    arrays, settings = read(name)
    transform = FAMILIES[name](CONVENTIONS[convention])

    def loss(images, theta):
        fill = {"fill_value": settings["fill_value"], "data_format": "channels_last"}
        return ops.sum(warp(images, theta, transform, OUTPUT_SIZE, **fill) ** 2)

    _, gradients = value_and_gradients(loss, arrays["images"], arrays["theta"])
    for argument, ours in zip(("images", "theta"), gradients, strict=True):
        expected = arrays[f"gradient/{convention}/{argument}"]
        scale = max(1, np.abs(expected).max())
        np.testing.assert_allclose(
            ours / scale,
            expected.reshape(ours.shape) / scale,
            atol=settings["tolerance"]["gradients"],
        )


def test_edges():
    arrays, settings = read("edges")
    for path, expected in arrays.items():
        kind, *case = path.split("/")
        if kind == "sampled":
            size, interpolation, fill_mode = case
            images = arrays[f"images/{size}"]
            fill = interpolation, fill_mode, settings["fill_value"]
            ours = ops.convert_to_numpy(sample(images, arrays["coordinates"], *fill))
            tolerance = settings["tolerance"]["warped"]
            np.testing.assert_allclose(ours, expected, atol=tolerance, err_msg=path)


def test_the_vectors_cover_every_family_kernel_fill_and_convention():
    assert {path.stem for path in FOLDER.glob("*.npz")} == {*FAMILIES, "edges"}
    for name in FAMILIES:
        paths = set(read(name)[0])
        for convention in CONVENTIONS:
            assert f"coordinates/{convention}" in paths
            for interpolation in INTERPOLATIONS:
                for mode in FILL_MODES:
                    assert f"warped/{convention}/{interpolation}/{mode}" in paths
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 1e6


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written on TensorFlow")
@pytest.mark.parametrize("name", [*FAMILIES, "edges"])
def test_the_command_computes_the_committed_vectors(name):
    fresh = edge_vectors() if name == "edges" else family_vectors(name)
    committed, settings = read(name)
    assert json.loads(str(fresh.pop("settings"))) == settings
    assert set(fresh) == set(committed)
    for path, array in fresh.items():
        np.testing.assert_allclose(array, committed[path], rtol=1e-5, atol=1e-6, err_msg=path)


@pytest.mark.parametrize("mode", FILL_MODES)
@pytest.mark.parametrize(("interpolation", "order"), [("nearest", 0), ("bilinear", 1)])
def test_scipy_agrees_with_the_vectors(mode, interpolation, order):
    arrays, settings = read("affine")
    for convention in CONVENTIONS:
        places = arrays[f"coordinates/{convention}"].astype("float64")
        expected = arrays[f"warped/{convention}/{interpolation}/{mode}"]
        for n, channel in np.ndindex(expected.shape[0], expected.shape[-1]):
            theirs = ndimage.map_coordinates(
                arrays["images"][n, ..., channel].astype("float64"),
                [places[n, ..., 1], places[n, ..., 0]],
                order=order,
                mode=SCIPY_MODES.get(mode, mode),
                cval=settings["fill_value"][channel],
            )
            np.testing.assert_allclose(expected[n, ..., channel], theirs, atol=1e-5)
