"""Which convolutions TensorFlow is to take: it has those of oneDNN beside Eigen's, and decides when
it is imported."""

import os
import sys

SWITCH = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow's own


def prefer(wanted=True):
    """Ask for oneDNN, if it is wanted and unless the environment says otherwise.

    On processors with AVX2 alone TensorFlow leaves it out by itself. A Langevin step of a video is
    1.8 times as fast with it, an update of `faces` four times, of `texture` slower by a third
    (docs/speed.md): a recipe says what suits it. Once TensorFlow is imported it is too late, and
    nothing is done.
    """
    if wanted and "tensorflow" not in sys.modules:
        os.environ.setdefault(SWITCH, "1")
