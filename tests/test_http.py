"""The HTTP surface over a runner in this process; the same one runs on Ray in test_serve."""

import asyncio
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from genconv_tf import gallery
from genconv_tf.metadata import about
from genconv_tf.serving import Refused, models, query
from genconv_tf.serving.http import Service
from genconv_tf.serving.limits import Limits
from genconv_tf.serving.runner import Runner

URL = "/v1/models/texture"
SAMPLE = {"signature_name": "sample", "inputs": {"seed": [[7, 0]], "size": [32, 40], "steps": 2}}


class Here:
    """A backend without another process."""

    def __init__(self, folders):
        self.runner, self.folders = Runner(folders), folders
        self.models = {name: about(folder) for name, folder in folders.items()}

    async def signatures(self, name):
        return self.runner.signatures(name)

    async def predict(self, name, signature, inputs):
        return self.runner.predict(name, signature, inputs)

    async def media(self, name, asked, extension):
        inputs = self.runner.sample_inputs(*asked)
        signature = "watch" if "until" in inputs else "sample"
        media = self.runner.predict(name, signature, inputs)["media"]
        return self.runner.encoded(name, media[0], extension)


@pytest.fixture(scope="module")
def backend(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENCONV_HOME", str(tmp_path_factory.mktemp("cache")))
        here = Here(models.named([str(folder)]))
        here.runner.signatures("texture")
    return here


@pytest.fixture
def client(backend):
    return TestClient(Service(backend, Limits(positions=64 * 64, body=2**20)).app())


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


class Slow(Here):
    """A backend that answers when it is told to."""

    def __init__(self, here):
        self.folders, self.models, self.go_on = here.folders, here.models, asyncio.Event()

    async def media(self, *_):
        await self.go_on.wait()
        return b"late"


def get(app, path, headers=()):
    """The status and the headers of a request to an ASGI application, as a coroutine."""

    async def ask():
        said = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            said.append(message)

        path_only, _, query = path.partition("?")
        await app({"type": "http", "method": "GET", "path": path_only, "raw_path": path.encode(),
                   "query_string": query.encode(), "headers": list(headers), "scheme": "http",
                   "http_version": "1.1", "server": ("test", 80), "client": ("test", 1),
                   "root_path": ""}, receive, send)  # fmt: skip
        return said[0]["status"], dict(said[0]["headers"])

    return ask()


def test_a_full_queue_is_a_429_and_a_drained_server_a_503(backend):
    async def play():
        slow = Slow(backend)
        service = Service(slow, Limits(queue=2))
        app = service.app()
        first = [asyncio.create_task(get(app, URL + "/sample.png")) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert service.waiting == 2
        status, headers = await get(app, URL + "/sample.png")
        assert status == 429 and headers[b"retry-after"] == b"1"
        drained = asyncio.create_task(service.drain(5.0))
        await asyncio.sleep(0.05)
        assert (await get(app, URL + "/sample.png"))[0] == 503
        assert (await get(app, "/healthz"))[0] == 503
        slow.go_on.set()
        assert [status for status, _ in await asyncio.gather(*first)] == [200, 200]
        assert await drained == 0

    asyncio.run(play())


async def post(app, receive):
    """Status of a request whose body `receive` brings."""
    said = []

    async def send(message):
        said.append(message)

    await app({"type": "http", "method": "POST", "path": URL + ":predict", "headers": [],
               "query_string": b"", "scheme": "http", "http_version": "1.1",
               "raw_path": b"", "server": ("test", 80), "client": ("test", 1),
               "root_path": ""}, receive, send)  # fmt: skip
    return said[0]["status"]


def test_a_slow_body_is_a_408_and_takes_no_place_of_the_queue(backend):
    async def play():
        service = Service(backend, Limits(seconds=0.5, queue=1))
        app = service.app()
        slow = asyncio.create_task(post(app, lambda: asyncio.sleep(10)))
        await asyncio.sleep(0.05)
        assert (await get(app, URL + "/sample.png"))[0] == 200 and not slow.done()
        assert await slow == 408

    asyncio.run(play())


def test_clients_that_are_sending_are_limited(backend):
    """Far fewer than the proxy holds at a time, so that others are answered."""

    async def play():
        service = Service(backend, Limits(seconds=0.5, clients=2))
        app = service.app()
        slow = [asyncio.create_task(post(app, lambda: asyncio.sleep(10))) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await post(app, lambda: asyncio.sleep(10)) == 429
        assert (await get(app, "/healthz"))[0] == 200
        assert await asyncio.gather(*slow) == [408, 408]
        assert service.clients == 0

    asyncio.run(play())


def test_an_answer_keeps_its_place_until_it_is_sent(backend):
    async def play():
        slow, sent = Slow(backend), asyncio.Event()
        slow.go_on.set()
        service = Service(slow, Limits())

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            await sent.wait()

        scope = {"type": "http", "method": "GET", "path": URL + "/sample.png", "headers": [],
                 "raw_path": b"", "query_string": b"", "scheme": "http", "http_version": "1.1",
                 "server": ("test", 80), "client": ("test", 1), "root_path": ""}  # fmt: skip
        asked = asyncio.create_task(service.app()(scope, receive, send))
        await asyncio.sleep(0.1)
        assert service.waiting == 1 and await service.drain(0.1) == 1
        sent.set()
        await asked
        assert await service.drain(1.0) == 0

    asyncio.run(play())


def test_what_is_not_a_post_has_no_body(client):
    for path in ("/", URL + "/sample.png", "/v1/models"):
        answer = client.request("GET", path, content=b"x" * 100)
        assert answer.status_code == 413 and "no body" in answer.json()["error"], path
        assert answer.headers["connection"] == "close"
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


def test_one_damaged_model_does_not_fail_the_others_of_a_batch(backend, tmp_path):
    shutil.copytree(backend.folders["texture"], tmp_path / "damaged")
    (tmp_path / "damaged" / "model.weights.h5").write_bytes(b"no weights")
    runner = Runner({**backend.folders, "damaged": tmp_path / "damaged"})
    inputs = runner.sample_inputs((32, 32), 7, 1)
    good, bad = runner.samples([("texture", inputs), ("damaged", inputs)])
    assert good["media"].shape == (1, 32, 32, 3)
    assert isinstance(bad, Refused) and bad.status == 500 and "model.weights.h5" in str(bad)


def test_a_model_of_other_settings_is_exported_anew(folder, tmp_path, monkeypatch):
    """The same weights with another sampler are another model."""
    from genconv_tf import GenerativeConvNet

    monkeypatch.setenv("GENCONV_HOME", str(tmp_path / "home"))
    first = models.saved_model(folder)
    assert models.saved_model(folder) == first and (first / "saved_model.pb").is_file()
    model = GenerativeConvNet.from_preset(folder)
    sampler = {**model.get_config()["sampler"], "steps": 1}
    model.twin(sampler=sampler).save_to_preset(tmp_path / "texture")
    second = models.saved_model(tmp_path / "texture")
    assert second != first
    steps = [about(exported)["sampler"]["steps"] for exported in (first, second)]
    assert steps[1] == 1 != steps[0]


def test_bodies_that_come_at_the_same_time_are_limited_together(backend):
    async def play():
        service, more = Service(backend, Limits(bodies=25)), asyncio.Event()

        def parts():
            sent = []

            async def receive():
                if sent:
                    await more.wait()
                sent.append(1)
                return {"type": "http.request", "body": b"x" * 10, "more_body": len(sent) < 2}

            return receive

        app = service.app()
        waiting = [asyncio.create_task(post(app, parts())) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert service.receiving == 20
        assert await post(app, parts()) == 429
        more.set()
        assert sorted(await asyncio.gather(*waiting)) == [400, 429]  # no JSON, and one too much
        assert service.receiving == 0

    asyncio.run(play())


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


def test_what_is_not_as_it_was_published_is_not_served(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "texture")
    meta = tmp_path / "texture" / "samples.png"
    meta.write_bytes(meta.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"samples\.png as published"):
        models.named([str(tmp_path / "texture")])
    (tmp_path / "texture" / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match=r"Expected metadata in JSON. Received: .*metadata.json"):
        models.named([str(tmp_path / "texture")])


def test_the_gallery_is_a_site_of_its_own(folder, tmp_path):
    gallery.write(tmp_path / "site", {"texture": folder})
    page = (tmp_path / "site" / "index.html").read_text()
    for name in ("exemplar.png", "samples.png"):
        assert f'src="models/texture/{name}"' in page
        assert (tmp_path / "site" / "models" / "texture" / name).is_file()
    assert "<script" not in page and (tmp_path / "site" / "page" / "page.css").is_file()


SOUND = {"rank": 1, "size": [66150], "least_size": [512], "preprocessing": {"rate": 11025}}
VIDEO = {"rank": 3, "size": [64, 80, 80], "least_size": [8, 16, 16], "preprocessing": {"rate": 25}}


@pytest.mark.parametrize(
    ("meta", "params", "size"),
    [(SOUND, {}, [66150]), (SOUND, {"seconds": "2.5"}, [27562]), (VIDEO, {}, [64, 80, 80]),
     (VIDEO, {"size": "40"}, [64, 40, 40]), (VIDEO, {"size": "40x60", "frames": "9"}, [9, 40, 60])],
)  # fmt: skip
def test_a_query_names_sizes_as_the_command_does(meta, params, size):
    assert query.parse({**params, "seed": "-3", "steps": "4"}, meta) == (size, -3, 4, None)
    assert query.parse({**params, "until": "7"}, meta)[-1] == 7


@pytest.mark.parametrize(
    ("meta", "params"),
    [(SOUND, {"seconds": "nan"}), (SOUND, {"seconds": "-1"}), (SOUND, {"seconds": "1e300"}),
     (SOUND, {"seconds": "0.001"}), (SOUND, {"size": "5"}), (VIDEO, {"frames": "7"}),
     (VIDEO, {"size": "40x40x40"}), (VIDEO, {"seconds": "1"}), (VIDEO, {"until": "-1"})],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(meta, params):
    with pytest.raises(Refused, match="Expected") as caught:
        query.parse(params, meta)
    assert caught.value.status == 400


def test_names_of_what_is_served(folder, tmp_path):
    for version in ("1", "12", "3"):
        (tmp_path / "exported" / version).mkdir(parents=True)
        (tmp_path / "exported" / version / "saved_model.pb").touch()
        extra = tmp_path / "exported" / version / "assets.extra"
        extra.mkdir()
        own = {**about(folder), "sha256": {}}
        (extra / "metadata.json").write_text(json.dumps(own))
    named = models.named([str(folder), f"mine={folder}", str(tmp_path / "exported")])
    assert named == {"texture": folder, "mine": folder, "exported": tmp_path / "exported" / "12"}
    assert models.saved_model(named["exported"]) == tmp_path / "exported" / "12"
    shutil.rmtree(tmp_path / "exported" / "12" / "assets.extra")
    with pytest.raises(ValueError, match="of genconv"):
        models.named([str(tmp_path / "exported")])
    with pytest.raises(ValueError, match="'texture' twice"):
        models.named([str(folder), f"texture={folder}"])
    with pytest.raises(ValueError, match="Expected a preset"):
        models.named([str(tmp_path / "nowhere")])
