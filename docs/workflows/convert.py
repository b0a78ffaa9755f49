"""The scoring function as ONNX and as LiteRT, run without TensorFlow.

`genconv export MODEL --format onnx` and `--format litert` write the scoring function alone, for
ONNX Runtime, phones and browsers; sampling needs the SavedModel, whose loop of gradients the
converters do not know. Here both are written and their scores compared with those of Keras.

    pip install 'genconv-tf[convert]'
    python docs/workflows/convert.py --output converted
"""

import argparse
import json
import pathlib

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

import genconv_tf as gct

options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
options.add_argument("--output", required=True, metavar="DIR")
options.add_argument("--preset", default="texture-brick")
options.add_argument("--quick", action="store_true", help="a small size")
options = options.parse_args()
output = pathlib.Path(options.output)

# ## Convert
#
# Of one size, which is that of x; batches may be of any size.

model = gct.GenerativeConvNet.from_preset(options.preset).twin(precision="float32")
size = 32 if options.quick and model.rank == 2 else None
gct.convert.to_onnx(model, output / "f.onnx", size, replace=True)
gct.convert.to_litert(model, output / "f.tflite", size, replace=True)

# ## Run
#
# x is preprocessed media. The ONNX file says in its own metadata what was taken off and divided by.

session = onnxruntime.InferenceSession(output / "f.onnx")
interpreter = Interpreter(str(output / "f.tflite"))
meta = json.loads(session.get_modelmeta().custom_metadata_map["genconv_tf"])
print("preprocessing:", meta["preprocessing"])

samples = model.sample(3, size=size or model.media_size, seed=7, steps=2)
x = model.preprocessing.encode(samples).numpy()
scores = {
    "keras": model.score(x).numpy(),
    "onnx": session.run(["score"], {"x": x})[0],
    "litert": interpreter.get_signature_runner("score")(x=x)["score"],
}

# ## Compare
#
# All are sums of as many float32 in other orders.

for name, values in scores.items():
    error = np.abs(values / scores["keras"] - 1).max()
    print(f"{name:7} {values}  largest relative difference {error:.1e}")
    if error > 1e-5:
        raise SystemExit(f"{name} gives other scores than Keras")
