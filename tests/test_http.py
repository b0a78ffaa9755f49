"""The HTTP surface over a runner in this process; the same one runs on Ray in test_serve."""

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

pytest.importorskip("starlette")
from backend import SAMPLE, URL, Here
from starlette.testclient import TestClient

from genconv_tf import gallery
from genconv_tf.serving import Refused
from genconv_tf.serving.http import Service
from genconv_tf.serving.limits import Limits


def model_of(folder):
    from genconv_tf import GenerativeConvNet

    return GenerativeConvNet.from_preset(folder)


def test_a_sample_is_that_of_the_model(client, folder):
    answer = client.get(URL + "/sample.png?seed=7&size=32x40&steps=2")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    received = np.asarray(Image.open(io.BytesIO(answer.content)))
    expected = model_of(folder).sample(1, size=(32, 40), seed=7, steps=2)[0]
    np.testing.assert_array_equal(received, expected)


def test_a_chain_can_be_watched(client, folder):
    for until in (0, 3):
        answer = client.get(URL + f"/sample.png?seed=7&size=32x40&steps=2&until={until}")
        received = np.asarray(Image.open(io.BytesIO(answer.content)))
        expected = model_of(folder).sample(1, size=(32, 40), seed=7, steps=2, until=until)[0]
        np.testing.assert_array_equal(received, expected)


def test_predict_answers_in_both_formats(client, folder):
    from genconv_tf import noise

    seed = noise.row_seeds(7, 2).numpy().tolist()
    inputs = {"seed": seed, "size": [32, 40], "steps": 2}
    columns = client.post(URL + ":predict", json={"signature_name": "sample", "inputs": inputs})
    expected = model_of(folder).sample(2, size=(32, 40), seed=7, steps=2)
    np.testing.assert_array_equal(columns.json()["outputs"], expected)
    rows = [{**inputs, "seed": each} for each in seed]
    by_row = client.post(URL + "/versions/1:predict",
                         json={"signature_name": "sample", "instances": rows})  # fmt: skip
    np.testing.assert_array_equal(by_row.json()["predictions"], expected)
    x = np.random.default_rng(0).normal(0, 20, (2, 32, 32, 3)).astype(np.float32)
    scores = client.post(URL + ":predict", json={"instances": x.tolist()}).json()["predictions"]
    np.testing.assert_allclose(scores, model_of(folder).score(x), rtol=1e-5)


def test_a_chain_is_watched_in_both_formats(client, folder):
    """`until` is a scalar, as `steps` is: no axis of rows."""
    inputs = {"seed": [[7, 0]], "size": [32, 40], "steps": 2, "until": 3}
    columns = client.post(URL + ":predict", json={"signature_name": "watch", "inputs": inputs})
    rows = [{**inputs, "seed": [7, 0]}]
    by_row = client.post(URL + ":predict", json={"signature_name": "watch", "instances": rows})
    expected = model_of(folder).sample_media(
        *(tf.constant(inputs[key]) for key in ("seed", "size", "steps", "until"))
    )
    np.testing.assert_array_equal(columns.json()["outputs"], expected)
    np.testing.assert_array_equal(by_row.json()["predictions"], expected)


def test_samples_of_one_call_are_those_of_many(backend, folder):
    """Dynamic batching: requests of several sizes and seeds, one of them refused."""
    asked = [backend.runner.sample_inputs(size, seed, 2)
             for size, seed in (([32, 32], 1), ([32, 40], 2), ([32, 32], 3))]  # fmt: skip
    small = {**asked[0], "size": np.array([3, 3], np.int32)}
    together = backend.runner.samples([("texture", each) for each in [*asked, small]])
    for inputs, result in zip(asked, together):
        alone = backend.runner.predict("texture", "sample", inputs)
        np.testing.assert_array_equal(result["media"], alone["media"])
    assert isinstance(together[3], Refused) and "size of at least" in str(together[3])


def test_status_and_metadata_are_those_of_tensorflow_serving(client):
    state = client.get(URL).json()["model_version_status"][0]
    assert state["state"] == "AVAILABLE" and state["version"] == "1"
    described = client.get(URL + "/metadata").json()["metadata"]["signature_def"]["signature_def"]
    expected = {"serving_default", "score", "sample", "watch", "continue", "recover",
                    "reconstruct"}  # fmt: skip
    assert set(described) == expected
    assert described["sample"]["inputs"]["seed"]["dtype"] == "DT_INT32"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/none", 404), ("/v1/models/none/metadata", 404), (URL + "/versions/2", 404),
        ("/v1/models/none/sample.png", 404), (URL + "/sample.tiff", 404),
        (URL + "/sample.wav", 404),
        (URL + "/sample.png?size=3", 400), (URL + "/sample.png?size=65x64", 400),
        (URL + "/sample.png?size=65", 400), (URL + "/sample.png?seconds=1", 400),
        (URL + "/sample.png?size=0", 400), (URL + "/sample.png?size=-3", 400),
        (URL + "/sample.png?size=" + "9" * 400, 400), (URL + "/sample.png?size=32x32x32", 400),
        (URL + "/sample.png?size=axb", 400), (URL + "/sample.png?seed=1.5", 400),
        (URL + "/sample.png?seed=3000000000", 400), (URL + "/sample.png?steps=-1", 400),
        (URL + "/sample.png?steps=1001", 400), (URL + "/sample.png?colour=red", 400),
        (URL + "/card/metadata.json", 404), (URL + "/card/..%2Fconfig.json", 404),
        ("/nothing", 404), (URL + ":predict", 404), ("/page/..%2f..%2fsetup.py", 404),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_a_reason(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    if not path.startswith("/page"):
        assert answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b"{", b'{"inputs": 3}', json.dumps({**SAMPLE, "inputs": {"seed": [[1, 2]]}}).encode(),
             json.dumps({"instances": [[[[0.0] * 4] * 40] * 40]}).encode()],
)  # fmt: skip
def test_a_bad_body_is_a_400(client, body):
    answer = client.post(URL + ":predict", content=body)
    assert answer.status_code == 400 and "Expected" in answer.json()["error"]


