"""Processes that train one model together: real ones, over gloo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.core.errors import BackendUnavailableError, ProcessGroupError, UsageError
from fsrfer.training import fit
from fsrfer.training.distributed import ALONE, Processes, joined, refuse_several_processes

# Processes are forked after the imports, which take longer than the training. They find each other as torchrun's do, by
# environment variables. `work` is called in each; a death of its own choosing is told by its exit status.
TOGETHER = """
import os, signal, socket, sys
import torch._dynamo, torch.utils.tensorboard
from dataclasses import replace
from importlib import util
from pathlib import Path
import torch
spec = util.spec_from_file_location("training_conftest", sys.argv[1])
tiny = util.module_from_spec(spec)
spec.loader.exec_module(tiny)
from fsrfer.core.errors import FsrferError
from fsrfer.training import FitOptions, TrainingData, fit, take_part
from fsrfer.training.distributed import joined
from fsrfer.training.progress import Silence
folder = Path(sys.argv[2])

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one piece, whoever else writes

def together(count, work):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(count):
        pid = os.fork()
        if not pid:
            if count > 1:
                os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank),
                                  LOCAL_RANK=str(rank), WORLD_SIZE=str(count))
            try:
                with joined("cpu") as processes:
                    work(processes)
            except FsrferError as problem:
                tell(problem)
                os._exit(1)
            os._exit(0)
        children.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

class Deadly(Silence):
    def __init__(self, point):
        self.point = point
    def stage(self, name, done, total):
        tell(name, done)
    def step(self, name, step, scalars):
        if (name, step) == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

counts = (("train", 48), ("valid", 24), ("test", 30))
data = TrainingData(*(tiny.striped_faces(split, count) for split, count in counts))

def train(count, name, recipe, pieces=1, point=None, seeds=(0, 0), **more):
    options = FitOptions(checkpoint_seconds=0.0, keep_checkpoints=True, pieces=pieces, **more)
    def work(processes):
        given = dict(options=options, processes=processes, seed=seeds[processes.rank])
        if processes.leads:
            fit(recipe, data, folder / name, progress=Deadly(point), **given)
        else:
            take_part(recipe, data, folder / name, **given)
    return together(count, work)
"""

RUNS = (
    TOGETHER
    + """
from fsrfer.training.face_variation import AugmentationConfig, DegradationConfig
from fsrfer.training.stages import OptimizerKind

def everything():
    # A discriminator beside batch normalisation and dropout, Muon, faces that are mixed and degraded.
    edge = tiny.edge_like(name="tiny-everything")
    second = replace(edge.super_resolution, optimizer=OptimizerKind.MUON)
    return replace(
        edge,
        augmentation=AugmentationConfig(mix=0.5),
        degradation=DegradationConfig(0.6),
        extractor=replace(edge.extractor, optimizer=OptimizerKind.MUON),
        super_resolution=replace(second, weights=replace(second.weights, adversarial=0.1)),
    )

recipe = {"edge": tiny.edge_like, "paper": tiny.paper_like, "everything": everything}[sys.argv[3]]()
# Batches of 16 and a last number of processes that does not divide them.
assert train(1, "one", recipe) == [0]
assert train(2, "two", recipe) == [0, 0]
assert train(3, "three", recipe, seeds=(0, 0, 0)) == [0, 0, 0]
assert train(1, "pieces", recipe, pieces=2) == [0]
assert train(2, "two-pieces", recipe, pieces=2) == [0, 0]
tell("two to one")
assert train(2, "two-one", recipe, point=("super-resolution", 4))[0] == -signal.SIGKILL
assert train(1, "two-one", recipe) == [0]
tell("one to two")
assert train(1, "one-two", recipe, point=("extractor", 5)) == [-signal.SIGKILL]
assert train(2, "one-two", recipe) == [0, 0]
tell("two to two")
assert train(2, "two-two", recipe, point=("super-resolution", 2))[0] == -signal.SIGKILL
assert train(2, "two-two", recipe) == [0, 0]
"""
)

BFLOAT16 = (
    TOGETHER
    + """
