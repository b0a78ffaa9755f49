"""Image-steps per second of the Langevin loop, beside its peers, in one run.

    python benchmarks/langevin.py [--net texture] [--chains 1 4 16] [--precision float32]

`--net texture` is the texture net of the GCN paper (100@15x15/3, 64@5x5, 30@3x3, each padded by 2)
on 224x224 pixels, `video` a net of three axes on 24 frames of 64x64, `sound` one of one axis on
16,384 samples. A peer that is not installed is skipped, and the table says so. The peak is that of
a matrix product of 3072x3072 at the same precision; "of peak" counts the multiplications and
additions of the convolutions and of their input gradients alone.
"""

import argparse
import dataclasses
import importlib.util
import json
import math
import os
import subprocess
import sys
import time

from resident import peak_gib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

STEP_SIZE = 0.3
PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Net:
    """Lengths and channels of a signal; (filters, kernel, stride) of layers; zeros around each."""

    size: tuple
    channels: int
    layers: tuple
    padding: int = 0

    def inputs(self):
        """Channels below each layer."""
        return [self.channels, *(filters for filters, _, _ in self.layers)][:-1]

    def flops_per_step(self):
        """Of one signal: forward and input gradient, two operations a product."""
        lengths, total = self.size, 0
        for (filters, kernel, stride), channels in zip(self.layers, self.inputs()):
            axes = zip(lengths, kernel, stride)
            lengths = [(n + 2 * self.padding - k) // s + 1 for n, k, s in axes]
            total += math.prod(lengths) * math.prod(kernel) * channels * filters
        return 4 * total


NETS = {
    "texture": Net((224, 224), 3, ((100, (15, 15), (3, 3)), (64, (5, 5), (1, 1)),
                                   (30, (3, 3), (1, 1))), padding=2),
    "video": Net((24, 64, 64), 3, ((64, (7, 7, 7), (1, 2, 2)), (64, (3, 5, 5), (1, 1, 1)),
                                   (32, (3, 3, 3), (1, 1, 1)))),
    "sound": Net((16384,), 1, ((64, (25,), (1,)), (64, (25,), (4,)), (48, (25,), (4,)))),
}  # fmt: skip


def best_rate(run, count, seconds):
    """Repetitions of `run` for about `seconds`; the best of `count` image-steps per second."""
    run()
    best, stop = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < stop or best == 0.0:
        start = time.perf_counter()
        run()
        best = max(best, count / (time.perf_counter() - start))
    return best


def ours(net, precision, chains, steps, seconds):
    from genconv_tf import onednn

    onednn.prefer(len(net.size) == 3)  # as the command line does
    import tensorflow as tf

    from genconv_tf import GenerativeConvNet, noise

    layers = [{"filters": f, "kernel": k, "stride": s, "padding": net.padding}
              for f, k, s in net.layers]  # fmt: skip
    model = GenerativeConvNet(
        layers, rank=len(net.size), channels=net.channels, size=net.size, boundary="valid",
        precision=precision, weight_init="normal", weight_scale=0.01,
        sampler={"step_size": STEP_SIZE, "steps": steps})  # fmt: skip
    x, seeds = tf.zeros((chains, *net.size, net.channels)), noise.row_seeds(0, chains)
    loop = tf.function(lambda x: model.finest.langevin(x, seeds))
    return best_rate(lambda: loop(x).numpy(), chains * steps, seconds)


def ours_plainly(*args):
    """With the gradient of convolutions that TensorFlow has, wherever it is not the faster one."""
    from genconv_tf import convolution_gradient

    convolution_gradient.has_fast_gradient = lambda: True
    return ours(*args)


def probability(net, precision, chains, steps, seconds):
    """TensorFlow Probability's UncalibratedLangevin on the same density."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    dtype = {"float32": tf.float32, "bfloat16": tf.bfloat16}[precision]
    kernels = [tf.random.normal((*kernel, channels, filters)) * 0.01
               for (filters, kernel, _), channels in zip(net.layers, net.inputs())]  # fmt: skip
    axes = range(1, len(net.size) + 2)
    zeros = [(0, 0), *[(net.padding, net.padding)] * len(net.size), (0, 0)]

    def log_density(x):
        h = tf.cast(x, dtype)
        for kernel, (_, _, stride) in zip(kernels, net.layers):
            h = tf.nn.convolution(tf.pad(h, zeros), tf.cast(kernel, dtype), stride, "VALID")
            h = tf.nn.relu(h)
        f = tf.reduce_sum(tf.cast(h, tf.float32), axes)
        return f - tf.reduce_sum(x * x, axes) / 2

    kernel = tfp.mcmc.UncalibratedLangevin(log_density, step_size=STEP_SIZE**2 / 2)

    @tf.function
    def loop(x):
        return tfp.mcmc.sample_chain(
            1, x, kernel=kernel, num_burnin_steps=steps - 1, trace_fn=None, seed=1
        )

    x = tf.zeros((chains, *net.size, net.channels))
    return best_rate(lambda: loop(x).numpy(), chains * steps, seconds)


def torch_variant(variant):
    def measure(net, precision, chains, steps, seconds):
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        rank = len(net.size)
        last = {2: torch.channels_last, 3: torch.channels_last_3d}  # one axis has no such layout
        layout = torch.contiguous_format
        if variant != "eager":
            layout = last.get(rank, layout)
        convolution = (torch.conv1d, torch.conv2d, torch.conv3d)[rank - 1]
        kernels = [
            (torch.randn(filters, channels, *kernel) * 0.01).to(memory_format=layout)
            for (filters, kernel, _), channels in zip(net.layers, net.inputs())
        ]

        def score(h):
            for kernel, (_, _, stride) in zip(kernels, net.layers):
                h = torch.relu(convolution(h, kernel, stride=stride, padding=net.padding))
            return h

        def step(x):
            x = x.detach().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                f = score(x).float().sum()
            (b,) = torch.autograd.grad(f, x)
            with torch.no_grad():
                return x + STEP_SIZE**2 / 2 * (b - x) + STEP_SIZE * torch.randn_like(x)

        one = torch.compile(step) if variant == "compiled" else step
        x = torch.zeros(chains, net.channels, *net.size).to(memory_format=layout)

        def run():
            y = x
            for _ in range(steps):
                y = one(y)
            return y.numpy()

        return best_rate(run, chains * steps, seconds)

    return measure


def peak(precision, seconds):
    """Operations per second of a matrix product, by the better of the libraries that are here."""
    import tensorflow as tf

    side = 3072
    a = tf.cast(tf.random.normal((side, side)), precision)
    product = tf.function(lambda: tf.reduce_sum(tf.cast(tf.matmul(a, a), tf.float32)))
    rates = [best_rate(lambda: product().numpy(), 2 * side**3, seconds)]
    if importlib.util.find_spec("torch"):
        import torch

        b = torch.randn(side, side).to(getattr(torch, precision))
        rates.append(best_rate(lambda: b @ b, 2 * side**3, seconds))
    return max(rates)


PEERS = {
    "genconv_tf": ("tensorflow", ours),
    "with TensorFlow's gradient": ("tensorflow", ours_plainly),
    "TFP UncalibratedLangevin": ("tensorflow_probability", probability),
    "PyTorch eager": ("torch", torch_variant("eager")),
    "PyTorch channels-last": ("torch", torch_variant("channels-last")),
    "PyTorch compiled": ("torch", torch_variant("compiled")),
}


def measure_alone(net, name, precision, chains, seconds):
    """One variant in a process of its own, so that no peer's threads or memory burden another."""
    words = ["--net", net, "--one", name, precision, str(chains), "--seconds", str(seconds)]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["?"])[-1][:120]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def one(net, name, precision, chains, seconds):
    steps = max(2, 20 // chains)
    rate = PEERS[name][1](NETS[net], precision, chains, steps, seconds)
    print(json.dumps({"rate": rate, "memory": peak_gib()}))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--net", choices=NETS, default="texture")
    options.add_argument("--chains", type=int, nargs="+", default=[1, 4, 16])
    options.add_argument("--seconds", type=float, default=4.0, help="for each measurement")
    options.add_argument("--precision", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    options.add_argument("--json", help="write the figures there as well")
    options.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.one:
        name, precision, chains = options.one
        one(options.net, name, precision, int(chains), options.seconds)
        return
    result = {}
    for precision in options.precision:
        top = peak(precision, options.seconds)
        print(f"\n{precision}: matrix product {top / 1e9:.0f} GFLOP/s")
        print(f"{'':27}{'chains':>7}{'image-steps/s':>15}{'of peak':>9}{'GiB':>6}")
        result[precision] = {"peak": top}
        for name, (module, _) in PEERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"{name:27}skipped: {module} is not installed")
                continue
            for chains in options.chains:
                figures = measure_alone(options.net, name, precision, chains, options.seconds)
                result[precision].setdefault(name, {})[chains] = figures
                if "error" in figures:
                    print(f"{name:27}{chains:7}  failed: {figures['error']}")
                    continue
                share = figures["rate"] * NETS[options.net].flops_per_step() / top
                print(f"{name:27}{chains:7}{figures['rate']:15.1f}{share:9.0%}"
                      f"{figures['memory']:6.1f}", flush=True)  # fmt: skip
        summarise(result[precision], options.chains)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)


def summarise(figures, counts):
    for chains in counts:
        rates = {
            name: by[chains]["rate"] for name, by in figures.items()
            if isinstance(by, dict) and "rate" in by.get(chains, {})
        }  # fmt: skip
        peers = {name: rate for name, rate in rates.items() if name.startswith("PyTorch")}
        if peers and "genconv_tf" in rates:
            best = max(peers, key=peers.get)
            ratio = rates["genconv_tf"] / peers[best]
            print(f"{chains} chains: {ratio:.2f} times the fastest PyTorch variant ({best})")


if __name__ == "__main__":
    main()
