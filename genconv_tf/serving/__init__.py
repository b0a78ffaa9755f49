"""Serving of models over HTTP (and gRPC) as TensorFlow Serving does it, on Ray Serve.

`protocol` speaks TensorFlow Serving's JSON, `limits` says what is too much to ask, `models` finds
the SavedModel of a name, `runner` runs its signatures; `http` and `rpc` are the two surfaces over
any backend, and `cluster` is the backend of Ray Serve: workers that sample and come back when they
are killed, behind an ingress that queues, refuses and counts.
"""


class Refused(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP: 400 for what cannot be understood, 404 for what there is not, 413 and 429
            for too much, 503 for what may be tried again.
        message: one line: what was expected and what came.
    """

    def __init__(self, status, message):
        super().__init__(status, message)
        self.status, self.message = status, message

    def __str__(self):
        return self.message


def beyond_memory():
    """The refusal of what this machine has not enough memory for."""
    return Refused(413, "Expected a smaller request. Received: one beyond memory")