from fsrfer.core.options import Arithmetic

recipe = tiny.edge_like()
assert train(1, "fp32", recipe) == [0]
assert train(1, "one", recipe, arithmetic=Arithmetic.BF16) == [0]
assert train(2, "two", recipe, arithmetic=Arithmetic.BF16) == [0, 0]
assert train(2, "killed", recipe, arithmetic=Arithmetic.BF16, point=("super-resolution", 2))[0] == -signal.SIGKILL
assert train(2, "killed", recipe, arithmetic=Arithmetic.BF16) == [0, 0]
"""
)

LAYERS = (
    TOGETHER
    + """
from torch import nn
from fsrfer.training.batch_rows import rows_of_process
from fsrfer.training.whole_batch import see_whole_batches

def gaps(dtype, layout):
    torch.manual_seed(0)
    whole = nn.Sequential(nn.BatchNorm2d(5))
    nn.init.normal_(whole[0].weight)
    nn.init.normal_(whole[0].bias)
    faces = (torch.randn(7, 5, 6, 4) * 3 + 20).to(dtype).to(memory_format=layout)
    upstream = torch.randn(7, 5, 6, 4).to(dtype)
    def work(processes):
        import copy
        part = copy.deepcopy(whole)
        see_whole_batches(part, processes, 1)
        (rows,) = rows_of_process(7, 1, processes.rank, processes.count)
        one, some = faces.clone().requires_grad_(), faces[rows.slice].clone().requires_grad_()
        expected, result = whole(one), part(some)
        assert result.dtype == dtype and result.is_contiguous(memory_format=layout)
        (expected * upstream).sum().backward()
        (result * upstream[rows.slice]).sum().backward()
        gradients = [part[0].weight.grad, part[0].bias.grad]
        processes.add_up(gradients)
        pairs = [(result, expected[rows.slice]), (some.grad, one.grad[rows.slice]),
                 (gradients[0], whole[0].weight.grad), (gradients[1], whole[0].bias.grad),
                 (part[0].running_mean, whole[0].running_mean), (part[0].running_var, whole[0].running_var)]
        assert part[0].num_batches_tracked == 1
        tell(dtype, max(float(((a - b).abs().max() / b.abs().max())) for a, b in pairs))
    assert together(3, work) == [0, 0, 0]

for dtype in (torch.float32, torch.bfloat16):
    for layout in (torch.contiguous_format, torch.channels_last):
        gaps(dtype, layout)

def messages(processes):
    values = [torch.full((2, 3), 1.0 + processes.rank).T, torch.tensor(10.0 * processes.rank)]
    processes.add_up(values)
    assert values[0].tolist() == [[3.0, 3.0]] * 3 and values[1].item() == 10.0
    mine = b"first" if processes.leads else None
    assert processes.of_first(mine) == b"first"
    assert processes.of_first(None if processes.leads else b"ignored") is None
    assert processes.of_first(b"" if processes.leads else None) == b""
    path = folder / str(processes.rank) / "some.bin"
    path.parent.mkdir()
    path.write_bytes(b"of %d" % processes.rank)
    with processes.file_of_first(path) as found:
        assert found.read_bytes() == b"of 0" and found.name == "some.bin"
        assert processes.leads == (found == path)
    assert path.read_bytes() == b"of %d" % processes.rank
    with processes.file_of_first(path if not processes.leads else path / "absent") as found:
        assert found is None
    processes.check_alike("the seed", "same", fix="")
assert together(2, messages) == [0, 0]
"""
)

FAILURES = (
    TOGETHER
    + """
