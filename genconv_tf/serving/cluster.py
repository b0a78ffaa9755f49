"""The backend of Ray Serve: workers that sample, an ingress before them, how both begin and end."""

import asyncio
import concurrent.futures
import logging
import os
import secrets
import socket

# Read when Ray is imported: nothing is reported to anyone, no GPU is hidden from TensorFlow.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# On a busy machine the process that listens takes longer than Ray's 5 seconds, and would be killed.
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")
# Ray's own processes listen at all addresses: without this whoever reaches one runs what he likes.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

import ray
from ray import serve
from ray.serve.exceptions import BackPressureError, RayServeException

from genconv_tf.serving import Refused, beyond_memory
from genconv_tf.serving.http import Service

NAME = "genconv"
BATCH = 8  # requests for samples that one call may answer
TRIES = 5  # of a request whose worker is killed; the same request has the same answer
QUIET = {"enable_access_log": False, "log_level": "ERROR"}


@serve.deployment(name="worker", max_ongoing_requests=4 * BATCH, logging_config=QUIET)
class Worker:
    """Runs models, one call at a time: each takes all cores. Answers are pairs of a status and a
    value, 200 and what was asked for, or that of a `Refused` and its message."""

    def __init__(self, folders):
        from genconv_tf.serving.runner import Runner

        self.runner = Runner(folders)
        # Of one thread: what is asked by a client who went away is not begun, or ended alone.
        self.alone = concurrent.futures.ThreadPoolExecutor(1)

    async def signatures(self, name):
        return await self._answer(self.runner.signatures, name)

    async def predict(self, name, signature, inputs):
        if signature == "sample":
            return await self._sample((name, inputs))
        return await self._answer(self.runner.predict, name, signature, inputs)

    async def media(self, name, query, extension):
        inputs = self.runner.sample_inputs(*query)
        signature = "watch" if "until" in inputs else "sample"
        status, outputs = await self.predict(name, signature, inputs)
        if status != 200:
            return status, outputs
        return await self._answer(self.runner.encoded, name, outputs["media"][0], extension)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0)
    async def _sample(self, requests):
        status, answers = await self._answer(self.runner.samples, requests)
        if status != 200:
            return [(status, answers)] * len(requests)
        return [(a.status, a.message) if isinstance(a, Refused) else (200, a) for a in answers]

    async def _answer(self, function, *args):
        try:
            run = asyncio.get_running_loop().run_in_executor
            return 200, await run(self.alone, function, *args)
        except MemoryError:
            refused = beyond_memory()
        except Refused as error:
            refused = error
        except ValueError as error:  # a preset that is not whole, say
            refused = Refused(500, " ".join(str(error).split()))
        return refused.status, refused.message


class Workers:
    """The backend of `http.Service` on the workers of Ray Serve.

    Args:
        handle: of the deployment `worker`.
        folders: `{name: folder}`.
        about: `{name: metadata}`.
    """

    def __init__(self, handle, folders, about):
        self.handle, self.folders, self.models = handle, folders, about
        self._signatures = {}

    async def signatures(self, name):
        if name not in self.models:
            names = sorted(self.models)
            raise Refused(404, f"Expected a model of {names}. Received: {name!r}")
        if name not in self._signatures:
            self._signatures[name] = await self._ask("signatures", name)
        return self._signatures[name]

    async def predict(self, *args):
        return await self._ask("predict", *args)

    async def media(self, *args):
        return await self._ask("media", *args)

    async def _ask(self, method, *args):
        for attempt in range(TRIES):
            try:
                status, value = await getattr(self.handle, method).remote(*args)
            except BackPressureError:
                raise Refused(
                    429, "Expected fewer requests at a time. Received: one more"
                ) from None
            except ray.exceptions.RayTaskError as error:
                line = str(error.cause).splitlines()[0][:200]
                raise Refused(500, f"Expected an answer. Received: {line}") from None
            except (ray.exceptions.RayError, RayServeException):
                # The worker was killed: Ray starts another, and the request is asked again.
                if attempt == TRIES - 1:
                    message = f"Expected a worker that lives. Received: none in {TRIES} tries"
                    raise Refused(503, message) from None
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            if status != 200:
                raise Refused(status, value)
            return value


@serve.deployment(name="ingress", max_ongoing_requests=1000, logging_config=QUIET,
                  ray_actor_options={"num_cpus": 0})  # fmt: skip
@serve.ingress()
class Ingress:
    """Where requests come in: HTTP through Ray's proxy, gRPC, if it is asked for, directly."""

    def __init__(self, worker, folders, about, limits, token):
        self.service = Service(Workers(worker, folders, about), limits, token)
        self.server = None

    def __serve_build_asgi_app__(self):
        return self.service.app()

    async def reconfigure(self, rpc):
        """Start the gRPC server at `rpc`, a pair of host and port: what Ray Serve calls with
        `user_config` whenever an ingress starts, also after one was killed."""
        if self.server is None:
            from genconv_tf.serving import rpc as server

            self.server = await server.start(self.service, *rpc)

    async def drain(self, seconds):
        """Answer what is there and no more; returns how many are left unanswered."""
        left = await self.service.drain(seconds)
        if self.server is not None:
            await self.server.stop(seconds)
        return left


def start(folders, about, limits, host="127.0.0.1", port=8501, token=None, workers=1, rpc=None):
    """Start Ray Serve on this machine and serve models.

    Args:
        folders, about: `{name: folder}` and `{name: metadata}`.
        limits: a `Limits`.
        host, port: of HTTP.
        token: that requests must carry, or `None`.
        workers: processes that sample at the same time; each takes the cores it finds.
        rpc: `None`, or the port of gRPC.

    Returns:
        A handle of the running application, for `stop`.

    Raises:
        ValueError: a port is taken, or both are one.
    """
    if rpc == port:  # both would be bound, and share its connections
        raise ValueError(f"Expected two ports. Received: {port} twice")
    for each in (port, rpc):
        check_port(host, each)
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray.init(
        address="local",  # whatever other cluster there may be
        namespace=NAME,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=512 * 2**20,
    )
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": host, "port": port, "keep_alive_timeout_s": 30},
        logging_config=QUIET,
    )
    cpus = {"num_cpus": 0}  # a machine with one core serves as well
    worker = Worker.options(num_replicas=workers, ray_actor_options=cpus).bind(folders)
    ingress = Ingress if rpc is None else Ingress.options(user_config=(host, rpc))
    app = ingress.bind(worker, folders, about, limits, token)
    return serve.run(app, name=NAME, route_prefix="/", logging_config=QUIET)


def stop(handle, seconds=60.0):
    """Answer what is being asked, refuse the rest, end all processes; returns how many requests
    were left unanswered after `seconds`."""
    try:
        return handle.drain.remote(seconds).result(timeout_s=seconds + 10)
    finally:
        # Not `serve.shutdown`: it tells of its own end on standard error.
        ray.shutdown()


def check_port(host, port):
    """Raise `ValueError` unless `host:port` can be listened at; a port of `None` can."""
    if port is None:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(f"Expected a free port. Received: {host}:{port} "
                             f"({error.strerror})") from None  # fmt: skip
