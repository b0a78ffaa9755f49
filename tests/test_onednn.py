"""oneDNN is asked for where it is faster, and never against the user or too late."""

import os
import subprocess
import sys

import pytest

from genconv_tf import onednn
from genconv_tf.cli.main import main


@pytest.fixture
def environment(monkeypatch):
    """An environment of its own, before TensorFlow is imported."""
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    return os.environ


@pytest.mark.parametrize("wanted, expected", [(False, None), (True, "1")])
def test_it_is_asked_for_where_it_is_wanted(environment, wanted, expected):
    onednn.prefer(wanted)
    assert environment.get(onednn.SWITCH) == expected


def test_the_user_decides(environment):
    environment[onednn.SWITCH] = "0"
    onednn.prefer()
    assert environment[onednn.SWITCH] == "0"


def test_once_tensorflow_is_there_it_is_too_late(environment, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    onednn.prefer()
    assert onednn.SWITCH not in environment


RECIPES = [
    (["video-scene"], "1"),
    (["texture"], "None"),
    (["faces"], "1"),
    (["faces", "--set", "recipe.onednn=false"], "None"),
    (["texture", "--set", "model.rank=3", "--set", 'data.kind="video"'], "1"),
]
# Ends where TensorFlow is imported, which is when it looks at the switch.
PROGRAM = """
import os, sys

class TensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            print(os.environ.get({switch!r}))
            raise SystemExit(9)

sys.meta_path.insert(0, TensorFlow())
from genconv_tf.cli.main import main
main({told})
"""


@pytest.mark.parametrize("words, expected", RECIPES)
def test_the_commands_look_at_the_recipe_before_tensorflow_is_imported(words, expected, tmp_path):
    recipe, *more = words
    told = ["train", recipe, "missing", "--output", str(tmp_path / "run"), *more]
    program = PROGRAM.format(switch=onednn.SWITCH, told=told)
    outside = {k: v for k, v in os.environ.items() if k != onednn.SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", program], env=outside, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()) == (9, [expected]), done.stderr


def test_a_word_that_is_neither_yes_nor_no_is_refused(capsys):
    words = ["train", "faces", "missing", "--output", "run", "--set", "recipe.onednn=off"]
    assert main(words) == 2
    assert capsys.readouterr().err.endswith("to be true or false. Received: 'off'\n")


def test_an_unknown_recipe_is_named_as_before(capsys):
    assert main(["train", "textur", "missing", "--output", "run"]) == 2
    assert "texture" in capsys.readouterr().err
