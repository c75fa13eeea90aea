"""Exit codes and the one line that a user sees."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fsrfer.cli.launch import exit_code_of, needing_extra
from fsrfer.core.errors import BundleError, FsrferError, MissingDependencyError, ParityError, UsageError


def failing(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BundleError("x"), 1),
        (UsageError("x"), 2),
        (ParityError("x"), 3),
        (KeyboardInterrupt(), 130),
        (SystemExit(2), 2),
    ],
)
def test_every_way_to_end_has_its_exit_code(error, code):
    assert exit_code_of(failing(error)) == code


def test_success_is_zero():
    assert exit_code_of(lambda: None) == 0


def test_an_error_is_one_line_on_stderr(capsys):
    exit_code_of(failing(BundleError("model.onnx is missing", expected="a", found="b", fix="fsrfer-export onnx")))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: model.onnx is missing; expected a; found b. Next: fsrfer-export onnx\n"


def test_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        exit_code_of(failing(ZeroDivisionError()))


def test_a_missing_optional_package_names_its_extra():
    with pytest.raises(MissingDependencyError, match=r"pip install 'fsrfer\[train\]'"), needing_extra("fsrfer train"):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")


def test_a_missing_module_of_ours_is_a_defect():
    with pytest.raises(ModuleNotFoundError), needing_extra("fsrfer train"):
        raise ModuleNotFoundError("No module named 'fsrfer.core.nonsense'", name="fsrfer.core.nonsense")


def test_every_error_of_the_tree_exits_with_a_documented_code():
    def walk(kind: type[FsrferError]) -> list[type[FsrferError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in walk(child))]

    assert {kind.exit_code for kind in walk(FsrferError)} == {1, 2, 3}


PLAIN = "exit_code_of(talk)"
TYPER = "exit_code_of(lambda: typer.run(talk))"


@pytest.mark.parametrize("call", [PLAIN, TYPER])
def test_a_reader_that_leaves_early_is_no_error(call):
    code = (
        "import sys\nimport typer\nfrom fsrfer.cli.launch import exit_code_of\n"
        "def talk():\n    for _ in range(100000): sys.stdout.write('x' * 100 + '\\n')\n"
        f"sys.exit({call})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        os.read(process.stdout.fileno(), 10)
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b""