recipe = tiny.edge_like()
tell("seeds")
assert 1 in train(2, "seeds", recipe, seeds=(0, 1))
tell("death")
assert train(2, "death", recipe, point=("extractor", 4)) == [-signal.SIGKILL, 1]
tell("divergence")
wild = replace(recipe, extractor=replace(recipe.extractor, learning_rate=1e30, warmup_fraction=0.0))
assert train(2, "wild", wild) == [1, 1]
tell("drift")
def drift(processes):
    processes.check_alike("the weights", f"digest {processes.rank}", fix="train alike")
assert together(2, drift) == [0, 1]
"""
)


def run(script: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).with_name("conftest.py")), *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # some twenty small trainings, on a machine that others use too
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["edge", "paper", "everything"])
def runs(request, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp(request.param)
    return folder, run(RUNS, folder, request.param)


def states(folder: Path) -> dict[str, torch.Tensor]:
    """Everything of both stages: weights, averages, discriminator, optimisers."""
    return {
        f"{stage}/{name}": value
        for stage in ("extractor", "super-resolution")
        for name, value in load_file(folder / "checkpoints" / f"{stage}.safetensors").items()
    }


def largest_difference(one: Path, other: Path, ignored: str = "optimizer/") -> float:
    left, right = states(one), states(other)
    assert left.keys() == right.keys()
    return max(float((left[name].double() - right[name].double()).abs().max()) for name in left if ignored not in name)


def relative_difference(one: Path, other: Path) -> float:
    left, right = ({name: value.double() for name, value in states(folder).items()} for folder in (one, other))
    names = [name for name in left if "optimizer/" not in name]
    gap = torch.cat([(left[name] - right[name]).flatten() for name in names]).norm()
    return float(gap / torch.cat([left[name].flatten() for name in names]).norm())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two", "three", "two-one", "one-two"])
def test_processes_reach_what_one_reaches_up_to_rounding(runs, name):
    """Weights of about 0.1 to 1 after two stages; a dropped term or a wrong share is off by 1e-2 and more."""
    folder, _ = runs
    assert largest_difference(folder / "one", folder / name) < 1e-4
    metrics = [ModelBundle.load(folder / run_name).manifest.metrics["test"] for run_name in ("one", name)]
    accuracies = [[row["accuracy"]["value"] for row in metric["sizes"]] for metric in metrics]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=1.01 / 30)


@pytest.mark.slow
def test_pieces_of_several_processes_are_those_of_one(runs):
    folder, _ = runs
    assert largest_difference(folder / "pieces", folder / "two-pieces") < 1e-4


@pytest.mark.slow
def test_a_run_of_two_that_was_killed_ends_with_the_same_bits(runs):
    folder, _ = runs
    assert largest_difference(folder / "two", folder / "two-two", ignored="nothing") == 0.0


@pytest.mark.slow
def test_runs_went_on_where_they_were(runs):
    """A run that began anew would end with the right weights as well, and prove nothing."""
    folder, told = runs
    lines = [line for line in told.splitlines() if not line.startswith("process ")]
    after = {name: lines[lines.index(name) + 1 :] for name in ("two to one", "one to two", "two to two")}
    name = ModelBundle.load(folder / "one").manifest.name
    whole = "extractor 6" if name == "fsrfer-tiny-paper" else "extractor 9"
    # A step is told before its checkpoint is written, so the step of the kill is lost.
    begun = ["extractor 0", "super-resolution 0"]
    assert after["two to one"][:4] == [*begun, whole, "super-resolution 3"]
    assert after["one to two"][:3] == [begun[0], "extractor 4", begun[1]]
    assert after["two to two"] == [*begun, whole, "super-resolution 1"]


@pytest.mark.slow
def test_only_the_first_process_writes(runs):
    folder, _ = runs
    for name, count in (("one", 1), ("two", 2), ("three", 3)):
        assert len(list((folder / name / "tensorboard").iterdir())) == 1, name
        left = sorted(path.name for path in (folder / name / "checkpoints").iterdir())
        assert left == ["extractor.safetensors", "super-resolution.safetensors"]
        bundle = ModelBundle.load(folder / name)
        assert bundle.manifest.provenance.processes == count
        assert ArtifactKind.WEIGHTS.value in bundle.manifest.artifacts


@pytest.mark.slow
def test_two_processes_in_bfloat16_part_by_less_than_bfloat16_itself(tmp_path):
    run(BFLOAT16, tmp_path)
    rounding = relative_difference(tmp_path / "fp32", tmp_path / "one")  # 0.006; of another seed it is 1
    assert 0.0 < relative_difference(tmp_path / "one", tmp_path / "two") < rounding < 0.02
    assert largest_difference(tmp_path / "two", tmp_path / "killed", ignored="nothing") == 0.0
    assert ModelBundle.load(tmp_path / "two").manifest.provenance.processes == 2


@pytest.mark.slow
def test_messages_and_normalisation_are_those_of_one_process(tmp_path):
    told = [line.split() for line in run(LAYERS, tmp_path).splitlines()]
    assert len(told) == 12
    for dtype, gap in told:
        assert float(gap) < {"torch.float32": 1e-5, "torch.bfloat16": 0.02}[dtype]


@pytest.mark.slow
def test_what_goes_wrong_ends_all_and_says_so(tmp_path):
    told = run(FAILURES, tmp_path)
    seeds, _, rest = told.partition("death\n")
    death, _, rest = rest.partition("divergence\n")
    divergence, _, drift = rest.partition("drift\n")
    assert "process 1 of 2: the training (recipe, data, seed or options) of process 1 differ" in seeds
    assert "process 1 of 2: the other processes of the training are gone" in death
    assert "goes on from the last checkpoint" in death
    assert all(f"process {rank} of 2: the training diverged at step" in divergence for rank in (0, 1))
    assert "expected digest 0; found digest 1. Next: train alike" in drift


def test_a_process_that_nobody_joined_is_alone():
    with joined("cpu", {}) as processes:
        assert (processes.rank, processes.count, processes.device) == (0, 1, torch.device("cpu"))
    with joined("cpu", {"WORLD_SIZE": "1", "RANK": "0"}) as processes:
        assert processes.leads
    values = [torch.tensor([1.0])]
    ALONE.add_up(values)
    assert values[0].item() == 1.0
    ALONE.check_alike("the seed", "3", fix="")
    with ALONE.file_of_first(Path("/nowhere")) as path:
        assert path is None


def test_one_gpu_for_two_processes_is_refused():
    told = r"process 1 of 2: several processes cannot share a GPU.*--device cuda"
    with pytest.raises(UsageError, match=told), joined("cuda:0", {"WORLD_SIZE": "2", "RANK": "1"}):
        pass


def test_each_process_takes_the_gpu_of_its_number():
    told = r"process 3 of 200: there is no device cuda:99"  # no machine has so many
    environment = {"WORLD_SIZE": "200", "RANK": "3", "LOCAL_RANK": "99"}
    with pytest.raises(BackendUnavailableError, match=told), joined("cuda", environment):
        pass


def test_processes_without_a_meeting_point_say_how_to_start_them():
    told = r"process 1 of 2: the processes cannot be joined.*torchrun"
    with pytest.raises(ProcessGroupError, match=told), joined("cpu", {"WORLD_SIZE": "2", "RANK": "1"}):
        pass


def test_a_command_for_one_process_refuses_two(monkeypatch):
    refuse_several_processes("fsrfer-train compare")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="fsrfer-train compare runs in one process; found 2"):
        refuse_several_processes("fsrfer-train compare")


def test_a_training_that_forgot_to_join_the_others_is_refused(edge_recipe, data, tmp_path, monkeypatch):
    """Two processes would write the same files."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="joined no others runs in one process"):
        fit(edge_recipe, data, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_only_the_first_leads():
    assert Processes(0, 3).leads
    assert not Processes(1, 3).leads
