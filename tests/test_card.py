"""Model cards, read by a YAML parser and against the files beside them."""

import hashlib
import json
import re

import pytest
import yaml

from genconv_tf import card, presets
from genconv_tf.resources import resource

PUBLISHED = resource("saved_models")
CARDS = sorted(p.relative_to(PUBLISHED).as_posix() for p in PUBLISHED.rglob("README.md"))
# Of the Hugging Face Hub's lists of licences and tasks.
LICENCES = {"cc0-1.0", "other", "unknown"}
TASKS = {"unconditional-image-generation", "other"}


def front(text):
    """Front matter and body, as readers of cards split them."""
    _, matter, body = re.split(r"^---$\n?", text, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(matter), body


@pytest.mark.parametrize("name", CARDS)
def test_published_cards_say_all_and_say_it_true(name):
    path = PUBLISHED / name
    matter, body = front(path.read_text())
    assert matter["license"] in LICENCES - {"unknown"} and matter["pipeline_tag"] in TASKS
    assert matter["library_name"] == "genconv_tf" and "keras" in matter["tags"]
    assert all(isinstance(tag, str) for tag in matter["tags"])
    exported = path.parent.name == "assets.extra"
    top = path.parents[1] if exported else path.parent
    for shown in re.findall(r"\]\(([^)]+)\)", body):
        assert (path.parent / shown).is_file(), shown
    assert exported or {"![exemplar](exemplar.png)", "![samples](samples.png)"} <= {
        *body.split("\n")
    }
    ((weights, digest),) = re.findall(r"SHA-256 of (\S+): `([0-9a-f]{64})`", body)
    assert hashlib.sha256((top / weights).read_bytes()).hexdigest() == digest
    for part in ("\n- recipe: ", "\n- learning: updates", "\n- sampling: start", "\n- licence: ",
                 "| measure | value | ratio |", "\n- source: ", "\n- command: "):  # fmt: skip
        assert part in body, part


@pytest.mark.parametrize(("licence", "expected"), [
    ("CC0-1.0", {"license": "cc0-1.0"}),
    (None, {"license": "unknown"}),
    ("Unsplash", {"license": "other", "license_name": "unsplash",
                  "license_link": "https://unsplash.com/license"}),
    ("public domain", {"license": "other", "license_name": "public-domain",
                       "license_link": "https://creativecommons.org/publicdomain/mark/1.0/"}),
    ("mine: #1 'yes'\n---", {"license": "other", "license_name": "mine-1-yes"}),
    ("1.0", {"license": "other", "license_name": "1.0"}),
])  # fmt: skip
def test_any_licence_makes_valid_front_matter(licence, expected):
    matter, _ = front("\n".join(card.front_matter({"rank": 2, "licence": licence})) + "\n")
    assert {key: matter.get(key) for key in expected} == expected
    assert set(matter) == {"library_name", "pipeline_tag", "tags", *expected}


def test_cards_are_rendered_anew_from_metadata_alone(small, tmp_path, photograph):
    folder = tmp_path / "texture"
    small.save_to_preset(folder, exemplar=photograph, samples=photograph[None], licence="MIT")
    written = (folder / "README.md").read_text()
    meta = json.loads((folder / "metadata.json").read_text())
    (folder / "README.md").write_text("an older card")
    extra = folder / "1" / "assets.extra"
    extra.mkdir(parents=True)
    own = {**meta, "sha256": {"saved_model.pb": "0" * 64}}
    del own["licence"]
    (extra / "metadata.json").write_text(json.dumps(own))
    presets.write_card(folder)
    assert (folder / "README.md").read_text() == written
    matter, body = front((extra / "README.md").read_text())
    assert matter["license"] == "mit" and "tf.saved_model.load" in body and "png" not in body
