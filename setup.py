"""Build genconv_tf; the wheel carries recipes, builders of datasets and published models."""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).resolve().parent
SOUND, VIDEO = ["librosa>=0.11", "soundfile>=0.13"], ["av>=14.1"]
# A server of all presets writes sounds and videos too.
SERVE = ["prometheus-client>=0.20", "ray[serve]>=2.55", "starlette>=0.40", *SOUND, *VIDEO]
LARGEST = 20_000_000  # bytes of a published model that still travels in the wheel


class BuildWithResources(build_py):
    """Copy `models/`, `datasets/` and the small presets of `saved_models/` into the package."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = pathlib.Path(self.build_lib) / "genconv_tf" / "_resources"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(ROOT / "models", target / "models")
        own = shutil.ignore_patterns("dummy_data", "*_test.py", "__pycache__")
        shutil.copytree(ROOT / "datasets", target / "datasets", ignore=own)
        (target / "saved_models").mkdir()
        for path in sorted((ROOT / "saved_models").iterdir()):
            if path.is_file():
                shutil.copy2(path, target / "saved_models")
            elif sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) < LARGEST:
                shutil.copytree(path, target / "saved_models" / path.name)


setup(
    name="genconv-tf",
    version="0.1.0",
    description="The Keras model zoo of generative ConvNets",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["genconv_tf", "genconv_tf.cli", "genconv_tf.data", "genconv_tf.serving"],
    package_data={"genconv_tf": ["page/*"]},
    cmdclass={"build_py": BuildWithResources},
    entry_points={"console_scripts": ["genconv = genconv_tf.cli.main:entry"]},
    install_requires=[
        "keras>=3.10",
        "numpy>=1.26",
        "pillow>=11.1",
        "tensorflow>=2.19",
    ],
    extras_require={
        "sound": SOUND,
        "video": VIDEO,
        # tf2onnx before 1.17 does not run with NumPy 2.
        "convert": [
            "ai-edge-litert>=2",
            "onnx>=1.17",
            "onnxruntime>=1.20",
            "tf2onnx>=1.17",
        ],
        "docs": ["mkdocs-material>=9.6", "mkdocstrings-python>=1.16"],
        "tfds": ["tensorflow-datasets>=4.9"],
        "diagnostics": ["arviz-stats>=0.7", "scipy>=1.13"],
        "demo": ["scikit-image>=0.24"],
        # OpenCV before 4.10 does not reach the image's border, nor inpaint floats without bias.
        "recovery": ["opencv-python-headless>=4.10", "scikit-image>=0.24", "scipy>=1.13"],
        "serve": SERVE,
        "dev": [
            *SERVE,
            "ai-edge-litert>=2",
            "arviz-stats>=0.7",
            "dill",
            "httpx2>=2",
            "importlib_resources",
            "mkdocs-material>=9.6",
            "mkdocstrings-python>=1.16",
            "onnx>=1.17",
            "onnxruntime>=1.20",
            "opencv-python-headless>=4.10",
            "pytest-xdist>=3.6",
            "pytest>=8",
            "pyyaml>=6",
            "ruff>=0.9",
            "scikit-image>=0.24",
            "scipy>=1.13",
            "selenium>=4.20",
            "setuptools>=77",
            "tensorboard>=2.19",
            "tensorflow-datasets>=4.9",
            "tensorflow-serving-api>=2.19",
            "tf2onnx>=1.17",
            "wheel",
        ],
        "bench": ["tensorflow-probability>=0.25", "tf-keras>=2.19", "torch>=2.5"],
    },
)
