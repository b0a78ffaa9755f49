"""Recipes: one TOML file per published model or experiment, with everything but the data."""

import dataclasses
import os
import pathlib
import re
import tomllib

from genconv_tf.guess import did_you_mean
from genconv_tf.resources import resource

# The sections of a recipe and what each may hold besides the fields of the class it configures.
_SECTIONS = ("recipe", "data", "model", "reference", "sampler", "learning")
_RECIPE_KEYS = {"name", "summary", "paper", "minutes", "input", "onednn"}
_DATA_KEYS = {"kind", "size", "crop", "mean", "batch", "frames", "start", "stride", "rate",
              "seconds", "scale", "colours", "subbands", "region"}  # fmt: skip
_MODEL_KEYS = {"layers", "rank", "channels", "levels", "factor", "boundary", "weight_init",
               "weight_scale", "bank", "precision", "size", "seed"}  # fmt: skip
# How a list, a table, text in quotes or a number begins, and a bare word does not.
_MEANT_AS_TOML = re.compile(r"""[\[{"'+-]|\.?\d""")


def names():
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in resource("models").glob("*.toml"))


def load(recipe, changes=None):
    """Read a recipe, apply changes, and check every key.

    Args:
        recipe: a name or the path of a TOML file.
        changes: `{"section.key": value}`.

    Returns:
        dict of sections.

    Raises:
        ValueError: unknown recipe, section or key.
    """
    content = _read(recipe, changes)
    _check(content)
    return {section: content.get(section, {}) for section in _SECTIONS}


def wants_onednn(recipe, changes=None):
    """Whether oneDNN's convolutions are the faster ones where TensorFlow would not take them: the
    recipe's `onednn`, else whether there are three axes. The recipe is not checked, and TensorFlow
    not imported."""
    content = _read(recipe, changes)
    said = content.get("recipe", {}).get("onednn", content.get("model", {}).get("rank") == 3)
    if not isinstance(said, bool):
        raise ValueError(f"Expected recipe.onednn to be true or false. Received: {said!r}")
    return said


def model_config(recipe, data=None, changes=None):
    """Arguments of `GenerativeConvNet` from a recipe and the dataset it is to learn from."""
    content = load(recipe, changes)
    config = dict(content["model"])
    if "layers" not in config:
        raise ValueError(f"Expected model.layers in the recipe. Received: {sorted(config)}")
    _check_layers(config["layers"])
    for part in ("reference", "sampler", "learning"):
        config[part] = content[part]
    if data is not None:
        preprocessing = getattr(data, "preprocessing", None)
        if preprocessing is not None:
            config["preprocessing"] = dataclasses.asdict(preprocessing)
        config.setdefault("channels", data.element_spec.shape[-1])
        size = data.element_spec.shape[1:-1]
        if "size" not in config and None not in tuple(size):
            config["size"] = tuple(size)
    return config


def _check_layers(layers):
    """Refuse what is neither a list of tables nor one of such lists, one for each level."""
    for own in layers if isinstance(layers, list) else [None]:
        if not all(isinstance(one, dict) for one in (own if isinstance(own, list) else [own])):
            raise ValueError(f"Expected model.layers as a list of tables. Received: {layers!r}")


def parse_setting(text):
    """`"section.key=value"` to a pair; the value is TOML, or a bare word.

    Raises:
        ValueError: there is no key, or a value begins as a number, text in quotes, a list or a
            table of TOML do, and is none.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"Expected key=value. Received: {text!r}")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        word = value.strip()
        if _MEANT_AS_TOML.match(word):
            raise ValueError(f"Expected {key.strip()} in TOML, where numbers are as 8 or 0.5 and "
                             f"words are in quotes. Received: {word}") from None  # fmt: skip
        return key.strip(), word


def parse_settings(texts):
    """`{"section.key": value}` of several: `changes` of `load`."""
    return dict(map(parse_setting, texts))


def _read(recipe, changes):
    path = _find(recipe)
    try:
        content = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"Expected a TOML recipe. Received: {path} ({error})") from None
    for dotted, value in (changes or {}).items():
        *sections, key = dotted.split(".")
        if not sections or not key:
            raise ValueError(f"Expected a setting as section.key. Received: {dotted!r}")
        place = content
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ValueError(f"Expected a table of settings at {section}. Received: {place!r}")
        place[key] = value
    for section, values in content.items():
        if not isinstance(values, dict):
            raise ValueError(f"Expected a table of settings at {section}. Received: {values!r}")
    return content


def _find(recipe):
    path = pathlib.Path(recipe)
    if path.suffix == ".toml" or os.sep in str(recipe):
        if not path.is_file():
            raise ValueError(f"Expected a recipe file. Received: {recipe} (no such file)")
        return path
    if recipe not in names():
        raise ValueError(f"Expected a recipe of {names()}{did_you_mean(recipe, names())}. "
                         f"Received: {recipe!r}")  # fmt: skip
    return resource("models") / f"{recipe}.toml"


def _check(content):
    from genconv_tf.energy import Reference
    from genconv_tf.learning import Learning
    from genconv_tf.sampler import Sampler

    keys = {
        "recipe": _RECIPE_KEYS,
        "data": _DATA_KEYS,
        "model": _MODEL_KEYS,
        "reference": _fields(Reference),
        "sampler": _fields(Sampler),
        "learning": _fields(Learning),
    }
    for section, values in content.items():
        if section not in keys:
            raise ValueError(f"Expected a section of {_SECTIONS}"
                             f"{did_you_mean(section, _SECTIONS)}. "
                             f"Received: {section!r}")  # fmt: skip
        for key in values:
            if key not in keys[section]:
                raise ValueError(f"Expected a key of {section}: {sorted(keys[section])}"
                                 f"{did_you_mean(key, keys[section])}. "
                                 f"Received: {key!r}")  # fmt: skip


def _fields(kind):
    return {field.name for field in dataclasses.fields(kind)}
