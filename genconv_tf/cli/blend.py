"""`genconv blend`: fresh samples of several presets at once, in weight or region by region."""

import functools

from genconv_tf import GenerativeConvNet, checks
from genconv_tf.blending import drawer
from genconv_tf.cli import given
from genconv_tf.cli.sample import one_by_one, properties, write_samples
from genconv_tf.data.decode import read_image
from genconv_tf.data.media import check_installed


def run(options):
    guide = None if options.guide is None else read_image(options.guide)
    models = [GenerativeConvNet.from_preset(name) for name in options.model]
    check_installed(models[0].rank)
    size = given.size(properties(models[0]), options)
    draw = drawer(models, options.weights, guide, size, options.soften)
    checks.check_counts(options.num, options.steps)
    one = functools.partial(draw, 1, options.seed, options.steps)
    write_samples(one_by_one(one, options), models[0].preprocessing.rate, options, options.format)
