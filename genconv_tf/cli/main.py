"""Arguments of `genconv`; the commands themselves are imported when they run."""

import argparse
import importlib
import os
import re
import sys

import genconv_tf
from genconv_tf import catalogue, onednn, recipes, remote
from genconv_tf.quiet import keras_silent, quiet
from genconv_tf.settings import LARGEST

BROKEN_PIPE = 141  # the exit status of a shell for it: 128 + SIGPIPE
WITHOUT_TENSORFLOW = ("list", "serve", "gallery")  # commands that answer sooner, or not by it


def main(argv=None):
    """Run one command; the exit status: 0, or 2 with one line on standard error."""
    options = parser().parse_args(argv)
    if options.command is None:
        parser().print_help()
        return 0
    # TensorFlow's own notes on devices and instructions are not for users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_CPP_MAX_VLOG_LEVEL", "-1")
    try:
        tensorflow = options.command not in WITHOUT_TENSORFLOW
        if hasattr(options, "recipe"):
            changes = recipes.parse_settings(options.set)
            onednn.prefer(recipes.wants_onednn(options.recipe, changes))
        if tensorflow:
            _look_for(getattr(options, "model", []))
            with quiet():  # TensorFlow speaks of oneDNN while it is imported.
                importlib.import_module("tensorflow")
        command = importlib.import_module(f"genconv_tf.cli.{options.command}")
        with keras_silent(tensorflow and getattr(options, "quiet", False)):
            command.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted")
    except BrokenPipeError:  # of `genconv list | head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ValueError, OSError) as error:
        return _fail(_line(error))
    except Exception as error:
        # A file that TensorFlow itself cannot write, as on a full disk.
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
            raise
        return _fail(own_line(error))
    return 0


def _look_for(models):
    """Say that a model is not there before TensorFlow is imported, which takes seconds."""
    for name in [models] if isinstance(models, str) else models:
        if remote.base() is None and not catalogue.is_saved_model(name):
            catalogue.find(name)


