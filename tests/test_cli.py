"""The command line as a user meets it: results, one-line errors, exit status 2."""

import contextlib
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from genconv_tf.cli.main import main
from genconv_tf.export import ExportedModel


@pytest.fixture(scope="module")
def run_folder(recipe, picture, tmp_path_factory):
    """A learned model, by the command."""
    folder = tmp_path_factory.mktemp("learned") / "run"
    command = ["train", str(recipe), str(picture), "--output", str(folder), "--size", "32"]
    assert main([*command, "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(run_folder, tmp_path_factory):
    """Its SavedModel, by the command."""
    folder = tmp_path_factory.mktemp("models") / "quick" / "1"
    assert main(["export", str(run_folder), "--output", str(folder)]) == 0
    return folder


def test_train_export_sample_and_evaluate(run_folder, exported, tmp_path, capsys):
    samples = tmp_path / "samples"
    shape = ["--num", "2", "--size", "220x230", "--seed", "3"]
    assert main(["sample", str(run_folder), "--output", str(samples), *shape]) == 0
    assert main(["sample", str(exported), "--output", str(tmp_path / "alone"), *shape]) == 0
    for i in range(2):
        one = np.asarray(Image.open(samples / f"sample_3_{i}.png"))
        assert one.shape == (220, 230, 3)
        np.testing.assert_array_equal(one, Image.open(tmp_path / "alone" / f"sample_3_{i}.png"))
    one, other = (str(samples / f"sample_3_{i}.png") for i in range(2))
    figures = tmp_path / "figures.json"
    capsys.readouterr()
    assert main(["evaluate", one, other, "--json", str(figures)]) == 0
    assert "patch_swd" in capsys.readouterr().out
    assert set(json.loads(figures.read_text())) == {
        "random_gram",
        "patch_swd",
        "spectrum",
        "copy_ncc",
    }


def test_samples_are_written_as_they_are_made(exported, tmp_path, monkeypatch):
    """The third is interrupted; those before it are what they would have been."""
    folder, words = tmp_path / "out", ["sample", str(exported), "--num", "3", "--size", "32"]
    assert main([*words, "--output", str(tmp_path / "whole")]) == 0
    draw = ExportedModel.sample

    def interrupted(self, *args, first=0, **how):
        if first == 2:
            raise KeyboardInterrupt
        return draw(self, *args, first=first, **how)

    monkeypatch.setattr(ExportedModel, "sample", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        main([*words, "--output", str(folder)])
    assert sorted(path.name for path in folder.iterdir()) == ["sample_0_0.png", "sample_0_1.png"]
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()


def test_a_chain_is_watched_from_the_command_line(run_folder, exported, tmp_path, capsys):
    for model, name in ((run_folder / "preset", "a"), (exported, "b")):
        words = ["sample", str(model), "--output", str(tmp_path / name), "--size", "32"]
        assert main([*words, "--watch", "4"]) == 0
    with Image.open(tmp_path / "a" / "chain_0.gif") as chain:
        assert chain.n_frames == 4 and chain.size == (32, 32)
    contents = [(tmp_path / name / "chain_0.gif").read_bytes() for name in ("a", "b")]
    assert contents[0] == contents[1]
    assert main([*words, "--watch", "4", "--image", "x.png"]) == 2
    assert "--watch" in capsys.readouterr().err


def test_recovery_from_the_command_line(run_folder, picture, tmp_path):
    image = np.asarray(Image.open(picture))
    hole = np.zeros(image.shape[:2], np.uint8)
    hole[10:20, 10:20] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    words = ["--image", str(picture), "--mask", str(tmp_path / "mask.png"), "--num", "1"]
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "out"), *words]) == 0
    received = np.asarray(Image.open(tmp_path / "out" / "sample_0_0.png"))
    np.testing.assert_array_equal(received[hole == 0], image[hole == 0])
    assert not np.array_equal(received[hole > 0], image[hole > 0])
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "four"), *words[:4],
                 "--num", "4"]) == 0  # fmt: skip
    each = [np.asarray(Image.open(path)) for path in (tmp_path / "four").glob("sample_*.png")]
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "mean"), *words,
                 "--mean", "4"]) == 0  # fmt: skip
    mean = np.asarray(Image.open(tmp_path / "mean" / "sample_0_0.png"))
    assert len(each) == 4 and np.abs(mean - np.mean(each, 0)).max() <= 0.5


def test_variations_and_blends_from_the_command_line(run_folder, picture, tmp_path, capsys):
    words = ["--image", str(picture), "--variation", "0.5", "--num", "2", "--seed", "5"]
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "near"), *words]) == 0
    near = [np.asarray(Image.open(tmp_path / "near" / f"sample_5_{i}.png")) for i in range(2)]
    image = np.asarray(Image.open(picture))
    assert near[0].shape == image.shape and not np.array_equal(*near)
    assert not np.array_equal(near[0], image)
    guide = Image.new("L", (8, 8))
    guide.paste(255, (4, 0, 8, 8))
    guide.save(tmp_path / "guide.png")
    model, shape = str(run_folder), ["--size", "24x32", "--num", "1"]
    blend = ["blend", model, model, "--output", str(tmp_path / "both"), *shape]
    assert main([*blend, "--guide", str(tmp_path / "guide.png")]) == 0
    assert main(["sample", model, "--output", str(tmp_path / "one"), *shape]) == 0
    one, both = (np.asarray(Image.open(tmp_path / name / "sample_0_0.png")).astype(int)
                 for name in ("one", "both"))  # fmt: skip
    assert np.abs(both - one).max() <= 1  # a model blended with itself
    capsys.readouterr()
    assert main([*blend, "--weights", "0.5"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("fill", "message"), [
    (0, "white pixels to sample"), (255, "black pixels, which are kept"), (128, "black and white"),
])  # fmt: skip
def test_masks_that_tell_nothing_are_refused(fill, message, run_folder, picture, tmp_path, capsys):
    with Image.open(picture) as image:
        size = image.size
    Image.new("L", size, fill).save(tmp_path / "mask.png")
    words = ["--image", str(picture), "--mask", str(tmp_path / "mask.png")]
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    Image.new("L", (size[0] + 1, size[1])).save(tmp_path / "mask.png")
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "out"), *words]) == 2
    assert "a mask of the image's size" in capsys.readouterr().err


