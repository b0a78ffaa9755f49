"""`genconv list`: recipes and presets, without TensorFlow."""

import fnmatch
import json
import tomllib

from genconv_tf.catalogue import list_presets
from genconv_tf.kinds import KINDS
from genconv_tf.resources import resource


def run(options):
    recipes = list_recipes(options.pattern)
    presets = list_presets(options.pattern, options.remote)
    if options.json:
        print(json.dumps({"recipes": recipes, "presets": presets}, indent=1))
        return
    if not recipes and not presets:
        print(f"No recipe and no preset is called {options.pattern}")
    if recipes:
        print("Recipes (genconv train RECIPE INPUT... --output DIR), minutes on two cores")
    width = max(map(len, recipes), default=0)
    for name, about in recipes.items():
        kind, minutes = about["kind"], about.get("minutes", "hours")
        print(f"  {name:{width}}  {kind:5}  {minutes:>5}  {about.get('summary', '')}".rstrip())
    if presets:
        print("Presets (genconv sample PRESET --output DIR)")
    width = max(map(len, presets), default=0)
    for name, about in presets.items():
        kind, size, needs = about["kind"] or "?", _size(about["bytes"]), _needs(about)
        words = f"{about['licence'] or '?':13}  {about['summary'] or ''}{needs}"
        print(f"  {name:{width}}  {kind:5}  {size:>8}  {about['where']:7}  {words}".rstrip())


def list_recipes(pattern="*"):
    """What each recipe whose name matches says of itself, and the kind of its data: a dict. Those
    that take hours, as papers have them, say no `minutes`."""
    result = {}
    for path in sorted(resource("models").glob("*.toml"), key=lambda path: path.stem):
        if fnmatch.fnmatch(path.stem, pattern):
            content = tomllib.loads(path.read_text())
            kind = KINDS[content["model"].get("rank", 2)]
            result[path.stem] = {"kind": kind, **content.get("recipe", {})}
    return result


def _needs(about):
    return f" (needs {about['needs']})" if about["needs"] else ""


def _size(count):
    return "?" if count is None else f"{count / 1e6:.1f} MB"
