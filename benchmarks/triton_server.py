"""Starts the real Triton Inference Server on this machine's CPU, without a container.

python benchmarks/triton_server.py model_repository

The package nvidia-pytriton brings the binary of Triton 2.51 with the Python backend alone; nothing of PyTriton's own
API is used. It wants numpy below 2, and so lives in an environment of its own, .venv-triton, which is made at the first
start (450 MB, half a minute). Further words go to tritonserver. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

PACKAGES = ("nvidia-pytriton==0.7.0", "onnxruntime>=1.20", "numpy<2")
VENV = Path(__file__).parents[1] / ".venv-triton"
_READY = ".ready"
_STUB = "triton_python_backend_stub"


def prepare(folder: Path = VENV) -> Path:
    """Make the server's environment where it is not there yet.

    Returns:
        Its folder.
    """
    if is_prepared(folder):
        return folder
    print(f"making {folder}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)  # half of one may be there
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    subprocess.run(install, check=True)
    root = triton_root(folder)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # The wheel brings a stub for every Python, at another place than the backend looks, and nothing is executable.
    stub = shutil.copyfile(root / "python_backend_stubs" / version / _STUB, root / "backends" / "python" / _STUB)
    for program in (stub, root / "bin" / "tritonserver"):
        program.chmod(0o755)
    (folder / _READY).write_text(" ".join(PACKAGES))
    return folder


def is_prepared(folder: Path = VENV) -> bool:
    """Tell whether the server's environment is there, whole and of these packages."""
    mark = folder / _READY
    return mark.is_file() and mark.read_text() == " ".join(PACKAGES)


def triton_root(folder: Path) -> Path:
    """Return where the package unpacks Triton."""
    return next(folder.glob("lib/python*/site-packages/pytriton")) / "tritonserver"


def _installed(folder: Path, package: str) -> str:
    (found,) = folder.glob(f"lib/python*/site-packages/{package}-*.dist-info")
    return found.name.removesuffix(".dist-info").removeprefix(f"{package}-")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class TritonServer:
    """A server on this machine's loopback addresses; a context manager.

    Args:
        repository: Model repository.
        arguments: Further words of the command line.
        log: File that its output goes to; None for stderr.
        folder: Its environment.
        ports: For gRPC, HTTP and metrics; None takes free ones.
        ready_after_s: Time that it may take to get ready; it can hang for ever where a library is missing.
    """

    def __init__(
        self,
        repository: Path,
        arguments: Sequence[str] = (),
        *,
        log: Path | None = None,
        folder: Path = VENV,
        ports: tuple[int, int, int] | None = None,
        ready_after_s: float = 60.0,
    ) -> None:
        self._repository = repository
        self._arguments = arguments
        self._log = log
        self._folder = folder
        self.grpc_port, self.http_port, self.metrics_port = ports or (free_port(), free_port(), free_port())
        self._ready_after_s = ready_after_s
        self._process: subprocess.Popen[bytes] | None = None
        self._shm_prefix = ""

    @property
    def grpc_address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def process_id(self) -> int:
        """Process identifier of the server; it has children for the Python backend."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready.

        Raises:
            RuntimeError: It ended, or did not get ready in time; its log says why.
        """
        root = triton_root(self._folder)
        self._shm_prefix = f"fsrfer-{secrets.token_hex(4)}-"
        command = [
            str(root / "bin" / "tritonserver"),
            f"--model-repository={self._repository}",
            f"--backend-directory={root / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name={self._shm_prefix}",
            *("--grpc-address", "127.0.0.1", "--grpc-port", str(self.grpc_port)),
            *("--http-address", "127.0.0.1", "--http-port", str(self.http_port)),
            *("--metrics-address", "127.0.0.1", "--metrics-port", str(self.metrics_port)),
            *self._arguments,
        ]
        # The embedded Python finds its packages by the python3 that comes first on the path, and by nothing else.
        environment = {**os.environ, "PATH": f"{self._folder / 'bin'}:{os.environ.get('PATH', '')}"}
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            environment.pop(name, None)
        with contextlib.ExitStack() as stack:
            output = None if self._log is None else stack.enter_context(self._log.open("ab"))
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        if wait:
            self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline_s = time.monotonic() + self._ready_after_s
        # Metrics are served last, a moment after the models.
        while not (self.is_ready() and _listens(self.metrics_port)):
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline_s:
                self.kill()
                said = "" if self._log is None else self._log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"tritonserver {'ended' if ended else 'did not get ready'}: {said}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Tell whether all its models can be asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=2)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def versions(self) -> dict[str, str]:
        """Return the versions of the server, of what runs the model in it, and of the package that asks it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", "/v2")
            triton = str(json.loads(connection.getresponse().read())["version"])
        finally:
            connection.close()
        inside = {name: _installed(self._folder, name) for name in ("onnxruntime", "numpy", "nvidia_pytriton")}
        return {"triton": triton, **inside, "tritonclient": metadata.version("tritonclient")}

    def stop(self) -> None:
        """End it as a service manager does, and wait until its ports are free again."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None
        self._remove_regions()

    def kill(self) -> None:
        """End it at once, with its children, as a machine that fails would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
        self._remove_regions()

    def _remove_regions(self) -> None:
        # Of the memory that it shared with its children; one that was killed leaves it behind.
        for region in Path("/dev/shm").glob(f"{self._shm_prefix}*") if self._shm_prefix else ():
            region.unlink(missing_ok=True)

    def pause(self) -> None:
        """Let it hang, as a machine whose cable is pulled would."""
        os.killpg(self.process_id, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.killpg(self.process_id, signal.SIGCONT)

    def __enter__(self) -> TritonServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path, nargs="?", help="model repository of `fsrfer-export triton`")
    parser.add_argument("--grpc-port", type=int, default=8001)
    parser.add_argument("--http-port", type=int, default=8000)
    parser.add_argument("--metrics-port", type=int, default=8002)
    parser.add_argument("--prepare", action="store_true", help="only make the environment")
    options, further = parser.parse_known_args()
    folder = prepare()
    if options.prepare:
        return
    if options.repository is None:
        parser.error("the repository is missing")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ports = (options.grpc_port, options.http_port, options.metrics_port)
    with TritonServer(options.repository, further, folder=folder, ports=ports) as server:
        print(f"ready: {server.grpc_address} (gRPC)", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
