"""YuNet's weights: fetched from the repository of its authors, and proved.

No Python distribution carries YuNet-n with a free input size. Its authors keep it in their training repository; the
address below names one commit of it. The hash is that of the file which fsrfer was measured with, and other public
projects pin the same hash to the same address.
"""

from __future__ import annotations

import logging
import urllib.request
from http.client import HTTPException
from pathlib import Path

from ...core.errors import DetectorError
from ...core.files import sha256_of_bytes, sha256_of_file, write_bytes, write_text
from .weights import check_hash, detector_cache

YUNET_NAME = "yunet-n.onnx"
YUNET_SHA256 = "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12"
YUNET_REPOSITORY = "https://github.com/ShiqiYu/libfacedetection.train"
YUNET_COMMIT = "dca340aa082c71081a68d17db8e58b33a58a914b"
YUNET_URL = f"{YUNET_REPOSITORY}/raw/{YUNET_COMMIT}/onnx/yunet_n_dynamic.onnx"
YUNET_FETCH_COMMAND = "fsrfer doctor --fetch-yunet"

_TIMEOUT_S = 60.0
_LARGEST_BYTES = 16 * 2**20  # the file has 0.3 MB; an answer without end must not fill the memory

_NOTICE = f"""{YUNET_NAME} is onnx/yunet_n_dynamic.onnx of {YUNET_REPOSITORY},
commit {YUNET_COMMIT}.

Its repository is under the Apache License 2.0 and names OpenMMLab as the copyright holder of the code:
{YUNET_REPOSITORY}/blob/{YUNET_COMMIT}/LICENSE
The network was trained on WIDER FACE, whose pictures are for research.
"""

_logger = logging.getLogger(__name__)


def find_yunet_weights(cache_dir: Path | None = None) -> Path:
    """Return the file that holds YuNet's weights.

    Args:
        cache_dir: Folder to look in; None for :func:`~fsrfer.runtime.detection.weights.detector_cache`.

    Raises:
        DetectorError: They were not fetched yet.
    """
    path = (cache_dir or detector_cache()) / YUNET_NAME
    if path.is_file():
        return path
    raise DetectorError("YuNet's weights were not fetched yet", expected=path, fix=_how_to_get_it(path))


def read_yunet_weights(path: Path) -> bytes:
    """Return the ONNX graph in a file that :func:`find_yunet_weights` found.

    Raises:
        DetectorError: The content is not the graph that fsrfer was tested with.
    """
    graph = path.read_bytes()
    check_hash(str(path), YUNET_SHA256, sha256_of_bytes(graph), fix=_how_to_get_it(path))
    return graph


def fetch_yunet_weights(cache_dir: Path | None = None, url: str = YUNET_URL) -> Path:
    """Download YuNet's weights into the cache, unless they are there already.

    The proxies of the environment (``HTTPS_PROXY``) are respected.

    Args:
        cache_dir: Folder to write to; None for :func:`~fsrfer.runtime.detection.weights.detector_cache`.
        url: Where from: http or https, a mirror, say. What comes must be the same file.

    Returns:
        The ONNX file; a note on its origin and licence lies beside it.

    Raises:
        DetectorError: There is no network, what came is not what was expected, or the folder cannot be written.
    """
    target = (cache_dir or detector_cache()) / YUNET_NAME
    if target.is_file() and sha256_of_file(target) == YUNET_SHA256:
        return target
    graph = _download(url, target)
    check_hash("what came for YuNet", YUNET_SHA256, sha256_of_bytes(graph), fix=_how_to_get_it(target))
    try:
        write_text(target.with_suffix(".LICENSE.txt"), _NOTICE)
        write_bytes(target, graph)
    except OSError as problem:
        raise DetectorError(
            f"{target} cannot be written", found=str(problem), fix="let FSRFER_CACHE name a folder that can be written"
        ) from problem
    _logger.info("wrote %s", target)
    return target


def _download(url: str, target: Path) -> bytes:
    # No message holds the address: that of a mirror may carry a password.
    scheme = url.partition(":")[0]
    if scheme not in ("https", "http"):
        raise DetectorError("YuNet's weights come from the web", expected="https or http", found=scheme)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            content: bytes = answer.read(_LARGEST_BYTES)
    except (OSError, HTTPException, ValueError) as problem:  # URLError is an OSError
        raise DetectorError(
            "YuNet's weights could not be downloaded",
            found=str(problem),
            fix=f"mend the network, or {_by_hand(target)}",
        ) from problem
    return content


def _how_to_get_it(target: Path) -> str:
    return f"{YUNET_FETCH_COMMAND}, or {_by_hand(target)}"


def _by_hand(target: Path) -> str:
    return f"save {YUNET_URL} as {target}"
