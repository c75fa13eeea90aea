"""What can be asked for."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fsrfer.core import Backend, Precision
from fsrfer.core.errors import UsageError
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.runtime.engine_record import BatchProfile


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        (Backend.ONNXRUNTIME, {"precision": Precision.FP16}),
        (Backend.ONNXRUNTIME, {"workspace_mib": 64}),
        (Backend.ONNXRUNTIME, {"compute_capabilities": ("8.6",)}),
        (Backend.ONNXRUNTIME, {"batch": BatchProfile(1, 8, 8)}),
        (Backend.TENSORRT_RTX, {"hardware_compatible": True}),
        (Backend.TENSORRT_RTX, {"timing_cache": Path("cache")}),
        (Backend.TENSORRT_RTX, {"compute_capabilities": ("sm86",)}),
        (Backend.TENSORRT, {"compute_capabilities": ("8.7",)}),
        (Backend.TENSORRT, {"workspace_mib": 0}),
        (Backend.TENSORRT, {"optimization_level": 6}),
        (Backend.TENSORRT, {"gpu_fallback": True, "precision": Precision.INT8}),
        (Backend.TENSORRT, {"dla_core": 0, "batch": BatchProfile(4, 4, 4)}),
        (Backend.TENSORRT, {"dla_core": 0, "precision": Precision.FP16}),
        (Backend.TENSORRT, {"dla_core": -1, "precision": Precision.FP16, "batch": BatchProfile(4, 4, 4)}),
        (Backend.TENSORRT_RTX, {"dla_core": 0, "precision": Precision.FP16}),
        (Backend.TENSORRT_RTX, {"strip_weights": True}),
        (Backend.ONNXRUNTIME, {"dla_core": 0, "precision": Precision.INT8}),
    ],
)
def test_options_without_effect_or_sense_are_refused(backend, options):
    with pytest.raises(UsageError):
        EngineBuildConfig(backend, **options)


def test_explicit_int8_is_not_for_accelerators():
    with pytest.raises(UsageError, match=r"Q/DQ.*expected --precision fp16.*leave --dla-core out"):
        EngineBuildConfig(Backend.TENSORRT, Precision.INT8, BatchProfile(4, 4, 4), dla_core=0)


def test_the_command_builds_the_same_engine():
    from typer.main import get_command

    from fsrfer.cli.export import app

    config = EngineBuildConfig(
        Backend.TENSORRT,
        Precision.INT8,
        BatchProfile(1, 4, 8),
        workspace_mib=512,
        optimization_level=5,
        timing_cache=Path("kernels.cache"),
        hardware_compatible=True,
        version_compatible=True,
        strip_weights=True,
    )
    _, _, *words = shlex.split(config.command(Path("bundle")))
    build = get_command(app).commands["build-engine"]
    given = build.make_context("build-engine", words).params
    assert given["batch"] == "1:4:8"
    assert (given["workspace_mib"], given["optimization_level"]) == (512, 5)
    assert given["hardware_compatible"]
    assert given["version_compatible"]
    assert given["strip_weights"]
    assert str(given["timing_cache"]) == "kernels.cache"
    batch = BatchProfile(16, 16, 16)
    dla = EngineBuildConfig(Backend.TENSORRT, Precision.FP16, batch, dla_core=1, gpu_fallback=True)
    assert dla.command(Path("bundle")).endswith("--batch 16:16:16 --dla-core 1 --gpu-fallback")
    elsewhere = config.command(Path("my bundle"), Path("/opt/my engine"))
    assert "my bundle" in shlex.split(elsewhere)
    given = build.make_context("build-engine", shlex.split(elsewhere)[2:]).params
    assert (str(given["bundle"]), str(given["output"])) == ("my bundle", "/opt/my engine")
    rtx = EngineBuildConfig(Backend.TENSORRT_RTX, compute_capabilities=("8.6", "8.9")).command(Path("bundle"))
    assert "--compute-capability 8.6,8.9" in rtx
