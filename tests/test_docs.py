"""The documentation speaks of files, commands and options that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
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
    import os

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
    import json

    metrics = json.loads((ROOT / "runtime" / "bundles" / "edge" / "bundle.json").read_text())["metrics"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for key in ("test", "test_realistic"):
        shown = " | ".join(f"{100 * row['accuracy']['value']:.2f} %" for row in metrics[key]["sizes"])
        assert shown in readme
