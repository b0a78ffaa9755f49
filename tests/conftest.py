import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.pop("GENCONV_URL", None)  # Tests have servers of their own.
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers beside each other have a core each: more threads would only wait for one another.
    for kind in ("INTRAOP", "INTEROP"):
        os.environ.setdefault(f"TF_NUM_{kind}_THREADS", "1")

import numpy as np
import pytest

SMALL = {
    "layers": [{"filters": 8, "kernel": 5, "stride": 2}, {"filters": 6, "kernel": 3}],
    "levels": 2,
    "size": 32,
    "sampler": {"steps": [4, 3], "start_std": 20.0},
    "learning": {"chains": [2, 1], "rejuvenation": 1.0, "updates": 6},
}


@pytest.fixture
def clip():
    """A bright bar that moves by four pixels a frame: `(12, 32, 48, 3)` uint8."""
    video = np.full((12, 32, 48, 3), 40, np.uint8)
    for i in range(12):
        video[i, :, 4 * i : 4 * i + 4] = (220, 200, 180)
    return video


@pytest.fixture(scope="session", autouse=True)
def graphs_as_traced():
    """No Grappler: a quarter of a test's time where a graph runs once or twice.

    Tests that begin processes (commands, servers, SavedModels without the package) have it.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture
def small():
    """A model of two levels, quick to learn and to sample."""
    from genconv_tf import GenerativeConvNet

    return GenerativeConvNet(**SMALL)


@pytest.fixture(scope="session")
def fixed():
    """As `small`, but one for all tests, none of which changes it: what was traced stays."""
    from genconv_tf import GenerativeConvNet

    return GenerativeConvNet(**SMALL)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, photograph):
    """A small model as a preset `texture`, with its card."""
    from genconv_tf import GenerativeConvNet

    model, place = GenerativeConvNet(**SMALL), tmp_path_factory.mktemp("presets") / "texture"
    model.save_to_preset(place, exemplar=photograph, samples=model.sample(2),
                         summary="<b>A texture</b>", licence="CC0-1.0")  # fmt: skip
    return place


@pytest.fixture(scope="session")
def photograph():
    """A random but smooth picture, `(48, 40, 3)` uint8."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((48, 40, 3))
    for axis in (0, 1):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)
    return np.clip(128 + 25 * noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def picture(tmp_path_factory, photograph):
    """The photograph as a PNG file."""
    from PIL import Image

    path = tmp_path_factory.mktemp("picture") / "photograph.png"
    Image.fromarray(photograph).save(path)
    return path


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """A recipe that learns in a second."""
    path = tmp_path_factory.mktemp("recipe") / "quick.toml"
    path.write_text(
        """
[model]
layers = [{filters = 8, kernel = 5, stride = 2}, {filters = 6, kernel = 3}]
levels = 2
[sampler]
steps = 3
start_std = 20.0
[learning]
updates = 6
chains = [2, 1]
rejuvenation = 0.5
optimizer = {name = "adam", learning_rate = 1e-3, use_ema = true, ema_momentum = 0.5}
"""
    )
    return path


@pytest.fixture(scope="session")
def backend(folder, tmp_path_factory):
    """That of a server of the model `texture`, in this process."""
    from backend import Here

    from genconv_tf.serving import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENCONV_HOME", str(tmp_path_factory.mktemp("cache")))
        here = Here(models.named([str(folder)]))
        here.runner.signatures("texture")
    return here


@pytest.fixture
def client(backend):
    """Of the HTTP surface over it, with small limits."""
    from starlette.testclient import TestClient

    from genconv_tf.serving.http import Service
    from genconv_tf.serving.limits import Limits

    return TestClient(Service(backend, Limits(positions=64 * 64, body=2**20)).app())
