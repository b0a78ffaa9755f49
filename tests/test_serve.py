"""`genconv serve` as a process: Ray Serve, HTTP, gRPC, a browser, the end."""

import asyncio
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

pytest.importorskip("ray")
SAMPLE = {"signature_name": "sample", "inputs": {"seed": [[7, 0]], "size": [32, 40], "steps": 2}}
GENCONV = [sys.executable, "-m", "genconv_tf.cli.main", "serve"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running `genconv serve`."""

    def __init__(self, folder, home):
        self.port, self.rpc = free_port(), free_port()
        command = [*GENCONV, str(folder), "--port", str(self.port), "--grpc-port", str(self.rpc),
                   "--timeout", "10"]  # fmt: skip
        environment = {**os.environ, "GENCONV_HOME": str(home)}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.first = self.process.stdout.readline()
        if not self.first:  # It ended: what it said tells more than tests that find no server.
            raise RuntimeError(self.process.communicate()[1])

    def get(self, path, body=None):
        """(status, content) of a request."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def sample(self, seed):
        """`(1, 32, 40, 3)` of a request as any client of TensorFlow Serving writes it."""
        inputs = {**SAMPLE["inputs"], "seed": [[seed, 0]]}
        status, content = self.get("/v1/models/texture:predict", {**SAMPLE, "inputs": inputs})
        assert status == 200, content
        return np.array(json.loads(content)["outputs"])


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    running = Server(folder, tmp_path_factory.mktemp("home"))
    with running.process:  # closes its pipes
        yield running
        running.process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def expected(folder):
    """Media of a seed, made by the model in this process."""
    import tensorflow as tf

    from genconv_tf import GenerativeConvNet

    model = GenerativeConvNet.from_preset(folder)
    return lambda seed: model.sample_media(
        tf.constant([[seed, 0]]), tf.constant([32, 40]), tf.constant(2)
    ).numpy()


def test_it_says_where_it_serves_and_answers_there(server, expected):
    assert server.first == f"Serving 1 model at http://127.0.0.1:{server.port}/ (Ctrl-C ends it)\n"
    np.testing.assert_array_equal(server.sample(7), expected(7))
    assert server.get("/healthz")[0] == 200
    assert server.get("/v1/models/none")[0] == 404


def test_requests_at_the_same_time_do_not_change_each_other(server, expected):
    received = {}
    threads = [
        threading.Thread(target=lambda s=seed: received.update({s: server.sample(s)}))
        for seed in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(12):
        np.testing.assert_array_equal(received[seed], expected(seed))


def test_bad_slow_and_dropped_clients_leave_it_as_it_was(server, expected):
    rng = np.random.default_rng(0)
    for _ in range(60):
        text = json.dumps(SAMPLE).encode()
        broken = bytearray(text)
        for at in rng.integers(0, len(text), 3):
            broken[at] = rng.integers(256)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/v1/models/texture:predict", bytes(broken))
        answer = connection.getresponse()
        content = json.loads(answer.read())
        assert answer.status in (200, 400) and ("error" in content) == (answer.status == 400)
        connection.close()
    for sent in (
        b"GET / HT",
        b"POST /v1/models/texture:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{",
    ):
        dropped = socket.create_connection(("127.0.0.1", server.port))
        dropped.sendall(sent)
        dropped.close()
    np.testing.assert_array_equal(server.sample(3), expected(3))


@pytest.mark.filterwarnings("ignore")  # Ray's own, while it is imported
def test_a_worker_does_one_thing_at_a_time_also_for_clients_who_went_away():
    from genconv_tf.serving.cluster import Worker

    running, most = [], []

    def work(name):
        running.append(name)
        most.append(len(running))
        time.sleep(0.3)
        running.remove(name)
        return name

    async def play():
        worker = Worker.func_or_class({})
        dropped = [asyncio.create_task(worker._answer(work, i)) for i in range(3)]
        await asyncio.sleep(0.1)
        for each in dropped:
            each.cancel()
        assert await worker._answer(work, "kept") == (200, "kept")

    asyncio.run(play())
    assert most == [1, 1]  # the one that had begun ended; the two behind it never began


def test_a_client_of_tensorflow_serving_over_grpc(server, expected):
    """With the request types of tensorflow-serving-api, as its users write them."""
    import grpc
    import tensorflow as tf

    apis = pytest.importorskip("tensorflow_serving.apis")
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    assert apis
    with grpc.insecure_channel(f"127.0.0.1:{server.rpc}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "texture", "sample"
        for key, value in SAMPLE["inputs"].items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value, tf.int32))
        answer = stub.Predict(request, timeout=60)
        np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["media"]), expected(7))
        request.inputs["size"].CopyFrom(tf.make_tensor_proto([9**6, 9**6], tf.int32))
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request, timeout=60)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        about = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        about.model_spec.name = "texture"
        packed = stub.GetModelMetadata(about, timeout=60).metadata["signature_def"]
        definitions = get_model_metadata_pb2.SignatureDefMap()
        assert packed.Unpack(definitions)
        inputs = definitions.signature_def["sample"].inputs
        assert inputs["seed"].dtype == tf.int32.as_datatype_enum


