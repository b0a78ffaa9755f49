"""`genconv evaluate`: figures of samples against their exemplar."""

from genconv_tf import evaluation, evaluation_of_sounds, files
from genconv_tf.data.decode import read_image
from genconv_tf.data.sounds import EXTENSIONS, RATE, read_sound


def run(options):
    paths = [options.exemplar, *options.samples]
    if options.exemplar.lower().endswith(EXTENSIONS):
        exemplar, *samples = (read_sound(path) for path in paths)
        result = evaluation_of_sounds.evaluate(exemplar, samples, RATE)
    else:
        exemplar, *samples = (read_image(path) for path in paths)
        result = evaluation.evaluate(exemplar, samples, options.vgg)
    for name, figures in result.items():
        print(f"{name:12}" + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))
    if options.json:
        files.write_json(options.json, result)
