"""Peak memory of trainings and of large samples, each in a process of its own.

python benchmarks/memory.py [TASK ...]
python benchmarks/memory.py --model PRESET [--size 8192]

The second is the whole of `genconv sample PRESET --num 1 --size N`, by the model's own steps.
"""

import argparse
import subprocess
import sys
import tempfile
import time

from resident import peak_gib


def training(recipe="texture-paper", updates=2):
    """16 persistent chains of 224x224 through all three layers of the paper's texture net."""
    import numpy as np

    from genconv_tf import GenerativeConvNet, data

    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    images = data.images(pixels, size=224)
    model = GenerativeConvNet.from_recipe(recipe, images)
    model.fit(images.repeat(), steps_per_epoch=updates, verbose=0)


def video(recipe="video-temporal", updates=2):
    """Three persistent chains of 50 frames of 224x224 through the net of the STG paper's second
    experiment, whose second layer covers frames whole: 77 million weights."""
    from genconv_tf import GenerativeConvNet, data

    fire = data.videos("generated:fire", frames=50, size=224)
    model = GenerativeConvNet.from_recipe(recipe, fire, **{"sampler.steps": 2})
    model.fit(fire.repeat(), steps_per_epoch=updates, verbose=0)


def sampling(preset="texture-gravel", size=2048):
    """A canvas of 2048x2048."""
    _sample(preset, (size, size))


def canvas(model="texture-brick", size=8192, steps=1):
    """The whole command, from the model's name to a PNG file: one step a level of 8192x8192."""
    from genconv_tf.cli.main import main

    with tempfile.TemporaryDirectory() as folder:
        words = ["--num", "1", "--size", str(size), "--steps", str(steps), "--output", folder]
        if main(["sample", str(model), *words, "--quiet"]):
            raise RuntimeError("the command failed")


def colour_canvas(size=8192, **changes):
    """The same in three channels: the recipe `texture`, before it has learned a generated one."""
    from genconv_tf import GenerativeConvNet, data

    images = data.images("generated:terrazzo", size=256, colours="principal")
    with tempfile.TemporaryDirectory() as folder:
        GenerativeConvNet.from_recipe("texture", images, **changes).save_to_preset(folder)
        canvas(folder, size)


def light_canvas():
    """As colour-canvas with hardly any filters: what the canvas itself takes, in minutes."""
    layers = [{"filters": 2, "kernel": 5}, {"filters": 2, "kernel": 3}]
    colour_canvas(**{"model.layers": layers})


def long_sound(preset="sound-rain", seconds=600):
    """Ten minutes of rain."""
    _sample(preset, (seconds * 11025,))


def long_video(preset="video-water", frames=640):
    """Ten times the frames that were learned from."""
    _sample(preset, (frames, 80, 80))


def _sample(preset, size):
    from genconv_tf import GenerativeConvNet

    GenerativeConvNet.from_preset(preset).sample(1, size=size)


TASKS = {"training": training, "video": video, "sampling": sampling, "long-sound": long_sound,
         "long-video": long_video, "canvas": canvas, "colour-canvas": colour_canvas,
         "light-canvas": light_canvas}  # fmt: skip


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("tasks", nargs="*", default=[], choices=[*TASKS, []], metavar="TASK")
    options.add_argument("--one", choices=TASKS, help=argparse.SUPPRESS)
    options.add_argument("--model", help="a preset's name or folder")
    options.add_argument("--size", type=int, default=8192, help="of its sample")
    options = options.parse_args()
    if options.one or options.model:
        start = time.perf_counter()
        if options.one:
            TASKS[options.one]()
        else:
            canvas(options.model, options.size, steps=0)
        seconds = time.perf_counter() - start
        print(f"{options.one or options.model}: {peak_gib():.2f} GiB, {seconds:.0f} s")
        return
    for name in options.tasks or TASKS:
        subprocess.run([sys.executable, __file__, "--one", name], check=True)


if __name__ == "__main__":
    main()
