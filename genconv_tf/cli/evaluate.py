"""`genconv evaluate`: figures of samples against their exemplar."""

from genconv_tf import evaluation, files
from genconv_tf.data.decode import read_image


def run(options):
    exemplar = read_image(options.exemplar)
    samples = [read_image(path) for path in options.samples]
    result = evaluation.evaluate(exemplar, samples, options.vgg)
    for name, figures in result.items():
        print(f"{name:12}" + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))
    if options.json:
        files.write_json(options.json, result)
