"""The models of the browser demo are those that come along."""

import base64
import json

import keras
import numpy as np
import pytest

import experiments.networks.finder  # noqa: F401  registers a layer of one of the models
from experiments.pretrained.cards import cards_of
from stn_keras.export.source import with_named_outputs
from tests.support.commands import ROOT
from web.make_models import KINDS, MOST_BYTES, TOLERANCE, as_affine

FOLDER = ROOT / "web" / "models"
SHOWN = {kind["name"]: kind for kind in json.loads((FOLDER / "models.json").read_text())["kinds"]}
DRAWINGS = json.loads((ROOT / "web" / "tests" / "drawings.json").read_text())
of_every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@of_every_kind
def test_the_stored_drawings_say_what_the_trained_models_say(kind):
    shown, drawings = SHOWN[kind.name], DRAWINGS[kind.name]
    shape = (shown["side"], shown["side"], shown["channels"])
    images = [
        np.frombuffer(base64.b64decode(d["pixels"]), "uint8").reshape(shape) for d in drawings
    ]
    images = np.stack(images).astype("float32") / 255
    cards = {card.model: card for card in cards_of(kind.experiment)}
    for role, name in (("alone", kind.alone), ("behind", kind.behind)):
        if name is None:
            assert role not in drawings[0]
            continue
        model = with_named_outputs(
            keras.models.load_model(cards[name].checked_path()), with_theta=role == "behind"
        )
        said = model.predict(images, verbose=0)
        np.testing.assert_allclose([d[role] for d in drawings], said["scores"], atol=TOLERANCE)
        if role == "behind":
            theta = as_affine(said["theta"])
            np.testing.assert_allclose([d["theta"] for d in drawings], theta, atol=TOLERANCE)


@of_every_kind
def test_every_file_of_a_kind_is_there_and_small(kind):
    shown = SHOWN[kind.name]
    files = [shown[role] for role in ("alone", "behind") if shown[role]]
    files += [sprite["file"] for sprite in shown["sprites"].values()]
    for file in files:
        assert (FOLDER / file).stat().st_size < MOST_BYTES
