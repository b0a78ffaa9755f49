"""The package as it is installed and imported."""

import pathlib
import subprocess
import sys
import zipfile

import pytest

import genconv_tf

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_the_wheel_carries_recipes_and_presets_and_works_on_its_own(tmp_path):
    # Of the source distribution, as package indices have it.
    program = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)
    (source,) = tmp_path.glob("*.tar.gz")
    build = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tmp_path], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    resources = installed / "genconv_tf" / "_resources"
    recipes = {path.name for path in (ROOT / "models").glob("*.toml")}
    assert {path.name for path in (resources / "models").iterdir()} == recipes
    builder = resources / "datasets" / "sound_textures" / "sound_textures_dataset_builder.py"
    assert builder.is_file() and not list(resources.rglob("dummy_data"))
    assert (installed / "genconv_tf" / "page" / "index.html").is_file()
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r});"
        "import genconv_tf; assert genconv_tf.__file__.startswith(sys.path[0]);"
        "from genconv_tf import presets, recipes; print(recipes.names(), presets.names())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    presets = [path.parent.name for path in (ROOT / "saved_models").glob("*/config.json")]
    assert all(repr(name) in done.stdout for name in ["texture-paper", *presets])


def test_importing_the_package_does_not_import_tensorflow():
    program = "import sys, genconv_tf; dir(genconv_tf); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("name", genconv_tf.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(genconv_tf, name)
    assert name == "__version__" or value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'texture'"):
        _ = genconv_tf.texture


def test_files_stay_short():
    for path in [*ROOT.glob("genconv_tf/**/*.py"), *ROOT.glob("tests/*.py")]:
        assert len(path.read_text().splitlines()) <= 420, path
