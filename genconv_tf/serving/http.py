"""The HTTP surface over a backend: TensorFlow Serving's REST API, samples as files, the page."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import time

import prometheus_client
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from genconv_tf import gallery
from genconv_tf.kinds import FORMATS
from genconv_tf.serving import Refused, beyond_memory, protocol, query

TYPES = {"png": "image/png", "gif": "image/gif", "mp4": "video/mp4", "wav": "audio/wav"}
OPEN = re.compile(
    r"/(|page/[\w.]+|healthz|v1/models/[^/]+/card/[\w.]+)"
)  # what may be seen without a token
# The page asks nothing of any other server, whatever a model's card may say.
POLICY = ("default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
          "frame-ancestors 'none'; base-uri 'none'; form-action 'self'")  # fmt: skip


class Service:
    """One application: its backend, what it refuses, what it has counted.

    Args:
        backend: has `models`, `{name: metadata}`; `folders`, `{name: folder}`; and the coroutines
            `signatures(name)`, `predict(name, signature, inputs)` and
            `media(name, query, extension)`, as `runner.Runner` has them.
        limits: a `Limits`.
        token: that every request but those of `OPEN` must carry; `None` for none.
    """

    def __init__(self, backend, limits, token=None):
        self.backend, self.limits, self.token = backend, limits, token
        self.draining, self.waiting, self.receiving, self.clients = False, 0, 0, 0
        self.parsing = asyncio.Lock()  # of large bodies, which take many times their bytes
        self.registry = prometheus_client.CollectorRegistry()
        labels = ("model", "what", "status")
        self.requests = prometheus_client.Counter(
            "genconv_requests", "Requests answered.", labels, registry=self.registry
        )
        self.seconds = prometheus_client.Histogram(
            "genconv_request_seconds", "From request to answer.", labels[:2],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100), registry=self.registry,
        )  # fmt: skip
        in_flight = prometheus_client.Gauge(
            "genconv_requests_in_flight", "Requests that wait or are being answered.",
            registry=self.registry,
        )  # fmt: skip
        in_flight.set_function(lambda: self.waiting)

    def app(self):
        """The ASGI application."""
        model, version = "/v1/models/{name}", "/versions/{version:int}"
        routes = [
            Route("/", self.page),
            Mount("/page", StaticFiles(directory=gallery.PAGE)),
            Route("/healthz", self.health),
            Route("/metrics", self.metrics),
            Route("/monitoring/prometheus/metrics", self.metrics),
            Route("/v1/models", self.list),
        ]
        for prefix in (model, model + version):
            routes += [
                Route(prefix + ":predict", self.predict, methods=["POST"]),
                Route(prefix + "/metadata", self.metadata),
                Route(prefix, self.status),
            ]
        routes += [
            Route(model + "/sample.{extension}", self.sample),
            Route(model + "/card/{file}", self.card),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(_Guard, service=self)],
            exception_handlers={HTTPException: _http_error, Refused: _refusal},
        )

    async def drain(self, seconds=60.0):
        """Refuse what comes from now on, and wait for what is being answered."""
        self.draining = True
        end = time.monotonic() + seconds
        while self.waiting and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return self.waiting

    @contextlib.contextmanager
    def counted(self, name, what):
        """A request whose end is counted, whatever it is."""
        label = name if name in self.backend.models else "unknown"
        start, status = time.perf_counter(), 200
        try:
            yield
        except Refused as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = 499  # the client went away
            raise
        except Exception:
            status = 500
            raise
        finally:
            self.requests.labels(label, what, str(status)).inc()
            self.seconds.labels(label, what).observe(time.perf_counter() - start)

    @contextlib.contextmanager
    def queued(self):
        """One of those that wait or are being answered; too many are refused. Not before a request
        is here as a whole: clients that are slow to send theirs take nobody's place."""
        if self.draining:
            raise Refused(503, "Expected to be asked before the end. Received: a request "
                               "while shutting down")  # fmt: skip
        if self.waiting >= self.limits.queue:
            raise Refused(429, f"Expected at most {self.limits.queue} requests at a time. "
                               "Received: one more")  # fmt: skip
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def check_token(self, given):
        """Raise `Refused` unless `given`, bytes of an Authorization header, carries the token."""
        if self.token is not None and not hmac.compare_digest(
            given, b"Bearer " + self.token.encode()
        ):
            raise Refused(401, "Expected Authorization: Bearer TOKEN. Received: another")

    # -- what is asked -----------------------------------------------------------------------

    async def page(self, request):
        shown = {
            name: (meta, gallery.media(self.backend.folders[name]))
            for name, meta in self.backend.models.items()
        }
        page = gallery.render(shown, "v1/models/{name}/card/{file}", live=True)
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def health(self, request):
        state = "draining" if self.draining else "ok"
        return JSONResponse({"status": state}, 503 if self.draining else 200)

    async def metrics(self, request):
        text = prometheus_client.generate_latest(self.registry)
        return Response(text, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    async def list(self, request):
        sizes = ("rank", "size", "least_size", "only_size")
        keys = (*sizes, "summary", "licence", "source", "figures")
        about = {
            name: {key: meta[key] for key in keys if key in meta}
            for name, meta in self.backend.models.items()
        }
        return JSONResponse({"models": about, "limits": {"positions": self.limits.positions}})

    async def status(self, request):
        return JSONResponse(protocol.status(self._version(request)))

    async def metadata(self, request):
        version, name = self._version(request), request.path_params["name"]
        signatures = await self.backend.signatures(name)
        return JSONResponse(protocol.metadata(name, signatures, version))

    async def predict(self, request):
        name = request.path_params["name"]
        with self.counted(name, "predict"):
            self._version(request)
            body = await self._body(request)
            self._take_place(request)
            try:
                text = await self._predict(name, body)
            except MemoryError:
                raise beyond_memory() from None
            return Response(text, media_type="application/json")

    async def sample(self, request):
        name, extension = request.path_params["name"], request.path_params["extension"]
        with self.counted(name, "sample"):
            meta = self._known(name)
            if extension not in FORMATS[meta["rank"]]:
                formats = ", ".join(FORMATS[meta["rank"]])
                raise Refused(404, f"Expected one of {formats}. Received: {extension!r}")
            asked = query.parse(request.query_params, meta)
            size, _, steps, _ = asked
            self.limits.check_steps(steps)
            self.limits.check_size(size)
            # The same seed is the same sample for as long as the model is the same.
            headers = {"Cache-Control": "private, no-cache", "ETag": _tag(meta, asked, extension)}
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
            self._take_place(request)
            content = await self.backend.media(name, asked, extension)
            return Response(content, media_type=TYPES[extension], headers=headers)

    async def card(self, request):
        name, file = request.path_params["name"], request.path_params["file"]
        self._known(name)
        shown = gallery.media(self.backend.folders[name])
        if file not in shown:
            raise Refused(404, f"Expected one of {sorted(shown)}. Received: {file!r}")
        return FileResponse(shown[file])

    # -- parts of the above ------------------------------------------------------------------

    async def _predict(self, name, body):
        signatures = await self.backend.signatures(name)
        async with self.parsing:
            # Large arrays take the parser a while: others are answered meanwhile.
            parsed = await asyncio.to_thread(protocol.parse, body, signatures)
        signature, inputs, rows = parsed
        self.limits.check(inputs)
        outputs = await self.backend.predict(name, signature, inputs)
        return await asyncio.to_thread(lambda: json.dumps(protocol.answer(outputs, rows)))

    def _take_place(self, request):
        """Be one of those that wait or are being answered, until the answer is sent."""
        request.scope["until_sent"].enter_context(self.queued())

    def _known(self, name):
        if name not in self.backend.models:
            names = sorted(self.backend.models)
            raise Refused(404, f"Expected a model of {names}. Received: {name!r}")
        return self.backend.models[name]

    def _version(self, request):
        self._known(request.path_params["name"])
        version = request.path_params.get("version", 1)
        if version != 1:
            raise Refused(404, f"Expected version 1, the only one. Received: {version}")
        return str(version)

    async def _body(self, request):
        """The body of a request, if it is small enough and comes in time."""
        most, length = self.limits.body, request.headers.get("content-length", "0")
        message = f"Expected a body of at most {most} bytes. Received: more"
        if length.isdigit() and int(length) > most:
            raise Refused(413, message)
        if self.clients >= self.limits.clients:
            raise Refused(429, f"Expected at most {self.limits.clients} clients that are sending. "
                               "Received: one more")  # fmt: skip
        body = bytearray()
        self.clients += 1
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for chunk in request.stream():
                    body += chunk
                    self.receiving += len(chunk)
                    if len(body) > most:
                        raise Refused(413, message)
                    if self.receiving > self.limits.bodies:
                        raise Refused(429, f"Expected at most {self.limits.bodies} bytes of all "
                                           "requests together. Received: more")  # fmt: skip
        except TimeoutError:
            late = f"Expected a whole body within {self.limits.seconds:g} s. Received: a part"
            raise Refused(408, late) from None
        except ClientDisconnect:
            raise Refused(400, "Expected a whole body. Received: a part") from None
        finally:
            self.receiving -= len(body)
            self.clients -= 1
        return bytes(body)


class _Guard:
    """Asks for the token, where there is one, and takes no body where none belongs."""

    def __init__(self, app, service):
        self.app, self.service = app, service

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            if not OPEN.fullmatch(scope["path"]):
                self.service.check_token(headers.get(b"authorization", b""))
            sent = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
            if sent and scope["method"] != "POST":
                raise Refused(413, f"Expected no body of a {scope['method']}. Received: one")
        except Refused as error:
            await _error(error.status, error.message)(scope, receive, send)
            return
        with contextlib.ExitStack() as scope["until_sent"]:
            await self.app(scope, receive, send)


def _error(status, message):
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return JSONResponse({"error": message}, status, headers)


def _tag(meta, asked, extension):
    """What tells one sample from all others, and from that of a model learned anew."""
    what = json.dumps([meta.get("sha256"), meta.get("sampler"), asked, extension], sort_keys=True)
    return f'"{hashlib.sha256(what.encode()).hexdigest()[:32]}"'


async def _refusal(request, error):
    return _error(error.status, error.message)


async def _http_error(request, error):
    return _error(error.status_code, f"{error.detail}: {request.method} {request.url.path}")
