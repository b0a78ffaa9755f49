"""Learn a texture with `model.fit`, and watch it in TensorBoard.

`GenerativeConvNet` is a `keras.Model`: it learns by `fit`, from a `tf.data.Dataset`, and takes
Keras callbacks. Here a photograph of gravel is learned, with scalars and sheets of samples in
TensorBoard.

    python docs/workflows/fit_with_tensorboard.py --output fit     # about three minutes
    tensorboard --logdir fit/tensorboard
"""

import argparse
import pathlib

import keras

import genconv_tf as gct

options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
options.add_argument("--output", required=True, metavar="DIR")
options.add_argument("--quick", action="store_true", help="a small model and a few updates")
options = options.parse_args()
output = pathlib.Path(options.output)

# ## Data
#
# A dataset of `(batch, height, width, channels)` float32 that remembers how to undo its own
# preprocessing. One photograph is a batch of one: a texture is learned from all its parts. Grey
# photographs have one channel in principal colours.

photograph = gct.presets.find("texture-gravel") / "exemplar.png"
size = 64 if options.quick else 192
data = gct.data.images(photograph, size=size, colours="principal")

# ## Model
#
# A recipe says what the network, the sampler and the learning are like; settings are replaced by
# dotted keys. Model and data agree on preprocessing, channels and size.

updates, every = (6, 3) if options.quick else (300, 30)
changes = {"learning.updates": updates}
if options.quick:
    layer = {"filters": 8, "kernel": 3}
    changes |= {"model.levels": 2, "model.layers": [layer, layer], "model.weight_scale": 1.0}
    changes |= {"sampler.steps": 3, "sampler.step_size": 0.5, "sampler.temperature": 1.0}
    changes |= {"sampler.final_temperature": 1.0, "learning.chain_size": 32}
    changes |= {"learning.level_rates": 1.0, "learning.weight_decay": 0.0}
model = gct.GenerativeConvNet.from_recipe("texture", data=data, **changes)
model.compile()  # the recipe's own optimiser; any Keras optimiser may stand here

# ## Fit
#
# An epoch is as many updates as one likes: here TensorBoard gets its scalars, and the folder a
# sheet of fresh samples, at the end of each. `energy_gap` is f of the data less f of the chains,
# which learning drives to zero; `excess` is how large the chains are beside the data, and the guard
# stops `fit` when they run away.

events = output / "tensorboard"
guard = gct.callbacks.DivergenceGuard()
history = model.fit(
    data.repeat(),
    epochs=updates // every,
    steps_per_epoch=every,
    verbose=0 if options.quick else 2,
    callbacks=[
        guard,
        gct.callbacks.SampleSheet(output / "samples", every=every, tensorboard=events / "samples"),
        keras.callbacks.TensorBoard(events, write_graph=False),
    ],
)
if guard.message:
    guard.go_back()

# ## Keep
#
# A preset is the configuration, the weights and a card with pictures; `from_preset` reads it again.

samples = model.sample(2, size=128, seed=7)
model.save_to_preset(output / "preset", replace=True, samples=samples, recipe="texture")
print(f"energy gap {history.history['energy_gap'][-1]:.3g}; see {output}")