def parser():
    """The parser of all commands, in argparse alone so that help answers at once."""
    root = _Parser("genconv", description=genconv_tf.__doc__.split("\n")[0])
    root.add_argument("--version", action="version", version=genconv_tf.__version__)
    commands = root.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    one = commands.add_parser("list", help="show recipes and presets")
    one.add_argument("pattern", nargs="?", default="*", help="of names, such as 'texture-*'")
    one.add_argument("--json", action="store_true", help="for programs")
    one.add_argument("--remote", action="store_true",
                     help="also presets of the server that GENCONV_URL names")  # fmt: skip

    one = commands.add_parser("train", help="learn a model from a file")
    _add_learning(one, "+")
    _add_sheets(one)
    one.add_argument("--resume", action="store_true", help="go on with an interrupted run")

    one = commands.add_parser("experiment", help="an experiment of the papers, data to figures")
    _add_learning(one, "*")
    _add_sheets(one)
    one.add_argument("--num", type=_at_least(1), default=4, metavar="N", help="fresh samples")
    one.add_argument("--vgg", metavar="FILE", help="VGG-19 filters (.npz), or keras to download")
    one.add_argument("--others", help="other images, whose scores are compared with the input's")
    one.add_argument("--held-out", help="images of the input's kind, not among it, "
                     "to recover squares of, and to compare with --others")  # fmt: skip
    one.add_argument("--hide", nargs="+", type=_at_least(1), default=[40, 50], metavar="N",
                     help="sides of the squares, in pixels (default: 40 50)")  # fmt: skip

    one = commands.add_parser("pursue", help="a sparse FRAME model: filters, and what they gain")
    _add_learning(one, "*", updates="of every step, instead of the recipe's")
    one.add_argument("--method", default="pursuit", choices=["pursuit", "boosting", "matching",
                     "elimination"], help="which filters (default: pursuit)")  # fmt: skip
    one.add_argument("--filters", type=_at_least(1), required=True, metavar="N",
                     help="how many; of a kernel of full, at how many positions")  # fmt: skip
    one.add_argument("--batch", type=_at_least(1), metavar="N",
                     help="filters a step (default: as makes twenty steps)")  # fmt: skip
    one.add_argument("--shift", type=_at_least(0), default=0, metavar="N",
                     help="of matching: pixels that a filter may move in an image")  # fmt: skip

    one = commands.add_parser("sample", help="make fresh samples, vary an image, recover a hole")
    one.add_argument("model", help="a preset's name, a preset folder or a SavedModel")
    _add_sampling(one)
    one.add_argument("--watch", type=_at_least(2), metavar="N", help="also write the way of the "
                     "first sample from noise to its end, a GIF of N frames")  # fmt: skip
    one.add_argument("--image", help="to start from instead of noise, or with --mask one with a "
                     "hole; of a model of videos or of sounds a video or a sound. --size, "
                     "--frames and --seconds cut it")  # fmt: skip
    one.add_argument("--variation", type=_share, metavar="V",
                     help="of --image, in (0, 1]: the share of the model's levels that is run, "
                          "from the finest up (default: 0.6)")  # fmt: skip
    one.add_argument("--mask", help="white where --image is to be sampled; of a video a picture "
                     "for all frames or a video, of a sound FROM:TO in seconds")  # fmt: skip
    one.add_argument("--mean", type=_at_least(1), metavar="N", help="with --mask the mean of N "
                     "samples: nearer to the truth than one, and smoother")  # fmt: skip

    one = commands.add_parser("blend", help="fresh samples of several models at once")
    one.add_argument("model", nargs="+", help="presets' names or preset folders")
    _add_sampling(one)
    which = one.add_mutually_exclusive_group()
    which.add_argument("--weights", type=float, nargs="+", metavar="W",
                       help="of each model, together 1 (default: the same for all)")  # fmt: skip
    which.add_argument("--guide", metavar="FILE", help="an image of the regions: black for the "
                       "first model and white for the second, or a colour for each model in the "
                       "order in which they appear, row by row")  # fmt: skip
    one.add_argument("--soften", type=_positive, default=4.0, metavar="P",
                     help="pixels that the borders of --guide are softened by "
                          "(default: 4)")  # fmt: skip

    one = commands.add_parser("julesz", help="samples by matching statistics, without learning")
    one.add_argument("recipe", help="of a FRAME model: a recipe's name or a TOML file")
    one.add_argument("input", nargs="+", help="as of train")
    one.add_argument("--output", required=True, metavar="DIR")
    one.add_argument("--num", type=_at_least(1), default=1, metavar="N")
    one.add_argument("--size", type=_size, metavar="H[xW]", help="of the samples")
    one.add_argument("--seed", type=int, default=0, metavar="K")
    one.add_argument("--steps", type=_at_least(1), metavar="N", help="of each level")
    one.add_argument("--zero", action="store_true", help="descend at temperature 0")
    one.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                     help="change a setting of the recipe")  # fmt: skip
    one.add_argument("--quiet", action="store_true", help="say nothing")

    one = commands.add_parser("export", help="write a file or folder that needs no genconv_tf")
    one.add_argument("model", help="a preset's name or a preset folder")
    one.add_argument("--output", required=True, metavar="PATH",
                     help="the folder of a SavedModel, or a file")  # fmt: skip
    one.add_argument("--format", default="saved_model", choices=["saved_model", "onnx", "litert"],
                     help="a SavedModel, which samples too (default), or the scoring function "
                          "alone as ONNX or LiteRT, in float32")  # fmt: skip
    one.add_argument("--size", type=_size, metavar="H[xW]", help="of x, of ONNX and LiteRT "
                     "(default: what the model learned from)")  # fmt: skip
    one.add_argument("--precision", default="float32", choices=["float32", "bfloat16", "auto"],
                     help="of a SavedModel's convolutions; bfloat16 is fast where the processor "
                          "has units for it and slow elsewhere (default: float32)")  # fmt: skip

    one = commands.add_parser("serve", help="models over HTTP, as TensorFlow Serving does it")
    one.add_argument("model", nargs="*", help="presets, folders of presets or SavedModels, "
                     "each alone or as NAME=FOLDER (default: every preset)")  # fmt: skip
    one.add_argument("--port", type=_port, default=8501, metavar="P", help="(default: 8501)")
    one.add_argument("--host", default="127.0.0.1", help="(default: this machine alone)")
    one.add_argument("--token-file", metavar="FILE", help="holds the token that requests must "
                     "carry (or GENCONV_TOKEN); needed with another --host")  # fmt: skip
    one.add_argument("--grpc-port", type=_port, metavar="P",
                     help="also TensorFlow Serving's gRPC (default: none)")  # fmt: skip
    one.add_argument("--workers", type=_at_least(1), default=1, metavar="N",
                     help="processes that sample; each takes all cores (default: 1)")  # fmt: skip
    one.add_argument("--max-size", type=_at_least(1), default=2048, metavar="N",
                     help="side of the largest square sample (default: 2048)")  # fmt: skip
    one.add_argument("--max-steps", type=_at_least(1), default=1000, metavar="N")
    one.add_argument("--queue", type=_at_least(1), default=64, metavar="N",
                     help="requests at a time; more have to come back (default: 64)")  # fmt: skip
    one.add_argument("--timeout", type=_at_least(1), default=30, metavar="SECONDS",
                     help="that a client may take to send a request (default: 30)")  # fmt: skip
    one.add_argument("--quiet", action="store_true", help="say nothing")

    one = commands.add_parser("gallery", help="a static site of models and their samples")
    one.add_argument("model", nargs="*", help="as of serve (default: every preset)")
    one.add_argument("--output", required=True, metavar="DIR")

    one = commands.add_parser("evaluate", help="measure samples against their exemplar")
    one.add_argument("exemplar")
    one.add_argument("samples", nargs="+", metavar="SAMPLE")
    one.add_argument("--vgg", metavar="FILE", help="VGG-19 filters (.npz), or keras to download")
    one.add_argument("--json", metavar="FILE", help="write the figures there as well")

    one = commands.add_parser("inspect", help="filters as basis functions, pieces and modes")
    one.add_argument("model", help="a preset's name or a preset folder")
    one.add_argument("--output", required=True, metavar="DIR")
    one.add_argument("--image", help="to look at the model through (default: a fresh sample)")
    one.add_argument("--steps", type=_at_least(1), default=200, metavar="N",
                     help="of the descent to a mode, at most (default: 200)")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, metavar="K")
    one.add_argument("--quiet", action="store_true", help="say nothing")

    one = commands.add_parser("diagnose", help="whether chains sample the density")
    one.add_argument("model", help="a preset's name or a preset folder")
    one.add_argument("--chains", type=_at_least(2), default=4, metavar="N")
    one.add_argument("--draws", type=_at_least(4), default=200, metavar="N", help="of each chain")
    one.add_argument("--thin", type=_at_least(1), default=5, metavar="N",
                     help="Langevin steps between two draws")  # fmt: skip
    one.add_argument("--size", type=_size, metavar="H[xW]")
    one.add_argument("--step-size", type=_positive, metavar="E")
    one.add_argument("--unadjusted", action="store_true", help="without Metropolis steps")
    one.add_argument("--seed", type=int, default=0, metavar="K")
    one.add_argument("--output", metavar="DIR", help="write the traces, as figures and a picture")

    one = commands.add_parser("invert", help="an image from the features of one layer")
    one.add_argument("image")
    _add_features(one, steps=300)
    change = one.add_mutually_exclusive_group()
    change.add_argument("--filter", type=_at_least(0), metavar="K", help="all energy in map K")
    change.add_argument("--random", action="store_true", help="a random share for each map")
    change.add_argument("--style", metavar="FILE", help="the share that each map has there")

    one.add_argument("--smooth", type=_positive, metavar="W",
                     help="take fine noise off by total variation; the paper: 0.2")  # fmt: skip
    one.add_argument("--match", choices=["energy", "gram"], help="of --style, every layer up to L: "
                     "descend that loss instead of moving energy")  # fmt: skip

    one = commands.add_parser("atlas", help="a page with the texture of every filter of a layer")
    one.add_argument("image", nargs="?", help="one that the filters respond to (default: noise)")
    _add_features(one, steps=150)
    return root


