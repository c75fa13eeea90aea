import sys

import pytest

from fsrfer.cli.console import command_line, note_resolution


def test_the_command_is_told_as_it_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/fsrfer-export", "verify", "my bundle", "--sizes", "24,12"])
    assert command_line() == "fsrfer-export verify 'my bundle' --sizes 24,12"


@pytest.mark.parametrize(
    ("faces", "points", "told"),
    [(20, 0.3, "20 faces cannot resolve 0.3 points: a single face is 5.00"), (3519, 0.3, ""), (20, 0.0, "")],
)
def test_too_few_faces_for_a_bound_are_said(faces, points, told, capsys):
    note_resolution(faces, points)
    assert capsys.readouterr().err.strip() == told
