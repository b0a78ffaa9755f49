"""`genconv blend`: fresh samples of several presets at once, in weight or region by region."""

from genconv_tf import GenerativeConvNet
from genconv_tf.blending import blend
from genconv_tf.cli import given
from genconv_tf.cli.sample import properties, write_samples
from genconv_tf.data.decode import read_image
from genconv_tf.data.media import check_installed


def run(options):
    guide = None if options.guide is None else read_image(options.guide)
    models = [GenerativeConvNet.from_preset(name) for name in options.model]
    check_installed(models[0].rank)
    media = blend(
        models,
        options.weights,
        guide,
        num=options.num,
        size=given.size(properties(models[0]), options),
        seed=options.seed,
        steps=options.steps,
        soften=options.soften,
    )
    write_samples(media, models[0].preprocessing.rate, options, options.format)