def test_a_browser_samples_tiles_and_stops_by_keyboard_and_on_a_phone(server):
    webdriver = pytest.importorskip("selenium.webdriver")
    browser, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not (browser and driver):
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        page.set_window_size(400, 800)
        page.get(f"http://127.0.0.1:{server.port}/")
        page.find_element(By.ID, "model").send_keys(Keys.TAB)
        size = page.switch_to.active_element
        assert size.get_attribute("id") == "size"
        size.clear()
        size.send_keys("32x40", Keys.ENTER)
        picture = wait_for(lambda: page.find_elements(By.CSS_SELECTOR, "#stage img"))[0]
        assert wait_for(lambda: picture.get_property("naturalWidth")) == 40
        assert page.find_element(By.ID, "download").get_attribute("download") == "texture_7.png"
        page.find_element(By.ID, "tile").send_keys(Keys.SPACE)
        image = page.find_element(By.ID, "stage").value_of_css_property("background-image")
        assert "blob:" in image
        page.find_element(By.ID, "watch").send_keys(Keys.ENTER)
        assert wait_for(lambda: "step 0 of 7" in page.find_element(By.ID, "status").text)
        assert wait_for(lambda: "step 7 of 7, " in page.find_element(By.ID, "status").text)
        size.clear()
        size.send_keys("3", Keys.ENTER)
        status = page.find_element(By.ID, "status")
        assert wait_for(lambda: "Expected a size" in status.text)
        across = (
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert page.execute_script(across) <= 0
        asked = page.execute_script("return performance.getEntries().map(e => e.name)")
        mine = (f"http://127.0.0.1:{server.port}/", "blob:", "data:")
        assert all(name.startswith(mine) for name in asked if ":" in name)
        errors = [line["message"] for line in page.get_log("browser")]
        assert all("400" in line for line in errors)  # the size that was refused, nothing else
    finally:
        page.quit()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def in_flight(server):
    """A request of seconds, once the server has it: its thread, and a list for its answer."""
    long = {**SAMPLE, "inputs": {"seed": [[5, 0]], "size": [64, 64], "steps": 400}}
    answers = []
    asked = threading.Thread(
        target=lambda: answers.append(server.get("/v1/models/texture:predict", long))
    )
    asked.start()
    wait_for(lambda: b"genconv_requests_in_flight 1.0" in server.get("/metrics")[1])
    return asked, answers


def replicas(server, kind):
    """Processes below the server that sample, `"worker"`, or that take requests, `"ingress"`."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command, stat = (path / "cmdline").read_bytes(), (path / "stat").read_text()
        except OSError:
            continue
        if f"ServeReplica:genconv:{kind}".encode() in command and below(
            int(stat.split()[3]), server
        ):
            found.append(int(path.name))
    return found


def below(pid, server):
    """Whether a process is the server or one of its descendants."""
    while pid > 1 and pid != server.process.pid:
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().split()[3])
    return pid == server.process.pid


@pytest.mark.skipif(not pathlib.Path("/proc/self/stat").is_file(), reason="needs Linux's /proc")
def test_a_killed_worker_comes_back_and_no_request_is_lost(server, expected):
    asked, answers = in_flight(server)
    (worker,) = replicas(server, "worker")
    os.kill(worker, signal.SIGKILL)
    asked.join(120)
    assert answers[0][0] == 200
    np.testing.assert_array_equal(server.sample(7), expected(7))
    assert replicas(server, "worker") not in ([], [worker])


@pytest.mark.skipif(not pathlib.Path("/proc/self/stat").is_file(), reason="needs Linux's /proc")
def test_a_killed_ingress_comes_back_and_no_request_is_silently_lost(server, expected):
    """What it was answering is refused by the proxy, at once; HTTP and gRPC come back."""
    import grpc

    asked, answers = in_flight(server)
    (ingress,) = replicas(server, "ingress")
    os.kill(ingress, signal.SIGKILL)
    asked.join(60)
    ((status, content),) = answers
    assert status in (500, 503) and content
    assert wait_for(lambda: server.get("/healthz")[0] == 200)
    assert replicas(server, "ingress") not in ([], [ingress])
    np.testing.assert_array_equal(server.sample(7), expected(7))
    with grpc.insecure_channel(f"127.0.0.1:{server.rpc}") as channel:
        grpc.channel_ready_future(channel).result(timeout=60)


def test_slow_clients_are_answered_or_refused_and_hold_nobody_up(server, expected):
    """Bodies that stall, that come in parts, and a client that reads nothing of its answer."""
    body = json.dumps(SAMPLE).encode()
    head = f"POST /v1/models/texture:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
    peers = []
    try:
        for _ in range(80):
            peers.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            peers[-1].sendall(head.encode() + b"\r\n\r\n" + body[:10])
        peers.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        peers[-1].sendall(head.encode() + b"\r\n\r\n" + body)
        np.testing.assert_array_equal(server.sample(3), expected(3))
        for part in (body[10:40], body[40:]):
            time.sleep(0.5)
            peers[0].sendall(part)
        answer = http.client.HTTPResponse(peers[0])
        answer.begin()
        assert answer.status == 200
        np.testing.assert_array_equal(json.loads(answer.read())["outputs"], expected(7))
        answer = http.client.HTTPResponse(peers[1])
        answer.begin()
        assert answer.status == 408 and b"error" in answer.read()
    finally:
        for peer in peers:
            peer.close()


def test_the_end_answers_what_was_asked_before(server):
    asked, answers = in_flight(server)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(90) == 0
    asked.join(10)
    assert answers[0][0] == 200
    assert not replicas(server, "worker")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["texture-nothing"], "Expected a preset"), (["--host", "0.0.0.0"], "--token-file"),
     (["--token-file", "/nowhere"], "No such file"), (["--port", "0"], "expected a whole number"),
     (["--port", "70000"], "expected a whole number <= 65535"),
     (["texture-weave", "--port", "8765", "--grpc-port", "8765"], "Expected two ports")],
)  # fmt: skip
def test_what_cannot_be_served_is_one_line(words, reason):
    done = subprocess.run([*GENCONV, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = [str(folder), "--port", str(taken.getsockname()[1])]
        done = subprocess.run([*GENCONV, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "Expected a free port" in done.stderr
    assert done.stderr.count("\n") == 1
