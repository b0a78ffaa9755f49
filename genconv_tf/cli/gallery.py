"""`genconv gallery`: the page of all presets as a static site."""

from genconv_tf import gallery
from genconv_tf.serving import models


def run(options):
    folders = models.named(options.model)
    gallery.write(options.output, folders)
    print(f"Wrote {options.output}/index.html: {len(folders)} models")
