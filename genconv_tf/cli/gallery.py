"""`genconv gallery`: the page of all presets as a static site."""

from genconv_tf import gallery
from genconv_tf.serving import models


def run(options):
    folders = models.named(options.model)
    presets = {name: (models.about(folder), folder) for name, folder in folders.items()}
    gallery.write(options.output, presets)
    print(f"Wrote {options.output}/index.html: {len(presets)} models")
