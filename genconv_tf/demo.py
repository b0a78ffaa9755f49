"""The whole way in one command: `python -m genconv_tf.demo --output DIR`."""

import argparse
import os
import pathlib
import subprocess
import sys

from PIL import Image

from genconv_tf.data.generated import CC0, texture

# Reloads the export in a process of its own, with TensorFlow and without this package.
_ALONE = """
import sys
import numpy, tensorflow as tf
from PIL import Image
sys.modules["genconv_tf"] = None  # importing it now fails
sample = tf.saved_model.load(sys.argv[1]).signatures["sample"]
media = sample(seed=tf.constant([[7, 0]]), size=tf.constant([192, 320]), steps=tf.constant(0))
Image.fromarray(media["media"][0].numpy()).save(sys.argv[2])
"""


def main():
    options = argparse.ArgumentParser("genconv_tf.demo", description=__doc__)
    options.add_argument("--output", default="demo", metavar="DIR")
    options.add_argument("--texture", default="brick", choices=CC0)
    options = options.parse_args()
    folder = pathlib.Path(options.output)
    run, exported = folder / "run", folder / "saved_model" / "1"
    exemplar = folder / f"{options.texture}.png"
    folder.mkdir(parents=True, exist_ok=True)
    size, chains = _effort()
    Image.fromarray(texture(options.texture)).convert("RGB").resize((size, size)).save(exemplar)
    resume = ["--resume"] if (run / "run.json").is_file() else []
    _genconv("train", "texture", exemplar, "--output", run, "--updates", 220, *chains, *resume)
    _genconv("sample", run, "--output", folder / "samples", "--num", "2", "--size", "192x320")
    if not exported.exists():
        _genconv("export", run, "--output", exported)
    alone = folder / "from_saved_model.png"
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", _ALONE, exported, alone], check=True, env=quiet)
    print(f"""
The exemplar                          {exemplar}
Fresh samples of another size         {folder / "samples"}
A sample of the SavedModel alone      {alone}
The learned model (Keras preset)      {run / "preset"}
The SavedModel                        {exported}""")


def _effort():
    """Pixels per side of the exemplar, and settings of its learning, that two cores take one to
    four minutes for. With no units for bfloat16 an update takes about eight times as long; many
    updates of small chains then give bricks where few of large ones give stray lines."""
    from genconv_tf.precision import resolve

    if resolve("auto") == "bfloat16":
        return 192, []
    return 128, ["--set", "learning.chain_size=128", "--set", "learning.window=96"]


def _genconv(*words):
    command = [sys.executable, "-m", "genconv_tf.cli.main", *map(str, words)]
    print("genconv", *command[3:], flush=True)
    done = subprocess.run(command)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
