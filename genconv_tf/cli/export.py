"""`genconv export`: a preset to a SavedModel, or its scoring function to ONNX or LiteRT."""

from genconv_tf import GenerativeConvNet, convert, presets

WHAT = {"saved_model": "a SavedModel", "onnx": "ONNX", "litert": "LiteRT"}


def run(options):
    written = options.format
    if written == "saved_model" and options.size is not None:
        raise ValueError("Expected no --size of a SavedModel, which takes any. Received: --size")
    if written != "saved_model" and options.precision != "float32":
        raise ValueError(f"Expected {WHAT[written]} in float32. Received: {options.precision}")
    model = GenerativeConvNet.from_preset(options.model)
    if written == "saved_model":
        facts = presets.facts(options.model)
        model.export(options.output, precision=options.precision, **facts)
    else:
        to = {"onnx": convert.to_onnx, "litert": convert.to_litert}[written]
        to(model, options.output, options.size)
    print(f"Wrote {WHAT[written]} to {options.output}")
