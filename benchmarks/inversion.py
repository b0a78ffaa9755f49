"""Feature-map inversion on the real filters of VGG-19: errors, atlases and styles.

    python benchmarks/inversion.py IMAGE STYLE --weights FILE --output DIR [--squeezenet FILE]

Plain inversion at several layers, each beside the image; the atlas of conv1_1, conv2_1 and conv3_1;
style by moving energy, by the energies of every layer, and by Gram matrices.
"""

import argparse
import pathlib
import time

import numpy as np

from genconv_tf import atlas, files, inversion
from genconv_tf.card import sheet
from genconv_tf.cli.atlas import noise
from genconv_tf.cli.invert import read
from genconv_tf.data.decode import write_image
from genconv_tf.features import features

LAYERS = {"block1_conv1": 96, "block2_conv1": 96, "block3_conv1": 64}  # and pixels of a texture
DEEPER = ("fire4_concat", "fire9_concat")
STATISTICS = {"energies": inversion.energies, "gram": inversion.gram}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("image")
    parser.add_argument("style")
    parser.add_argument("--weights", required=True, help="of VGG-19")
    parser.add_argument("--squeezenet", help="weights of SqueezeNet, for deeper layers")
    parser.add_argument("--output", required=True)
    parser.add_argument("--size", type=int, default=160, help="of the long edge")
    parser.add_argument("--filters", type=int, help="of each layer's atlas, instead of all")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    image, style = (read(path, options.size) for path in (options.image, options.style))
    results = {"plain": plain(options, image, output)}
    results["style"] = stylised(options, image, style, output)
    results["atlas"] = atlases(options, output)
    files.write_json(output / "results.json", results)
    print(f"Wrote {output / 'results.json'}")


def plain(options, image, output):
    """Relative errors of the features, and of the pixels, of plain inversions."""
    kinds = [(layer, "vgg19", options.weights) for layer in LAYERS]
    if options.squeezenet:
        kinds += [(layer, "squeezenet", options.squeezenet) for layer in DEEPER]
    shown, errors = [image], {}
    for layer, network, weights in kinds:
        look = features(layer, network, weights)
        made, error = inversion.invert(look, look(image[None]), image.shape[:2])
        shown.append(made[0])
        pixels = np.linalg.norm(made[0] - image) / np.linalg.norm(image - image.mean((0, 1)))
        errors[layer] = {"features": float(error[0]), "pixels": float(pixels)}
        print(layer, errors[layer], flush=True)
    write_image(output / "plain.png", sheet(shown, columns=len(shown)))
    return errors


def stylised(options, image, style, output):
    """How far each way leaves the statistics of every layer from those of the style."""
    look = features("block2_conv2", weights=options.weights)
    moved = inversion.energies_of(look(image[None])[0].numpy(), look(style[None])[0].numpy())
    made = {"moved": inversion.invert(look, moved[None], image.shape[:2])[0][0]}
    for name, statistic in STATISTICS.items():
        made[name] = inversion.stylise(look, image, style, statistic)
    write_image(output / "style.png", sheet([image, *made.values()], columns=4))
    results = {}
    for name, one in {"image": image, **made}.items():
        pairs = list(zip(look.every_layer(one[None]), look.every_layer(style[None])))
        results[name] = {
            which: float(np.mean([inversion.squared_error(s(a), s(b))[0] for a, b in pairs]))
            for which, s in STATISTICS.items()
        }
    print(results, flush=True)
    return results


def atlases(options, output):
    results = {}
    for layer, size in LAYERS.items():
        start, look = time.time(), features(layer, weights=options.weights)
        options.size, options.seed = size, 0
        count = look.network.output_shape[-1]
        some = range(min(count, options.filters or count))
        made = atlas.textures(look, noise(options), some, steps=100)
        atlas.write(output / layer, layer, made, count)
        results[layer] = {**atlas.summary(made.values()), "filters": len(made), "of": count,
                          "seconds": time.time() - start}  # fmt: skip
        print(layer, results[layer], flush=True)
    return results


if __name__ == "__main__":
    main()
