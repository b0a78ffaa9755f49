"""Detection of a pattern by its log-likelihood ratio to the background (FRAME section 7.1)."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from genconv_tf import sizes


@dataclasses.dataclass(frozen=True)
class Detector:
    """A pattern p and a background q, of which an image shows the first with probability α.

    Attributes:
        f: scoring function of the pattern, `(batch, *spatial, channels)` to `(batch,)`.
        log_partition: log Z of it, a number or what `log_partition` gives.
        share: α, above 0 and below 1.
    """

    f: object
    log_partition: float
    share: float = 0.5

    def __post_init__(self):
        if not 0 < self.share < 1:
            raise ValueError(f"Expected a share above 0 and below 1. Received: {self.share}")
        value = getattr(self.log_partition, "value", self.log_partition)
        object.__setattr__(self, "log_partition", float(value))

    @property
    def threshold(self):
        """f at which pattern and background are as probable: log Z + log((1 - α) / α)."""
        return self.log_partition - math.log(self.share / (1 - self.share))

    def log_ratio(self, x):
        """log p(x) / q(x) = f(x) - log Z, `(batch,)` (FRAME eq. 18)."""
        return self.f(x) - self.log_partition

    def mixture_log_ratio(self, x):
        """log [αp(x) + (1 - α)q(x)] / q(x), `(batch,)` (FRAME eq. 19)."""
        return tf.nn.softplus(self.f(x) - self.threshold) + math.log(1 - self.share)

    def probability(self, x):
        """Of the pattern given x, `(batch,)`."""
        return tf.sigmoid(self.f(x) - self.threshold)

    def detect(self, image, size, stride=8, most=10, overlap=0.3):
        """The places of an image whose window f takes for the pattern.

        Args:
            image: `(height, width, channels)` as f sees it.
            size: (height, width) of a window, or one int for both.
            stride: pixels between two windows.
            most: detections at most.
            overlap: largest intersection over union of two of them.

        Returns:
            (boxes, ratios): `(found, 4)` top, left, bottom, right in pixels, and f above the
            threshold, `(found,)`, the strongest first.
        """
        size, image = sizes.lengths(size, 2), tf.cast(image, tf.float32)
        if image.shape.rank != 3:
            raise ValueError("Expected an image (height, width, channels). "
                             f"Received: {tuple(image.shape)}")  # fmt: skip
        if stride < 1:
            raise ValueError(f"Expected stride >= 1. Received: {stride}")
        if any(n < k for n, k in zip(image.shape, size)):
            raise ValueError(f"Expected an image of at least {tuple(size)}. "
                             f"Received: {tuple(image.shape[:2])}")  # fmt: skip
        rows = tf.range(0, image.shape[0] - size[0] + 1, stride)
        columns = tf.range(0, image.shape[1] - size[1] + 1, stride)
        shape = (-1, *size, image.shape[-1])

        def ratios_of(row):
            """Of all windows whose top is `row`: a batch."""
            strip = tf.slice(image, [row, 0, 0], [size[0], -1, -1])
            window, step, one = (1, *size, 1), (1, 1, stride, 1), (1, 1, 1, 1)
            parts = tf.image.extract_patches(strip[None], window, step, one, "VALID")
            return self.f(tf.reshape(parts, shape)) - self.threshold

        @tf.function(autograph=False)
        def all_ratios():
            return tf.map_fn(ratios_of, rows, fn_output_signature=tf.float32)

        ratios = tf.reshape(all_ratios(), [-1])
        top, left = (tf.reshape(axis, [-1]) for axis in tf.meshgrid(rows, columns, indexing="ij"))
        corners = tf.stack([top, left], -1)
        boxes = tf.cast(tf.concat([corners, corners + list(size)], -1), tf.float32)
        kept = tf.image.non_max_suppression(boxes, ratios, most, overlap, score_threshold=0.0)
        return tf.gather(boxes, kept), tf.gather(ratios, kept)


def separation(f, groups, others, batch=64):
    """How far f holds apart groups of signals and others (FRAME Table 1).

    Args:
        f: scoring function, `(batch, *spatial, channels)` to `(batch,)`.
        groups: dict of names to `(count, *spatial, channels)`, such as what f was learned from.
        others: `(count, *spatial, channels)`.
        batch: signals at a time.

    Returns:
        dict of each group and of `others`, each a dict of `mean` and `std` of f; of a group also
        `auc`, the area under the ROC curve: how often f of one of its signals is above that of
        another one. `std` of one signal is `None`.
    """
    values = {}
    for name, x in {**groups, "others": others}.items():
        x = tf.convert_to_tensor(x)
        each = [f(x[i : i + batch]) for i in range(0, len(x), batch)]
        values[name] = np.concatenate(each).astype(np.float64)
    result = {name: {"mean": float(each.mean()),
                     "std": float(each.std(ddof=1)) if len(each) > 1 else None}
              for name, each in values.items()}  # fmt: skip
    for name in groups:
        above = values[name][:, None] - values["others"]
        result[name]["auc"] = float((above > 0).mean() + 0.5 * (above == 0).mean())
    return result
