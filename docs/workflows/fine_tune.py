"""Fine-tune a shipped texture on a new image.

A published model has learned what filters textures are made of: another image is learned from its
weights in fewer updates than from random ones. The default image is a drawn one of pebbles; a file
takes its place with `--image`.

    python docs/workflows/fine_tune.py --output tuned              # some two minutes
    python docs/workflows/fine_tune.py --output tuned --image my_stones.jpg
"""

import argparse
import dataclasses
import pathlib

import genconv_tf as gct
from genconv_tf.card import sheet
from genconv_tf.data.decode import write_image

options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
options.add_argument("--output", required=True, metavar="DIR")
options.add_argument("--image", default="generated:pebbles")
options.add_argument("--preset", default="texture-gravel")
options.add_argument("--updates", type=int, default=60)
options.add_argument("--random", action="store_true", help="from random weights, to compare")
options.add_argument("--quick", action="store_true", help="a small image and two updates")
options = options.parse_args()
output = pathlib.Path(options.output)

# ## Data of as many channels as the preset
#
# The first layer's filters have a depth: the new data need the preset's number of channels. The
# default preset was a grey photograph and has one, so that the new image is learned in grey; a
# preset of three channels takes `"rgb"`.

preset = gct.GenerativeConvNet.from_preset(options.preset)
size, updates = (80, 2) if options.quick else (224, options.updates)
colours = "grey" if preset.channels == 1 else "rgb"
data = gct.data.images(options.image, size=size, colours=colours)

# ## A twin with the preprocessing of the new data
#
# `twin` is a model of the same weights and other arguments. The preprocessing must be the new one:
# it holds the mean colour that was taken off, and the bounds within which chains are kept. Learning
# goes on at the rate of the recipe, and ends when `updates` are done.

learning = dataclasses.replace(preset.learning, updates=updates, chain_size=min(192, size - 8))
sampler = preset.sampler
if options.quick:
    sampler = dataclasses.replace(sampler, steps=2)
    learning = dataclasses.replace(learning, overshoot_penalty=0.0)
model = preset.twin(preprocessing=data.preprocessing, learning=learning, sampler=sampler, size=size)
if options.random:
    model = gct.GenerativeConvNet.from_config(model.get_config())
before = model.sample(2, seed=1)

# ## Fit, save, sample

guard = gct.callbacks.DivergenceGuard()
verbose = 0 if options.quick else 2
model.fit(data.repeat(), steps_per_epoch=updates, callbacks=[guard], verbose=verbose)
if guard.message:
    guard.go_back()
after = model.sample(2, seed=1)
given = data.preprocessing.decode(next(iter(data)))[0].numpy()
model.save_to_preset(output / "preset", replace=True, exemplar=given, samples=after,
                     source=options.image, summary=f"{options.preset}, fine-tuned")  # fmt: skip
write_image(output / "before.png", sheet(before))
write_image(output / "after.png", sheet(after))
if not options.quick:
    for name, samples in (("before", before), ("after", after)):
        measured = gct.evaluation.evaluate(given, list(samples))
        print(name, {key: round(figure["value"], 3) for key, figure in measured.items()})
print(f"Samples before and after, and the preset, are in {output}")
