"""`genconv evaluate`: figures of samples against their exemplar."""

import os

from genconv_tf import evaluation, evaluation_of_sounds, evaluation_of_videos, files
from genconv_tf.data.decode import read_image
from genconv_tf.data.sounds import EXTENSIONS as SOUNDS
from genconv_tf.data.sounds import RATE, read_sound
from genconv_tf.data.videos import EXTENSIONS as VIDEOS
from genconv_tf.data.videos import read_video


def run(options):
    paths = [options.exemplar, *options.samples]
    if options.exemplar.lower().endswith(SOUNDS):
        exemplar, *samples = (read_sound(path) for path in paths)
        result = evaluation_of_sounds.evaluate(exemplar, samples, RATE)
    elif options.exemplar.lower().endswith(VIDEOS) or os.path.isdir(options.exemplar):
        exemplar, *samples = (read_video(path) for path in paths)
        result = evaluation_of_videos.evaluate(exemplar, samples, options.vgg)
    else:
        exemplar, *samples = (read_image(path) for path in paths)
        result = evaluation.evaluate(exemplar, samples, options.vgg)
    for name, figures in result.items():
        print(f"{name:12}" + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))
    if options.json:
        files.write_json(options.json, result)
