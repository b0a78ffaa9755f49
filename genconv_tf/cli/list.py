"""`genconv list`: recipes and presets, without TensorFlow."""

import fnmatch
import json
import tomllib

from genconv_tf.catalogue import list_presets
from genconv_tf.resources import resource


def run(options):
    recipes = {
        path.stem: tomllib.loads(path.read_text()).get("recipe", {})
        for path in sorted(resource("models").glob("*.toml"))
        if fnmatch.fnmatch(path.stem, options.pattern)
    }
    presets = list_presets(options.pattern, options.remote)
    if options.json:
        print(json.dumps({"recipes": recipes, "presets": presets}, indent=1))
        return
    if not recipes and not presets:
        print(f"No recipe and no preset is called {options.pattern}")
    if recipes:
        print("Recipes (genconv train RECIPE INPUT... --output DIR)")
    for name, about in recipes.items():
        print(f"  {name:16} {about.get('summary', '')}")
    if presets:
        print("Presets (genconv sample PRESET --output DIR)")
    width = max(map(len, presets), default=0)
    for name, about in presets.items():
        kind, size, needs = about["kind"] or "?", _size(about["bytes"]), _needs(about)
        words = f"{about['licence'] or '?':13}  {about['summary'] or ''}{needs}"
        print(f"  {name:{width}}  {kind:5}  {size:>8}  {about['where']:7}  {words}".rstrip())


def _needs(about):
    return f" (needs {about['needs']})" if about["needs"] else ""


def _size(count):
    return "?" if count is None else f"{count / 1e6:.1f} MB"
