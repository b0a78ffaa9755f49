"""What tests of the server share: a backend without another process, requests without a socket."""

import asyncio

from genconv_tf.metadata import about
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


class Slow(Here):
    """A backend that answers when it is told to."""

    def __init__(self, here):
        self.folders, self.models, self.go_on = here.folders, here.models, asyncio.Event()

    async def media(self, *_):
        await self.go_on.wait()
        return b"late"


def scope(method, path, headers=()):
    """What an ASGI server says of a request."""
    path_only, _, query = path.partition("?")
    return {"type": "http", "method": method, "path": path_only, "raw_path": path.encode(),
            "query_string": query.encode(), "headers": list(headers), "scheme": "http",
            "http_version": "1.1", "server": ("test", 80), "client": ("test", 1),
            "root_path": ""}  # fmt: skip


async def nothing():
    """The body of a request that has none."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def forever():
    """A body that never comes."""
    await asyncio.sleep(10)


def get(app, path, headers=()):
    """The status and the headers of a request to an ASGI application, as a coroutine."""

    async def ask():
        said = []

        async def send(message):
            said.append(message)

        await app(scope("GET", path, headers), nothing, send)
        return said[0]["status"], dict(said[0]["headers"])

    return ask()


async def post(app, receive):
    """Status of a request whose body `receive` brings."""
    said = []

    async def send(message):
        said.append(message)

    await app(scope("POST", URL + ":predict"), receive, send)
    return said[0]["status"]
