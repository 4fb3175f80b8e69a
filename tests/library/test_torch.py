"""What torch makes of a model with a spatial transformer: compiled, and written as ONNX."""

import keras
import numpy as np
import pytest

from stn_keras import SpatialTransformer

pytestmark = pytest.mark.backend

if keras.backend.backend() != "torch":
    pytest.skip("a model is torch's with KERAS_BACKEND=torch", allow_module_level=True)

torch = pytest.importorskip("torch")


@pytest.fixture
def images():
    return np.random.default_rng(1).random((5, 12, 12, 1), "float32")


def tilted_model(**arguments):
    """A transformer whose theta differs from image to image, and a classifier."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((12, 12, 1))
    transformer = SpatialTransformer(layers.Flatten(), **arguments)
    outputs = layers.Dense(10, "softmax")(layers.Flatten()(transformer(inputs)))
    kernel = transformer.regressor.kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.05, kernel.shape))
    return keras.Model(inputs, outputs)


@pytest.mark.slow
def test_a_compiled_model_has_the_same_scores_and_gradients(images):
    model = tilted_model()
    results = []
    # Traced and differentiated as always; what remains is torch's own generation of code.
    for function in (model, torch.compile(model, backend="aot_eager")):
        model.zero_grad()
        scores = function(torch.from_numpy(images))
        scores[:, 0].sum().backward()
        gradients = [variable.value.grad.numpy().copy() for variable in model.trainable_variables]
        results.append([scores.detach().numpy(), *gradients])
    assert all(np.abs(array).max() > 0 for array in results[0])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("arguments", [{}, {"transform": "tps", "fill_mode": "reflect"}])
def test_onnx_written_by_torch_computes_the_same(tmp_path, images, arguments):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = tilted_model(**arguments)
    expected = model.predict(images, verbose=0)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (name,) = (tensor.name for tensor in session.get_inputs())
    for batch in (5, 3, 1):
        (scores,) = session.run(None, {name: images[:batch]})
        np.testing.assert_allclose(scores, expected[:batch], atol=1e-4)