def test_too_large_a_body_is_a_413_whether_or_not_it_says_so(client):
    def chunks():
        for _ in range(40):
            yield b" " * 2**15

    large = b" " * (2**20 + 1)
    assert client.post(URL + ":predict", content=large).status_code == 413
    assert client.post(URL + ":predict", content=chunks()).status_code == 413


def test_a_size_that_the_graph_refuses_says_why(client):
    inputs = {"seed": [[7, 0]], "size": [3, 3], "steps": 2}
    answer = client.post(URL + ":predict", json={"signature_name": "sample", "inputs": inputs})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Expected a size of at least")


def test_what_is_not_a_post_has_no_body(client):
    for path in ("/", URL + "/sample.png", "/v1/models"):
        answer = client.request("GET", path, content=b"x" * 100)
        assert answer.status_code == 413 and "no body" in answer.json()["error"], path
        chunked = client.request("GET", path, content=iter([b"x" * 10] * 3))
        assert chunked.status_code == 413, path


def test_a_file_that_a_model_cannot_fill_is_refused_before_it_is_made(backend):
    class Never(Here):
        async def media(self, *_):
            raise AssertionError("sampled")

    never = Never(backend.folders)
    client = TestClient(Service(never, Limits()).app())
    for extension in ("wav", "mp4", "gif", "exe"):
        answer = client.get(URL + f"/sample.{extension}")
        assert answer.status_code == 404 and "one of png" in answer.json()["error"]


def test_a_sample_is_not_made_again_for_who_has_it(client, backend):
    first = client.get(URL + "/sample.png?seed=7&size=32x40&steps=2")
    had = {"If-None-Match": first.headers["etag"]}
    again = client.get(URL + "/sample.png?seed=7&size=32x40&steps=2", headers=had)
    assert again.status_code == 304 and again.content == b""
    assert client.get(URL + "/sample.png?seed=8&size=32&steps=2", headers=had).status_code == 200
    learned_anew = Here(backend.folders)
    learned_anew.models = {"texture": {**backend.models["texture"], "sha256": {"other": "0"}}}
    other = TestClient(Service(learned_anew, Limits()).app())
    answer = other.get(URL + "/sample.png?seed=7&size=32x40&steps=2", headers=had)
    assert answer.status_code == 200


def test_a_token_is_asked_for_everywhere_but_at_the_page(backend):
    client = TestClient(Service(backend, Limits(), token="s3cret").app())
    for path in ("/", "/healthz", "/page/page.css", URL + "/card/samples.png"):
        assert client.get(path).status_code == 200, path
    for path in ("/v1/models", URL, URL + "/sample.png", "/metrics"):
        assert client.get(path).status_code == 401, path
        for wrong in ("s3cret", "Bearer s3cre", "Bearer s3cret2"):
            assert client.get(path, headers={"Authorization": wrong}).status_code == 401
    right = {"Authorization": "Bearer s3cret"}
    assert client.get(URL, headers=right).status_code == 200
    assert client.post(URL + ":predict", json=SAMPLE).status_code == 401


def test_requests_are_counted(client):
    client.post(URL + ":predict", json=SAMPLE)
    client.post(URL + ":predict", content=b"{")
    client.get("/v1/models/a-name-that-is-made-up/sample.png")
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        lines = client.get(path).text.splitlines()
        counted = 'genconv_requests_total{model="texture",status="%s",what="predict"} 1.0'
        assert counted % 200 in lines and counted % 400 in lines
        assert not any("made-up" in line for line in lines)
        assert "genconv_requests_in_flight 0.0" in lines


def test_the_page_shows_every_model_and_trusts_none(client):
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "&lt;b&gt;A texture&lt;/b&gt;" in page.text and "<b>A" not in page.text
    assert "http://" not in page.text and "https://" not in page.text
    assert client.get(URL + "/card/exemplar.png").headers["content-type"] == "image/png"


def test_metadata_cannot_write_into_the_page():
    quote = '"><meta http-equiv=refresh content=0;url=//evil>'
    meta = {"rank": quote, "size": [quote], "preprocessing": {"rate": quote}, "levels": 1,
            "sampler": {"steps": quote}, "summary": [quote], "licence": quote,
            "figures": {quote: {}}}  # fmt: skip
    page = gallery.render({"m": (meta, [])}, "{name}/{file}", live=True)
    assert "<meta http-equiv" not in page and "&lt;meta http-equiv" in page


def test_the_gallery_is_a_site_of_its_own(folder, tmp_path):
    gallery.write(tmp_path / "site", {"texture": folder})
    page = (tmp_path / "site" / "index.html").read_text()
    for name in ("exemplar.png", "samples.png"):
        assert f'src="models/texture/{name}"' in page
        assert (tmp_path / "site" / "models" / "texture" / name).is_file()
    assert "<script" not in page and (tmp_path / "site" / "page" / "page.css").is_file()
