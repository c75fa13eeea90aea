"""What the settings of an ONNX Runtime session are worth for this model: each against what `fsrfer-run` does.

python benchmarks/session_settings.py --threads 1 2 --output FILE.json

`fsrfer-run` lets idle threads sleep, plans no buffers for shapes, feeds arrays, and uses as many threads as it is told.
One of these at a time is changed; all take turns, and ratios are taken within a round: 1.05 means that the change makes
a run 5 % slower. Faces come back to back here, which is what spinning threads like best; `--pause-ms` lets time pass
before each run, as between the frames of a camera, and is not part of the time that counts.
"""

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from paired_rounds import ratio_of, round_medians_ms
from record import record

from fsrfer.core import ModelBundle, Precision
from fsrfer.runtime import default_bundle_path
from fsrfer.runtime.onnxruntime_runner import CPU_PROVIDER, import_onnxruntime, keep_int8_exact
from fsrfer.runtime.opening import artifact_for
from fsrfer.runtime.profiling.workload import crop_batches, ready_feed

DISTINCT = 16


@dataclass(frozen=True)
class Setting:
    """How a session is made and fed."""

    threads: int
    spinning: bool = False
    memory_pattern: bool = False
    io_binding: bool = False


def settings_of(threads: list[int]) -> dict[str, Setting]:
    """Return the present settings and all changes of one of them, by name."""
    present = Setting(threads[0])
    return {
        "present": present,
        "spinning": replace(present, spinning=True),
        "memory pattern": replace(present, memory_pattern=True),
        "io binding": replace(present, io_binding=True),
        **{f"threads {count}": replace(present, threads=count) for count in threads[1:]},
        **{f"threads {count}, spinning": Setting(count, spinning=True) for count in threads[1:]},
    }


def runner_of(graph: Path, setting: Setting, feeds: list[dict[str, np.ndarray]]) -> Callable[[], object]:
    """Open a session, and return what runs it on one ready batch after another."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = setting.threads
    options.enable_mem_pattern = setting.memory_pattern
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if setting.spinning else "0")
    keep_int8_exact(options)
    session = ort.InferenceSession(str(graph), options, providers=[CPU_PROVIDER])
    turns = itertools.cycle(feeds)
    if not setting.io_binding:
        return lambda: session.run(None, next(turns))

    def bound() -> object:
        binding = session.io_binding()
        for name, array in next(turns).items():
            binding.bind_cpu_input(name, array)
        for output in session.get_outputs():
            binding.bind_output(output.name)
        session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    return bound


def measure(bundle: ModelBundle, precision: Precision, batch: int, options: argparse.Namespace) -> dict[str, object]:
    """Compare all settings for one graph and one batch."""
    graph = bundle.artifact_path(artifact_for(precision))
    feeds = [ready_feed(crops, bundle.manifest) for crops in crop_batches(batch, count=DISTINCT)]
    settings = settings_of(options.threads)
    runs = {name: runner_of(graph, setting, feeds) for name, setting in settings.items()}
    medians = round_medians_ms(
        runs,
        rounds=options.rounds,
        seconds=options.seconds / options.rounds,
        warmup_s=options.warmup,
        pause_s=options.pause_ms / 1e3,
    )
    return {
        "precision": precision.value,
        "batch": batch,
        "present": {"threads": settings["present"].threads, "ms": round(float(np.median(medians["present"])), 4)},
        "times_as_long": {
            name: ratio_of(values, medians["present"]) for name, values in medians.items() if name != "present"
        },
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--precision", nargs="+", type=Precision, default=[Precision.FP32, Precision.INT8])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="the first is the present setting")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each setting, all rounds together")
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--pause-ms", type=float, default=0.0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    bundle = ModelBundle.load(options.bundle)
    pairs = itertools.product(options.precision, options.batch)
    rows = [measure(bundle, precision, batch, options) for precision, batch in pairs]
    record(
        {"rounds": options.rounds, "seconds": options.seconds, "pause_ms": options.pause_ms, "rows": rows},
        options.output,
    )


if __name__ == "__main__":
    main()
