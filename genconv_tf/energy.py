"""The model p(x; w) = exp[f(x; w)] q(x) / Z(w): its energy, its gradient and its auto-encoder.

f is the scoring function, a ConvNet; q is the reference distribution. Every function here takes f
as a callable `(batch, *spatial, channels) -> (batch,)`. (The papers call f the scoring function;
elsewhere "score" is the gradient of log p. Here `score` is f and the gradient is called
`log_density_gradient`.)
"""

import dataclasses

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.settings import check_types


@dataclasses.dataclass(frozen=True)
class Reference:
    """Reference distribution q.

    Args:
        kind: `"gaussian"`, white noise N(0, std²), or `"uniform"`, whose gradient is zero.
        std: standard deviation s of the white noise, in the units of the data.
    """

    kind: str = "gaussian"
    std: float = 1.0

    def __post_init__(self):
        check_types(self)
        if self.kind not in ("gaussian", "uniform"):
            raise ValueError(f'Expected reference "gaussian" or "uniform". Received: {self.kind!r}')
        if not self.std > 0:
            raise ValueError(f"Expected a positive standard deviation. Received: {self.std}")

    def draw(self, seeds, shape, bounds=None, iteration=0):
        """Draws of q, `(batch, *shape)`, row i from `seeds[i]`; between `bounds`, broadcastable to
        them, of q restricted to those, without which the uniform distribution has no draws."""
        if bounds is None:
            if self.kind == "uniform":
                raise ValueError("Expected bounds of a uniform reference. Received: none")
            return self.std * noise.normal(seeds, shape, iteration)
        low, high = (tf.cast(bound, tf.float32) for bound in bounds)
        share = noise.uniform(seeds, shape, iteration)
        if self.kind == "uniform":
            return low + share * (high - low)
        below, above = (0.5 * tf.math.erfc(-bound / self.std / 2**0.5) for bound in (low, high))
        x = self.std * tf.math.ndtri(below + share * (above - below))
        return tf.clip_by_value(x, low, high)

    def energy(self, x):
        """-log q(x) up to a constant: `(batch,)`."""
        if self.kind == "uniform":
            return tf.zeros(tf.shape(x)[:1])
        return tf.reduce_sum(tf.square(x), range(1, x.shape.rank)) / (2 * self.std**2)

    def pull(self, x):
        """-∂ log q / ∂x: x / s², or zero for the uniform distribution."""
        return tf.zeros_like(x) if self.kind == "uniform" else x / self.std**2


def energy(f, reference, x):
    """U(x) = ‖x‖²/(2s²) - f(x), `(batch,)` (GCN eq. 8)."""
    return reference.energy(x) - f(x)


def score_gradient(f, x):
    """B(x) = ∂f/∂x, the top-down reconstruction for s = 1 (GCN eq. 16), of the shape of `x`.

    The gradient is taken for the input alone; no gradient of a weight is computed.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = tf.reduce_sum(f(x))
    return tape.gradient(total, x)


def log_density_gradient(f, reference, x):
    """∂ log p / ∂x = B(x) - x/s², the reconstruction error that drives the Langevin dynamics."""
    return score_gradient(f, x) - reference.pull(x)


def reconstruct(f, reference, x):
    """s²·∂f/∂x: the mean of the Gaussian piece that x lies in (GCN eq. 10, section 4)."""
    return reference.std**2 * score_gradient(f, x)


def relative_error(f, reference, x):
    """‖x - s²∂f/∂x‖ / ‖x‖, `(batch,)`: what the auto-encoder loses of x; 0 at a local mode (GCN
    Propositions 2 and 3)."""
    axes = range(1, x.shape.rank)
    lost = tf.reduce_sum(tf.square(x - reconstruct(f, reference, x)), axes)
    return tf.sqrt(lost / tf.maximum(tf.reduce_sum(tf.square(x), axes), 1e-24))
