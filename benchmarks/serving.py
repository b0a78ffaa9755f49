"""What a server adds to a model: requests a second and latencies beside a bare loop, and a soak.

    python benchmarks/serving.py [PRESET] [--clients 1 4 16] [--size 256] [--seconds 60] [--soak N]

`genconv serve` and a loop over the same SavedModel's signature `sample`, one after the other in the
same run. The soak sends N good and bad requests, in part at the same time, beside connections that
stall, and watches the memory.
"""

import argparse
import collections
import concurrent.futures
import http.client
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

STALLED = 100  # connections of a soak that send no body: more than may wait at a time
LOOP = """
import sys, time, tensorflow as tf
sample = tf.saved_model.load(sys.argv[1]).signatures["sample"]
size, seconds = int(sys.argv[2]), float(sys.argv[3])
shape, steps = tf.constant([size, size]), tf.constant(0)
def once(seed):
    return sample(seed=tf.constant([[seed, 0]]), size=shape, steps=steps)
once(0)
start, count = time.perf_counter(), 0
while time.perf_counter() - start < seconds:
    once(count)["media"].numpy()
    count += 1
print(count / (time.perf_counter() - start))
"""


class Server:
    """A `genconv serve` of one preset, at `port`."""

    def __init__(self, preset):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = ["-m", "genconv_tf.cli.main", "serve", preset, "--port", str(self.port)]
        self.name = pathlib.Path(preset).name
        self.process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def ask(self, body, path=None, method="POST", timeout=600):
        """(status, content) of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path or f"/v1/models/{self.name}:predict", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def sample(self, seed, size, steps=0):
        inputs = {"seed": [[seed, 0]], "size": [size, size], "steps": steps}
        return self.ask(json.dumps({"signature_name": "sample", "inputs": inputs}))

    def memory(self):
        """MiB of the server's processes, shared pages counted once for each."""
        total = 0
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                ours = b"ServeReplica" in command or b"ProxyActor" in command
                if ours and self.began(int(folder.name)):
                    total += int((folder / "statm").read_text().split()[1])
            except OSError:
                continue
        return total * os.sysconf("SC_PAGE_SIZE") / 2**20

    def began(self, pid):
        """Whether a process is below this server: another one may run on the machine."""
        while pid > 1 and pid != self.process.pid:
            pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        return pid == self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def load(server, clients, size, seconds):
    """Requests a second and seconds of each, with so many clients that ask again when answered."""
    end = time.perf_counter() + seconds

    def client(number):
        taken = []
        while time.perf_counter() < end:
            start = time.perf_counter()
            status, content = server.sample(number * 10_000 + len(taken), size)
            if status != 200:
                raise RuntimeError(content)
            taken.append(time.perf_counter() - start)
        return taken

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        taken = sorted(itertools.chain(*pool.map(client, range(clients))))
    rate = len(taken) / (time.perf_counter() - start)
    return rate, [
        taken[min(len(taken) - 1, int(share * len(taken)))] for share in (0.5, 0.95, 0.99)
    ]


def opened(server, body):
    """A connection on which the head of a request was sent, and not yet its body."""
    peer = socket.create_connection(("127.0.0.1", server.port), timeout=600)
    head = f"POST /v1/models/{server.name}:predict HTTP/1.1\r\nHost: x\r\nContent-Length: "
    peer.sendall(f"{head}{len(body)}\r\n\r\n".encode())
    return peer


def read(peer):
    """(status, content) of the answer on a connection."""
    with http.client.HTTPResponse(peer) as answer:
        answer.begin()
        return answer.status, answer.read()


def soak(server, count, seed=0):
    """Good and bad requests: how they were answered, whether good ones always alike, memory."""
    rng = random.Random(seed)
    good = json.dumps({"signature_name": "sample", "inputs":
                       {"seed": [[7, 0]], "size": [32, 32], "steps": 1}}).encode()  # fmt: skip
    status, expected = server.ask(good)
    answered, wrong = collections.Counter(), 0

    def fuzzed():
        broken = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        return bytes(broken)

    def changed(**inputs):
        content = json.loads(good)
        content["inputs"].update(inputs)
        return json.dumps(content).encode()

    def dropped():
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"POST /v1/models/x:predict HTTP/1.1\r\nContent-Length: 50\r\n\r\n{")
            if rng.random() < 0.1:
                time.sleep(0.5)
        return "dropped", b""

    def slow():
        """The good one in parts."""
        with opened(server, good) as peer:
            for begin in range(0, len(good), 40):
                time.sleep(0.1)
                peer.sendall(good[begin : begin + 40])
            return read(peer)

    kinds = {
        "good": lambda: server.ask(good),
        "fuzzed": lambda: server.ask(fuzzed()),
        "dtype": lambda: server.ask(changed(seed=[["a", 1]])),
        "float": lambda: server.ask(changed(size=[32.5, 32])),
        "huge": lambda: server.ask(changed(size=[2**30, 2**30])),
        "rows": lambda: server.ask(changed(seed=[[1, 2]] * 1000)),
        "steps": lambda: server.ask(changed(steps=10**6)),
        "path": lambda: server.ask(None, "/v1/models/none/sample.png", "GET"),
        "dropped": dropped,
        "slow": slow,
    }
    weights = [30, 30, 8, 8, 8, 4, 4, 4, 3, 1]

    def one(kind):
        status, content = kinds[kind]()
        right = kind in ("good", "slow")
        bad = right and (status, content) != (200, expected)
        bad |= not right and kind not in ("fuzzed", "dropped") and not 400 <= status < 500
        bad |= status not in (200, "dropped") and b"error" not in content
        return kind, status, bad

    memory = [server.memory()]
    stalled = [opened(server, good) for _ in range(STALLED)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for begin in range(0, count, 500):
            asked = rng.choices(list(kinds), weights, k=min(500, count - begin))
            for kind, status, bad in pool.map(one, asked):
                answered[kind, status] += 1
                wrong += bad
            memory.append(server.memory())
    for peer in stalled:
        with peer:
            status, _ = read(peer)
        answered["stalled", status] += 1
        wrong += status != 408
    return answered, wrong, memory


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("preset", nargs="?", default="texture-brick")
    options.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--soak", type=int, default=0, metavar="N", help="requests, instead")
    options = options.parse_args()
    from genconv_tf.serving import models

    folder = models.saved_model(models.named([options.preset])[options.preset])
    if not options.soak:
        words = [sys.executable, "-c", LOOP, folder, str(options.size), str(options.seconds)]
        limit = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        print(f"bare loop: {limit:.3f} requests a second")
    server = Server(options.preset)
    try:
        server.sample(0, options.size)
        if options.soak:
            answered, wrong, memory = soak(server, options.soak)
            for (kind, status), number in sorted(answered.items(), key=str):
                print(f"{kind:8} {status}: {number}")
            print(f"wrong answers: {wrong}; MiB: " + " ".join(f"{m:.0f}" for m in memory))
            return
        for clients in options.clients:
            rate, latencies = load(server, clients, options.size, options.seconds)
            times = " / ".join(f"{value:.2f}" for value in latencies)
            share = f"{rate:.3f} requests a second, {rate / limit:.0%} of the loop"
            print(f"{clients} clients: {share}; "
                  f"p50 / p95 / p99 {times} s")  # fmt: skip
    finally:
        server.stop()


if __name__ == "__main__":
    main()
