"""Learning on several devices: `tf.distribute` as a user would set it up."""

import subprocess
import sys

PROGRAM = """
import tempfile
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from genconv_tf import GenerativeConvNet
from genconv_tf.export import ExportedModel

def learn(strategy):
    with strategy.scope():
        layers = [{"filters": 8, "kernel": 5, "stride": 2}, {"filters": 6, "kernel": 3}]
        learning = {"rejuvenation": 0.5, "optimizer": {"name": "sgd", "learning_rate": 1e-3},
                    "overshoot_penalty": 1.0}
        model = GenerativeConvNet(layers, size=32, levels=2, learning=learning,
                                  sampler={"steps": 3, "start_std": 20.0, "calibrated": True})
        model.compile()
        model.build_chains((32, 32))
        model.optimizer.build(model.trainable_variables)
    one = np.random.default_rng(0).normal(0, 20, (1, 32, 32, 3)).astype("float32")
    rows = np.repeat(one, strategy.num_replicas_in_sync, 0)
    model.fit(tf.data.Dataset.from_tensors(rows).repeat(), steps_per_epoch=2, verbose=0)
    return model, strategy.experimental_local_results

one, _ = learn(tf.distribute.get_strategy())
model, local = learn(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
chains = [c.numpy() for c in local(model.chains.states[-1])]
assert len(chains) == 2 and np.abs(chains[0] - chains[1]).max() > 1, "the same chain twice"
for weight in model.trainable_variables:
    a, b = (w.numpy() for w in local(weight.value))
    np.testing.assert_array_equal(a, b)
# Gradients are averaged, not added: two replicas move the weights about as far as one.
fresh = type(one)(**one.get_config()).get_weights()
far = [np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(m.get_weights(), fresh)))
       for m in (one, model)]
assert 0.6 < far[1] / far[0] < 1.4, far

with tempfile.TemporaryDirectory() as folder:
    model.export(folder + "/replicas/1")
    loaded = ExportedModel(folder + "/replicas/1")
    np.testing.assert_array_equal(loaded.sample(seed=3), model.sample(seed=3))
"""


def test_two_replicas_run_chains_of_their_own_share_weights_and_export_what_they_sample():
    done = subprocess.run([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