def _add_sampling(one):
    """What `sample` and `blend` have in common."""
    one.add_argument("--output", required=True, metavar="DIR")
    one.add_argument("--num", type=_at_least(1), default=4, metavar="N")
    one.add_argument("--size", type=_size, metavar="H[xW]")
    one.add_argument("--frames", type=_at_least(1), metavar="N", help="of a video")
    one.add_argument("--seconds", type=_positive, metavar="S", help="of a sound")
    one.add_argument("--format", choices=["mp4", "gif", "frames"], help="of a video: a file, or a "
                     "folder of PNG (default: mp4)")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, metavar="K")
    one.add_argument("--steps", type=_at_least(0), default=0, metavar="N",
                     help="Langevin steps a level, 0 for the model's own")  # fmt: skip
    one.add_argument("--quiet", action="store_true", help="say nothing")


def _add_features(one, steps):
    """What `invert` and `atlas` have in common."""
    one.add_argument("--layer", required=True, metavar="L", help="such as block3_conv1")
    one.add_argument("--output", required=True, metavar="DIR")
    one.add_argument("--network", default="vgg19",
                     help="vgg16, vgg19, squeezenet or a .keras file (default: vgg19)")  # fmt: skip
    one.add_argument("--preprocessing", choices=["caffe", "tf", "torch"],
                     help="of a .keras file: what it was trained with, as keras.applications "
                          "names it (default: pixels in [0, 255])")  # fmt: skip
    one.add_argument("--weights", metavar="FILE", help="instead of those that Keras downloads")
    one.add_argument("--pooling", choices=["average", "max"], help="of a VGG (default: average)")
    one.add_argument("--size", type=_at_least(1), metavar="N", help="of the long edge, in pixels")
    one.add_argument("--steps", type=_at_least(1), default=steps, metavar="N",
                     help=f"of the optimiser, at most (default: {steps})")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, metavar="K",
                     help="of the noise to start from; --match starts from the image")  # fmt: skip
    one.add_argument("--quiet", action="store_true", help="say nothing")


