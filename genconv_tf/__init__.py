"""Generative ConvNets: energy-based Keras models of textures, objects, videos and sounds.

TensorFlow is imported when something that needs it is first used, not with the package.
"""

import importlib

__version__ = "0.1.0"

_PLACES = {
    "GenerativeConvNet": "genconv_tf.model",
    "ScoringNetwork": "genconv_tf.network",
    "Layer": "genconv_tf.network",
    "Reference": "genconv_tf.energy",
    "Sampler": "genconv_tf.sampler",
    "Learning": "genconv_tf.learning",
    "Preprocessing": "genconv_tf.data",
    "langevin": None,
    "log_partition": "genconv_tf.partition",
    "from_classifier": "genconv_tf.classifiers",
    "to_classifier": "genconv_tf.classifiers",
    "Detector": "genconv_tf.detection",
    "blend": "genconv_tf.blending",
    "pursue": "genconv_tf.pursuit",
    "diagnose": "genconv_tf.diagnostics",
    "list_presets": "genconv_tf.catalogue",
    "data": None,
    "callbacks": None,
    "evaluation": None,
    "structure": None,
    "features": None,
    "inversion": None,
    "julesz": None,
    "atlas": None,
    "convert": None,
    "recipes": None,
    "presets": None,
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name):
    if name not in _PLACES:
        raise AttributeError(f"module 'genconv_tf' has no attribute {name!r}")
    place = _PLACES[name]
    if place is None:
        return importlib.import_module(f"genconv_tf.{name}")
    value = getattr(importlib.import_module(place), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
