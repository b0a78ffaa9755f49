"""Peak memory of a training and of a large sample, each in a process of its own.

python benchmarks/memory.py
"""

import argparse
import resource
import subprocess
import sys


def training(recipe="texture-paper", updates=2):
    """16 persistent chains of 224x224 through all three layers of the paper's texture net."""
    import numpy as np

    from genconv_tf import GenerativeConvNet, data

    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    images = data.images(pixels, size=224)
    model = GenerativeConvNet.from_recipe(recipe, images)
    model.fit(images.repeat(), steps_per_epoch=updates, verbose=0)


def sampling(preset="texture-gravel", size=2048):
    from genconv_tf import GenerativeConvNet

    GenerativeConvNet.from_preset(preset).sample(1, size=size)


TASKS = {"training": training, "sampling": sampling}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--one", choices=TASKS, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.one:
        TASKS[options.one]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{options.one}: {peak:.2f} GiB")
        return
    for name in TASKS:
        subprocess.run([sys.executable, __file__, "--one", name], check=True)


if __name__ == "__main__":
    main()
