"""Which models the server finds under which names, and in which SavedModels."""

import json
import shutil

import pytest

from genconv_tf.files import sha256
from genconv_tf.integrity import GRAPH, VARIABLES
from genconv_tf.metadata import about
from genconv_tf.serving import Refused, models
from genconv_tf.serving.runner import Runner


def test_one_damaged_model_does_not_fail_the_others_of_a_batch(backend, tmp_path):
    shutil.copytree(backend.folders["texture"], tmp_path / "damaged")
    (tmp_path / "damaged" / "model.weights.h5").write_bytes(b"no weights")
    runner = Runner({**backend.folders, "damaged": tmp_path / "damaged"})
    inputs = runner.sample_inputs((32, 32), 7, 1)
    good, bad = runner.samples([("texture", inputs), ("damaged", inputs)])
    assert good["media"].shape == (1, 32, 32, 3)
    assert isinstance(bad, Refused) and bad.status == 500 and "model.weights.h5" in str(bad)


def test_a_model_of_other_settings_is_exported_anew(folder, tmp_path, monkeypatch):
    """The same weights with another sampler are another model."""
    from genconv_tf import GenerativeConvNet

    monkeypatch.setenv("GENCONV_HOME", str(tmp_path / "home"))
    first = models.saved_model(folder)
    assert models.saved_model(folder) == first and (first / "saved_model.pb").is_file()
    model = GenerativeConvNet.from_preset(folder)
    sampler = {**model.get_config()["sampler"], "steps": 1}
    model.twin(sampler=sampler).save_to_preset(tmp_path / "texture")
    second = models.saved_model(tmp_path / "texture")
    assert second != first
    steps = [about(exported)["sampler"]["steps"] for exported in (first, second)]
    assert steps[1] == 1 != steps[0] and about(first)["name"] == "texture"
    monkeypatch.setattr(models, "_code", lambda: "of another day")
    assert models._place(folder) != first


def test_what_is_not_as_it_was_published_is_not_served(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "texture")
    meta = tmp_path / "texture" / "samples.png"
    meta.write_bytes(meta.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"samples\.png as published"):
        models.named([str(tmp_path / "texture")])
    (tmp_path / "texture" / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match=r"Expected metadata in JSON. Received: .*metadata.json"):
        models.named([str(tmp_path / "texture")])


def test_names_of_what_is_served(folder, tmp_path):
    for version in ("1", "12", "3"):
        exported = tmp_path / "exported" / version
        for name in ("variables", "assets.extra"):
            (exported / name).mkdir(parents=True)
        for name in (GRAPH, VARIABLES):
            (exported / name).touch()
        own = {**about(folder), "sha256": {n: sha256(exported / n) for n in (GRAPH, VARIABLES)}}
        (exported / "assets.extra" / "metadata.json").write_text(json.dumps(own))
    named = models.named([str(folder), f"mine={folder}", str(tmp_path / "exported")])
    assert named == {"texture": folder, "mine": folder, "exported": tmp_path / "exported" / "12"}
    assert models.saved_model(named["exported"]) == tmp_path / "exported" / "12"
    shutil.rmtree(tmp_path / "exported" / "12" / "assets.extra")
    with pytest.raises(ValueError, match="of genconv"):
        models.named([str(tmp_path / "exported")])
    with pytest.raises(ValueError, match="'texture' twice"):
        models.named([str(folder), f"texture={folder}"])
    with pytest.raises(ValueError, match="Expected a preset"):
        models.named([str(tmp_path / "nowhere")])
