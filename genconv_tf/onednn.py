"""Which convolutions TensorFlow is to take: it has those of oneDNN beside Eigen's, and decides when
it is imported."""

import os
import sys

SWITCH = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow's own


def prefer(rank):
    """Ask for oneDNN where signals have three axes, unless the environment says otherwise.

    On processors with AVX2 alone TensorFlow leaves it out by itself. A Langevin step of a video is
    1.8 times as fast with it, an update of a texture slower by a quarter (docs/speed.md). Once
    TensorFlow is imported it is too late, and nothing is done.

    Args:
        rank: number of spatial axes.
    """
    if rank == 3 and "tensorflow" not in sys.modules:
        os.environ.setdefault(SWITCH, "1")