def _add_learning(one, inputs, updates="instead of the recipe's"):
    """What `train`, `experiment` and `pursue` have in common."""
    one.add_argument("recipe", help="a recipe's name (genconv list) or a TOML file")
    one.add_argument("input", nargs=inputs, help="files, a folder, a pattern, tfds:NAME or "
                     "generated:NAME")  # fmt: skip
    one.add_argument("--output", required=True, metavar="DIR")
    one.add_argument("--updates", type=_at_least(1), metavar="N", help=updates)
    one.add_argument("--size", type=_size, metavar="H[xW]", help="of the data, instead")
    one.add_argument("--seed", type=int, metavar="K", help="instead of the recipe's")
    one.add_argument("--split", help="of a TFDS name (default: train)")
    one.add_argument("--feature", help="of a TFDS name: image, audio or video by default")
    one.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                     help="change a setting of the recipe")  # fmt: skip
    one.add_argument("--source", help="for the model card: where the input comes from")
    one.add_argument("--licence", help="for the model card: the licence of the input")
    one.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_sheets(one):
    one.add_argument("--sheets", type=_at_least(1), default=100, metavar="N",
                     help="updates between two sheets of samples")  # fmt: skip


def entry():
    """What the installed command `genconv` runs."""
    sys.exit(main())


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(_fail(" ".join(message.split())))


def _at_least(least, most=LARGEST):
    def number(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            limit = f">= {least}" if value is None or value < least else f"<= {most}"
            raise argparse.ArgumentTypeError(f"expected a whole number {limit}, not {text!r}")
        return value

    return number


_port = _at_least(1, 65535)


def _share(text):
    value = _positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, at most 1, not {text!r}")
    return value


def _positive(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return value


def _size(text):
    try:
        lengths = tuple(int(n) for n in text.lower().split("x"))
    except ValueError:
        lengths = ()
    if not lengths or min(lengths) < 1 or max(lengths) > LARGEST:
        raise argparse.ArgumentTypeError(f"expected a size such as 256 or 512x768, not {text!r}")
    return lengths[0] if len(lengths) == 1 else lengths


def _line(error):
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())


def own_line(error):
    """What a pipeline calls, such as the decoding of a file, or asserts has said its line in the
    midst of TensorFlow's."""
    for own in (r"^ValueError: (.+)$", r"assertion failed: \[(Expected .*?)\]"):
        found = re.search(own, str(error), re.MULTILINE)
        if found:
            return found[1]
    return re.sub(r"{{.*?}} ?| ?\[Op:.*?\]", "", _line(error))


def _fail(line):
    print(f"genconv: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    entry()