def test_list_shows_recipes_and_presets(capsys):
    assert main(["list"]) == 0
    rows = {row[0]: row[1:] for row in map(str.split, capsys.readouterr().out.splitlines())}
    assert rows["texture-paper"][:2] == ["image", "hours"]
    assert rows["sound"][0] == "sound" and int(rows["sound"][1]) > 0
    assert main(["list", "--json"]) == 0
    recipes = json.loads(capsys.readouterr().out)["recipes"]
    assert recipes["video"]["kind"] == "video" and recipes["texture"]["minutes"] > 0


def test_help_and_list_do_not_import_tensorflow():
    program = (
        "import sys; from genconv_tf.cli.main import main; main(['list']); main([]);"
        "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "words, message",
    [
        ("train texture missing.png --output out", "nothing there"),
        ("train texture {text} --output out", "not an image"),
        ("train texture {half} --output out", "Expected a whole image"),
        ("train texture {picture} {half} --output out --size 40", ": Expected a whole image"),
        ("train texture {picture} --output out --set model.rank=4", "Expected a kind of data"),
        ("train textures {picture} --output out", "did you mean texture"),
        ("train texture {picture} --output out --set learning.chain=2", "did you mean chains"),
        ("train texture {picture} --output out --set learning.chains=0", "at least one chain"),
        ("train texture {picture} --output out --set sampler.steps=-1", "Expected steps >= 1"),
        ("train texture {picture} --output out --updates 0", "expected a whole number >= 1"),
        ("train texture {picture} --output out --size 0", "expected a size"),
        ("train texture {picture} --output out --size 8", "receptive field"),
        ("train texture {picture} --output {folder}", "new or empty output folder"),
        ("train texture {picture} --output out --resume", "interrupted training"),
        ("sample nothing --output out", "Expected a preset folder or one of"),
        ("sample nothing --output out --num 0", "expected a whole number >= 1"),
        ("sample nothing --output out --steps 3000000000", "whole number <= 2147483647"),
        ("sample nothing --output out --size 3000000000x64", "expected a size"),
        (
            "pursue frame-pursuit {picture} --filters 2 --output out --shift 2",
            "--shift with --method matching",
        ),
        ("sample texture-brick --output out --mask {picture}", "--image with --mask"),
        ("sample texture-brick --output out --variation 0.5", "--image with --variation"),
        ("sample nothing --output out --image {picture} --variation 1.5", "at most 1, not '1.5'"),
        ("train texture {picture} --output out --split test", "--split of an input tfds:NAME"),
        ("train texture tfds:nothing_such --output out", "a dataset of TFDS that can be made"),
        ("train sound tfds:sound_textures/manual --output out", "Received: sound_textures/manual"),
        ("blend nothing else --output out", "Expected a preset folder or one of"),
        ("blend texture-brick --output out --guide missing.png", "no such file"),
        ("blend texture-brick --output out --weights 1 --guide {picture}", "not allowed with"),
        ("evaluate {picture} {picture}", "an RGB exemplar of at least 214x214"),
        ("evaluate {picture} missing.png", "no such file"),
        ("evaluate rain.wav rain.wav --vgg vgg.npz", "Expected --vgg with images or videos"),
        ("dance", "invalid choice: 'dance'"),
    ],
)
def test_a_mistake_is_answered_in_one_line(words, message, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "half.png").write_bytes(picture.read_bytes()[:700])
    names = {"picture": picture, "folder": tmp_path, "text": "text.png", "half": "half.png"}
    try:
        status = main(words.format(**names).split())
    except SystemExit as stop:  # argparse's own way
        status = stop.code
    line = capsys.readouterr().err
    assert status == 2
    assert line.startswith("genconv: ") and line.count("\n") == 1 and message in line
    assert not (tmp_path / "out").exists()


def test_a_mistake_is_one_line_in_a_terminal_too(tmp_path):
    """Of the whole process: TensorFlow's own words included."""
    (tmp_path / "text.png").write_text("no picture")
    command = [sys.executable, "-m", "genconv_tf.cli.main", "train", "texture", "text.png"]
    done = subprocess.run(
        [*command, "--output", "out"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "not an image" in done.stderr and done.stderr.count("\n") == 1


def test_a_model_that_is_not_there_is_told_before_tensorflow_is_imported(tmp_path):
    program = (
        "import sys; from genconv_tf.cli.main import main;"
        "status = main(['sample', 'nothing', '--output', 'out']);"
        "sys.exit(status if 'tensorflow' not in sys.modules else 1)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("genconv: Expected a preset")


def test_a_full_disk_is_answered_in_one_line(run_folder, tmp_path, monkeypatch, capsys):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(Image.Image, "save", full)
    capsys.readouterr()
    assert main(["sample", str(run_folder), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("genconv: No space left on device")
