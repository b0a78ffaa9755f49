"""Whether what a FRAME model has learned is a maximum of the entropy: its fresh chains have the
statistics that were observed (FRAME eq. 28 to 30)."""

import numpy as np
import tensorflow as tf

from genconv_tf import files, noise, pyramid, statistics


def table(folder, model, data, num, seed):
    """Write statistics.json, the relative error of every filter and what of it may be chance, and
    return lines of a table.

    Args:
        model: one whose scoring functions are linear in what is learned.
        data: `(batch, *size, channels)` that it learned from.
        num, seed: of the fresh chains that are compared.
    """
    observed = statistics.observe(model, data)
    generate = tf.function(pyramid.generate_levels, autograph=False)
    size = tf.constant(observed[-1].size)
    samples = generate(model.levels, noise.row_seeds(seed, num), size, model.channels)
    rows = []
    for number, (level, seen, x) in enumerate(zip(model.levels, observed, samples), start=1):
        layers = zip(layer_names(level.network), *statistics.relative_errors(level, seen, x))
        for name, errors, chance in layers:
            row = {"level": number, "layer": name, "relative_errors": errors.round(4).tolist()}
            rows.append(row | {"chance": chance.round(4).tolist()})
    files.write_json(folder / "statistics.json", rows)
    lines = [
        f"Relative error, filter by filter, of the statistics of {num} fresh chains, and what it "
        "would be by chance if all were matched; all of them are in statistics.json:",
        "",
        "| level | layer | filters | median | 90% are below | by chance, median |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        half, most = np.quantile(row["relative_errors"], [0.5, 0.9])
        chance = f"{np.median(row['chance']):.3f}" if num > 1 else ""
        where = f"{row['level']} | {row['layer']} | {len(row['relative_errors'])}"
        lines.append(f"| {where} | {half:.3f} | {most:.3f} | {chance} |")
    return [*lines, ""]


def layer_names(network):
    """What the layers of a bank are called that the learned ones stand on."""
    config = network.bank.config
    if "layers" in config:
        return config["layers"]
    fields = [network.fields[tap].extent for tap in network.bank.taps]
    return [f"{config['filters']}, {'x'.join(map(str, field))}" for field in fields]
