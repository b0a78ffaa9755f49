"""Learn exemplars with a recipe and judge fresh samples of the exported SavedModels.

    python benchmarks/textures.py EXEMPLAR... --output DIR [--vgg FILE] [--peers FOLDER...]
    python benchmarks/textures.py EXEMPLAR... --output DIR --recipe frame-texture --julesz ...

For each exemplar: `genconv train`, `export`, `sample` from the SavedModel, `evaluate`; or with
`--julesz`, of a FRAME model without learning, `genconv julesz`, `evaluate`. Writes one folder per
exemplar, `results.json`, `results.md`, a table of ratios to the exemplar's own crops,
and `samples.png`, one fresh sample of each. A peer is a folder of results under the exemplars' file
names. What is done is not done again.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

from genconv_tf import evaluation, files
from genconv_tf.card import sheet
from genconv_tf.data.decode import read_image, write_image

MEASURES = ("vgg_gram", "random_gram", "patch_swd", "spectrum", "copy_ncc")


def genconv(*words):
    subprocess.run([sys.executable, "-m", "genconv_tf.cli.main", *map(str, words)], check=True)


def learn(exemplar, folder, options):
    """Seconds of learning; nothing if the model is already there."""
    if (folder / "run" / "preset").is_dir():
        return None
    start = time.perf_counter()
    resume = ["--resume"] if (folder / "run" / "run.json").is_file() else []
    extra = [word for setting in options.set for word in ("--set", setting)]
    genconv(
        "train", options.recipe, exemplar, "--output", folder / "run", "--quiet", *extra, *resume
    )
    return time.perf_counter() - start


def judge(exemplar, folder, options):
    """Figures of fresh samples from the SavedModel, and the seconds that one takes."""
    from genconv_tf.export import ExportedModel

    exported = folder / "saved_model" / "1"
    if not exported.is_dir():
        genconv("export", folder / "run", "--output", exported)
    model = ExportedModel(exported)
    model.sample(1, size=options.size)
    start = time.perf_counter()
    model.sample(1, size=options.size)
    seconds = time.perf_counter() - start
    samples = model.sample(options.num, size=options.size, seed=1)
    return {"figures": figures_of(exemplar, samples, folder, options), "sample_seconds": seconds}


def match(exemplar, folder, options):
    """Figures of samples of the Julesz ensemble, and the seconds that one takes."""
    start = time.perf_counter()
    paths = [folder / "samples" / f"sample_1_{i}.png" for i in range(options.num)]
    if not all(path.is_file() for path in paths):
        steps = ["--steps", options.steps] if options.steps else []
        extra = [word for setting in options.set for word in ("--set", setting)]
        genconv("julesz", options.recipe, exemplar, "--zero", "--num", options.num,
                "--size", options.size, "--seed", 1, "--output", folder / "samples", "--quiet",
                *steps, *extra)  # fmt: skip
    seconds = (time.perf_counter() - start) / options.num
    samples = np.stack([read_image(path) for path in paths])
    return {"figures": figures_of(exemplar, samples, folder, options), "sample_seconds": seconds}


def figures_of(exemplar, samples, folder, options):
    """What samples score; a picture of the exemplar and three of them is written."""
    shown = read_image(exemplar)
    side = min(256, *shown.shape[:2])
    row = [shown[:side, :side], *(s[:side, :side] for s in samples[:3])]
    write_image(folder / "samples.png", np.concatenate(row, 1))
    return evaluation.evaluate(shown, list(samples), options.vgg)


def row(name, result):
    figures = result["figures"]
    cells = [f"{figures[m]['ratio']:.2f}" for m in MEASURES if m in figures]
    diversity = figures.get("diversity", {}).get("value")
    cells.append("" if diversity is None else f"{diversity:.2f}")
    for key in ("train_seconds", "sample_seconds"):
        value = result.get(key)
        cells.append("" if value is None else f"{value:.1f}")
    return f"| {name} | " + " | ".join(cells) + " |"


def first_samples(folders):
    """The first fresh sample of each exemplar, from the pictures that `judge` wrote beside it."""
    rows = [read_image(folder / "samples.png") for folder in folders]
    side = min(row.shape[0] for row in rows)
    return np.stack([row[:side, row.shape[0] : row.shape[0] + side] for row in rows])


def median(rows):
    """The figures of the middle exemplar, measure by measure."""
    figures = {
        m: {"ratio": float(np.median([r["figures"][m]["ratio"] for r in rows]))}
        for m in MEASURES
        if all(m in r["figures"] for r in rows)
    }
    spread = [r["figures"]["diversity"]["value"] for r in rows if "diversity" in r["figures"]]
    if spread:
        figures["diversity"] = {"value": float(np.median(spread))}
    return {"figures": figures}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("exemplars", nargs="+", type=pathlib.Path)
    options.add_argument("--output", required=True, type=pathlib.Path)
    options.add_argument("--recipe", default="texture")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--num", type=int, default=4, help="fresh samples of each model")
    options.add_argument("--size", type=int, default=256, help="of their sides (default: 256)")
    options.add_argument("--julesz", action="store_true", help="match statistics, learn nothing")
    options.add_argument("--steps", type=int, help="of --julesz, at each level")
    options.add_argument("--vgg", help="VGG-19 filters (.npz)")
    options.add_argument("--peers", nargs="*", default=[], type=pathlib.Path)
    options = options.parse_args()
    results, peers = {}, {}
    for exemplar in options.exemplars:
        folder = options.output / exemplar.stem
        folder.mkdir(parents=True, exist_ok=True)
        seconds = None if options.julesz else learn(exemplar, folder, options)
        result = (match if options.julesz else judge)(exemplar, folder, options)
        timing = folder / "seconds.json"
        if seconds is not None:
            files.write_json(timing, seconds)
        if timing.is_file():
            result["train_seconds"] = json.loads(timing.read_text())
        results[exemplar.stem] = result
        for peer in options.peers:
            for made in sorted(peer.glob(f"{exemplar.stem}.*")):
                figures = evaluation.evaluate(read_image(exemplar), [read_image(made)], options.vgg)
                peers.setdefault(peer.name, {})[exemplar.stem] = {"figures": figures}
        lines = [row(name, r) for name, r in results.items()]
        lines.append(row("**median**", median(list(results.values()))))
        lines += [row(f"{p}, median", median(list(by.values()))) for p, by in peers.items()]
        named = [m for m in MEASURES if m in result["figures"]]
        head = ["exemplar", *named, "diversity", "seconds to learn", "seconds a sample"]
        table = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines]
        files.write_text(options.output / "results.md", "\n".join(table) + "\n")
        files.write_json(options.output / "results.json", {"ours": results, "peers": peers})
        folders = [options.output / name for name in results]
        write_image(options.output / "samples.png", sheet(first_samples(folders)))
        print(lines[len(results) - 1], flush=True)


if __name__ == "__main__":
    # As an exception, for which `subprocess.run` ends the command that it waits for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main()
