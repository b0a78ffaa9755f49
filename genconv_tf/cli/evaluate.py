"""`genconv evaluate`: figures of samples against their exemplar."""

import os

from genconv_tf import evaluation, evaluation_of_sounds, evaluation_of_videos, files
from genconv_tf.data.decode import read_image
from genconv_tf.data.sounds import EXTENSIONS as SOUNDS
from genconv_tf.data.sounds import RATE, read_sound
from genconv_tf.data.video_files import EXTENSIONS as VIDEOS
from genconv_tf.data.video_files import read_video


def run(options):
    name = options.exemplar.lower()
    if name.endswith(SOUNDS):
        if options.vgg:
            raise ValueError(f"Expected --vgg with images or videos. Received: {options.exemplar}")
        read = read_sound
    elif name.endswith(VIDEOS) or os.path.isdir(options.exemplar):
        read = read_video
    else:
        read = read_image
    exemplar, *samples = (read(path) for path in (options.exemplar, *options.samples))
    result = measure(exemplar, samples, options.vgg)
    for name, figures in result.items():
        numbers = {key: value for key, value in figures.items() if key != "bands"}
        print(f"{name:12}" + "  ".join(f"{key} {value:.3f}" for key, value in numbers.items()))
    if options.json:
        files.write_json(options.json, result)


def measure(exemplar, samples, vgg=None, rate=RATE):
    """The figures of sounds, images or videos, which the number of their axes tells apart.

    Args:
        exemplar: `(samples, 1)`, `(height, width, 3)` or `(frames, height, width, 3)`.
        samples: list of the same.
        vgg: as `evaluation.evaluate` takes it; sounds have no use for it.
        rate: of sounds, samples a second.
    """
    if exemplar.ndim < 3:
        return evaluation_of_sounds.evaluate(exemplar, samples, rate)
    evaluate = evaluation.evaluate if exemplar.ndim == 3 else evaluation_of_videos.evaluate
    return evaluate(exemplar, samples, vgg)
