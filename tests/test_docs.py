"""The documentation speaks of files, commands and options that exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
SCRIPTS = ("fsrfer", "fsrfer-train", "fsrfer-export", "fsrfer-calibrate", "fsrfer-run", "fsrfer-profile")


def documented_commands() -> list[tuple[str, str]]:
    """All lines of code blocks that start with one of our scripts, continuation lines joined."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:console|sh|bash)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.removeprefix("$ ").strip()
                if command.split(" ")[0] in SCRIPTS:
                    found.append((page.name, command))
    return found


@cache
def help_of(script: str, *words: str) -> tuple[int, str]:
    entry = script.removeprefix("fsrfer-") if script != "fsrfer" else "main"
    code = f"from fsrfer.cli.main import {entry} as command; command()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env=_wide_terminal(),
    )
    return done.returncode, done.stdout


def _wide_terminal() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200"}


def without_comment(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    for stop in ("|", ">", "2>", "&&"):
        words = words[: words.index(stop)] if stop in words else words
    return words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(("page", "command"), documented_commands())
def test_documented_options_exist(page, command):
    script, *words = without_comment(command)
    subcommands = [word for word in words[:1] if re.fullmatch(r"[a-z][a-z0-9-]+", word) and script != "fsrfer-run"]
    code, text = help_of(script, *subcommands)
    if code != 0:  # the first word was an argument, not a sub-command
        code, text = help_of(script)
    assert code == 0, f"{page}: {command}"
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"{re.escape(option)}\b", text), f"{page}: {option} in `{command}`"


def test_commands_are_documented():
    assert documented_commands()
    assert {command.split(" ")[0] for _, command in documented_commands()} == set(SCRIPTS)


def test_the_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme


def test_the_readmes_accuracies_are_those_of_the_shipped_model():
    metrics = json.loads((ROOT / "runtime" / "bundles" / "edge" / "bundle.json").read_text())["metrics"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for key in ("test", "test_realistic"):
        shown = " | ".join(f"{100 * row['accuracy']['value']:.2f} %" for row in metrics[key]["sizes"])
        assert shown in readme


def readme_step(number: int) -> list[list[str]]:
    """The commands of a numbered step of the README, as words and without comments."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    step = readme.partition(f"\n# {number}. ")[2].partition(f"\n# {number + 1}. ")[0]
    return [words for line in step.splitlines()[1:] if (words := without_comment(line))]


@pytest.mark.slow
def test_the_readme_starts_a_server_and_reads_four_sources_by_it(triton_server, tmp_path):
    """Step 6 as it stands, but for its ports: 8001 may be somebody else's here."""
    grpc_port, http_port, metrics_port = (triton_server.free_port() for _ in range(3))
    ports = ["--grpc-port", grpc_port, "--http-port", http_port, "--metrics-port", metrics_port]
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name in ("benchmarks", ".venv-triton"):
        (tmp_path / name).symlink_to(ROOT / name)
    place = {
        "cwd": tmp_path,
        "env": {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        "text": True,
    }
    commands = [words for words in readme_step(6) if "my-bundle" not in words]
    (start,) = [words for words in commands if words[0] == "python"]
    server = None
    try:
        for words in commands:
            if words is start:
                log = tmp_path / "log"
                with log.open("w") as file:
                    server = subprocess.Popen([*words, *map(str, ports)], stderr=file, **place)
                while "ready: " not in log.read_text(errors="replace"):
                    assert server.poll() is None, log.read_text(errors="replace")
                    time.sleep(0.1)
                continue
            used = [word.replace(":8001/", f":{grpc_port}/") for word in words]
            done = subprocess.run(used, capture_output=True, check=False, timeout=240, **place)
            assert done.returncode == 0, done.stderr
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)
    assert words[0] == "fsrfer-run"
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    counts = Counter(frame["source"] for frame in frames)
    assert set(counts) == {"north", "east", "south", "west"}
    assert len(set(counts.values())) == 1
    assert sum(len(frame["faces"]) for frame in frames) > 1000
    assert f"on triton://127.0.0.1:{grpc_port}/fsrfer-edge" in done.stderr
    assert "readings by the model" in done.stderr
    assert "were not read" not in done.stderr
