"""`genconv export`: a preset to a SavedModel."""

from genconv_tf import GenerativeConvNet


def run(options):
    GenerativeConvNet.from_preset(options.model).export(options.output, precision=options.precision)
    print(f"Wrote a SavedModel to {options.output}")
