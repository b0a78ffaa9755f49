"""`genconv serve`: models over HTTP, as TensorFlow Serving does it, and a page to look at them."""

import importlib.util
import os
import signal
import sys
import threading

from genconv_tf import metadata
from genconv_tf.home import home
from genconv_tf.serving import models
from genconv_tf.serving.limits import Limits

TOKEN = "GENCONV_TOKEN"


def run(options):
    token = read_token(options)
    folders, left = models.servable(models.named(options.model), named=bool(options.model))
    if left and not options.quiet:
        files = ", ".join(sorted(set(left.values())))
        print(f"Not served: {', '.join(left)}, whose filters, {files}, are not in {home()}",
              file=sys.stderr)  # fmt: skip
    about = {name: metadata.about(folder) for name, folder in folders.items()}
    cluster = load(grpc=options.grpc_port is not None)
    limits = Limits(positions=options.max_size**2, steps=options.max_steps, queue=options.queue,
                    seconds=options.timeout)  # fmt: skip
    handle = cluster.start(folders, about, limits, options.host, options.port, token,
                           options.workers, options.grpc_port)  # fmt: skip
    # Ray has a handler of its own, which ends the process at once.
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if not options.quiet:
        host = f"[{options.host}]" if ":" in options.host else options.host
        count = f"{len(folders)} model{'s' * (len(folders) != 1)}"
        print(f"Serving {count} at http://{host}:{options.port}/ (Ctrl-C ends it)", flush=True)
    ended.wait()
    left = cluster.stop(handle)
    if left:
        raise ValueError(f"Expected all requests to be answered in a minute. Received: {left} left")


def load(grpc=False):
    """`serving.cluster`, if what it needs is there; for `grpc` its messages too."""
    if grpc and importlib.util.find_spec("tensorflow_serving") is None:
        raise ValueError("Expected TensorFlow Serving's messages for gRPC: pip install "
                         "tensorflow-serving-api. Received: none")  # fmt: skip
    try:
        from genconv_tf.serving import cluster
    except ImportError as error:
        message = f"Expected Ray Serve: pip install 'genconv-tf[serve]'. Received: {error}"
        raise ValueError(message) from None
    return cluster


def read_token(options):
    """The token that requests must carry; without one only this machine is served."""
    token = os.environ.get(TOKEN) or None
    if options.token_file:
        with open(options.token_file) as file:
            token = file.read().strip()
        if not token:
            raise ValueError(f"Expected a token. Received: {options.token_file}, which is empty")
    if token is None and options.host not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"Expected --token-file or {TOKEN} where others can connect. "
                         f"Received: --host {options.host} without")  # fmt: skip
    return token
