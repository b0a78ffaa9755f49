"""`genconv export`: a preset to a SavedModel."""

from genconv_tf import GenerativeConvNet, presets


def run(options):
    model = GenerativeConvNet.from_preset(options.model)
    facts = presets.facts(options.model)
    model.export(options.output, precision=options.precision, **facts)
    print(f"Wrote a SavedModel to {options.output}")
