"""What a server does for one request at most: more is refused before anything is computed."""

import dataclasses

import numpy as np

from genconv_tf.serving import Refused


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of one request, and of how many wait.

    Args:
        positions: of a sample, its pixels or samples of sound, over all rows.
        steps: Langevin steps a level.
        rows: of a batch.
        queue: requests that wait or are being answered; one more is told to come back (429).
        body: bytes of a request.
        bodies: bytes of all requests that are being received.
        clients: that may be sending a request at a time, far fewer than Ray's proxy holds.
        seconds: that a client may take to send its body.
    """

    positions: int = 2048 * 2048
    steps: int = 1000
    rows: int = 16
    queue: int = 64
    body: int = 32 * 2**20
    bodies: int = 512 * 2**20
    clients: int = 512
    seconds: float = 30.0

    def check(self, inputs):
        """Raise `Refused` where the inputs of a signature ask for more."""
        rows = max([len(v) for k, v in inputs.items() if k != "size" and np.ndim(v)], default=1)
        if rows > self.rows:
            raise Refused(400, f"Expected at most {self.rows} rows. Received: {rows}")
        if "steps" in inputs:
            self.check_steps(int(inputs["steps"]))
        if "size" in inputs:
            self.check_size(inputs["size"].tolist(), rows)
        for name in ("x", "media"):
            if name in inputs:
                self.check_size(inputs[name].shape[1:-1], rows)

    def check_steps(self, steps):
        if not 0 <= steps <= self.steps:
            raise Refused(400, f"Expected 0 to {self.steps} steps. Received: {steps}")

    def check_size(self, size, rows=1):
        if min(size) < 1 or rows * np.prod([float(n) for n in size]) > self.positions:
            raise Refused(400, f"Expected a size of 1 to {self.positions} positions in all. "
                               f"Received: {'x'.join(map(str, size))}, {rows} times")  # fmt: skip
