"""The wheel holds what a user needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "datasets", "runtime", "calibration", "export", "training", "cli")


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in tracked:  # a copy: setuptools writes its build folder into the source
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_of_the_tree_is_in_the_wheel(wheel_names):
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert f"fsrfer/{path.relative_to(ROOT)}" in wheel_names


def test_data_files_are_in_the_wheel(wheel_names):
    assert {f"fsrfer/{package}/py.typed" for package in PACKAGES} <= wheel_names
    recipes = {f"fsrfer/{path.relative_to(ROOT)}" for path in (ROOT / "training/recipes").glob("*.toml")}
    assert recipes
    assert recipes <= wheel_names


def test_the_shipped_model_is_in_the_wheel(wheel_names):
    folder = "fsrfer/runtime/bundles/edge"
    for name in ("bundle.json", "weights.safetensors", "model.onnx", "model.int8.onnx", "model.int8-cpu.onnx"):
        assert f"{folder}/{name}" in wheel_names
    assert f"{folder}/MODEL_CARD.md" in wheel_names


def test_nothing_else_is_in_the_wheel(wheel_names):
    folders = {name.split("/")[0] for name in wheel_names}
    assert folders == {"fsrfer", *(name for name in folders if name.endswith(".dist-info"))}
    assert "fsrfer/__init__.py" not in wheel_names


def test_every_script_names_a_function_that_exists():
    from importlib import import_module

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for target in scripts.values():
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name))
