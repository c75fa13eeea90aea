"""The trained model that comes with fsrfer."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ..core.bundle import MANIFEST_NAME
from ..core.errors import BundleError

_FOLDER = ("bundles", "edge")


def default_bundle_path() -> Path:
    """Return the folder of the bundle that comes with fsrfer, from a source tree or an installed wheel alike.

    It is part of the installation: read it, and copy it (``fsrfer copy-bundle``) to build engines or calibrate anew.

    Raises:
        BundleError: The installation lacks it, or lies in an archive.
    """
    folder = resources.files(__package__).joinpath(*_FOLDER)
    path = Path(str(folder))
    if not (path / MANIFEST_NAME).is_file():
        raise BundleError(
            "the model that comes with fsrfer is not there",
            expected=f"{MANIFEST_NAME} in {path}",
            fix="pip install --force-reinstall fsrfer, into a folder and not into a zip archive",
        )
    return path
