"""`genconv list`: recipes and presets, without TensorFlow."""

import json
import tomllib

from genconv_tf.resources import resource


def run(options):
    recipes = {
        path.stem: tomllib.loads(path.read_text()).get("recipe", {})
        for path in sorted(resource("models").glob("*.toml"))
    }
    presets = {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(resource("saved_models").glob("*/metadata.json"))
    }
    if options.json:
        print(json.dumps({"recipes": recipes, "presets": presets}, indent=1))
        return
    print("Recipes (genconv train RECIPE INPUT... --output DIR)")
    for name, about in recipes.items():
        print(f"  {name:16} {about.get('summary', '')}")
    print("Presets (genconv sample PRESET --output DIR)")
    for name, about in presets.items():
        print(f"  {name:16} {about.get('summary', '')}")
