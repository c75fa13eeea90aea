"""Files of sources."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import SourceKind, SourceSettings, Transport, read_source_file

FORTY = """
[defaults]
max_fps = 12.5
min_face_px = 10
transport = "udp"
""" + "".join(
    f"""
[[source]]
name = "camera-{number}"
address = "rtsp://viewer:${{CAMERA_PASSWORD}}@10.0.0.{number}/stream"
"""
    for number in range(1, 41)
)


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "cameras.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def test_forty_cameras_share_defaults(write, monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", "p@ss/w:rd?#")
    specs = read_source_file(write(FORTY))
    assert [spec.name for spec in specs] == [f"camera-{number}" for number in range(1, 41)]
    assert {spec.kind for spec in specs} == {SourceKind.NETWORK}
    assert specs[6].location == "rtsp://viewer:p%40ss%2Fw%3Ard%3F%23@10.0.0.7/stream"
    expected = SourceSettings(max_fps=12.5, min_face_px=10.0, transport=Transport.UDP)
    assert {spec.settings for spec in specs} == {expected}
    assert "p@ss" not in repr(specs)
    assert "p%40" not in repr(specs)


def test_settings_of_a_source_go_before_the_defaults(write, tmp_path):
    (tmp_path / "lobby.mp4").touch()
    text = """
    [defaults]
    max_fps = 10
    region = [0, 0, 0.5, 1]

    [[source]]
    name = "lobby"
    address = "lobby.mp4"
    region = [100, 50, 300, 200]
    detector_side = 640
    start_timeout_s = 20
    read_timeout_s = 9.5
    decoder_threads = 2
    keep_trying = true

    [[source]]
    name = "desk"
    address = "0"
    """
    lobby, desk = read_source_file(write(text))
    assert lobby.settings == SourceSettings(
        region=(100.0, 50.0, 300.0, 200.0),
        max_fps=10.0,
        detector_side=640,
        start_timeout_s=20.0,
        read_timeout_s=9.5,
        decoder_threads=2,
        keep_trying=True,
    )
    assert (lobby.kind, lobby.location) == (SourceKind.VIDEO, str(tmp_path / "lobby.mp4"))
    assert desk.settings == SourceSettings(max_fps=10.0, region=(0.0, 0.0, 0.5, 1.0))
    assert (desk.kind, desk.location) == (SourceKind.CAMERA, "0")


SOURCE = '[[source]]\nname = "gate"\naddress = "rtsp://joe:geheim@gate/s"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[source]\n", r"cameras.toml is not TOML"),
        ("", r"cameras.toml is malformed at source; expected a value; found no such key"),
        ("source = []\n", r"cameras.toml names no source"),
        (SOURCE + "[other]\n", r"cameras.toml is malformed at other; expected one of source, defaults"),
        (
            "[defaults]\nregon = [0, 0, 1, 1]\n" + SOURCE,
            r"\[defaults\] of .*cameras.toml is malformed at regon; .*region",
        ),
        ('[defaults]\nname = "x"\n' + SOURCE, r"\[defaults\] of .*cameras.toml is malformed at name"),
        ("[defaults]\nmax_fps = 0\n" + SOURCE, r"\[defaults\] of .*impossible max_fps of a source.*found 0.0"),
        (SOURCE + "max_fsp = 5\n", r"\[\[source\]\] 'gate' of .*cameras.toml is malformed at max_fsp"),
        (SOURCE + 'max_fps = "5"\n', r"'gate' of .* malformed at max_fps; expected a number or null; found '5'"),
        (SOURCE + "max_fps = true\n", r"'gate' of .* malformed at max_fps"),
        (SOURCE + "max_fps = nan\n", r"'gate' of .* impossible max_fps of a source"),
        (SOURCE + "region = [0, 0, 1]\n", r"'gate' of .* malformed at region; expected a list of 4"),
        (SOURCE + 'transport = "sctp"\n', r"'gate' of .* malformed at transport; expected one of tcp, udp"),
        (SOURCE + SOURCE, r"several sources of one name; expected a name for each; found gate"),
        ('[[source]]\naddress = "0"\n', r"\[\[source\]\] number 1 of .*cameras.toml has no name"),
        (SOURCE + '[[source]]\nname = "a\\nb"\naddress = "0"\n', r"\[\[source\]\] number 2 of .* has no name"),
        ('[[source]]\nname = "gate"\n', r"\[\[source\]\] 'gate' of .*cameras.toml has no address"),
        ('[[source]]\nname = "gate"\naddress = ["rtsp://joe:geheim@gate"]\n', r"'gate' of .* has no address"),
        (
            '[[source]]\nname = "gate"\naddress = "gopher://joe:geheim@gate"\n',
            r"'gate' of .*cannot read gopher://\*\*\*",
        ),
        ('[[source]]\nname = "gate"\naddress = "none.mp4"\n', r"'gate' of .*there is no file .*none.mp4"),
        (
            '[[source]]\nname = "gate"\naddress = "rtsp://joe:${NO_SUCH}@gate"\n',
            r"wants the variable NO_SUCH; found no",
        ),
        (
            '[[source]]\nname = "gate"\naddress = "rtsp://joe:${EMPTY}@gate"\n',
            r"wants the variable EMPTY; found an empty",
        ),
        ('[[source]]\nname = "gate"\naddress = "rtsp://joe:${}@gate"\n', r"'gate' of .*variable .* is malformed"),
        ('[[source]]\nname = "gate"\naddress = "rtsp://joe:${PASS"\n', r"'gate' of .*variable .* is malformed"),
        (
            '[[source]]\nname = "a"\naddress = "raw:4x4:gray@1"\n[[source]]\nname = "b"\naddress = "raw:4x4:gray@1"\n',
            r"standard input can carry one source only.*found a, b",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_table(write, monkeypatch, text, message):
    monkeypatch.delenv("NO_SUCH", raising=False)
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(SourceError, match=message) as caught:
        read_source_file(write(text))
    assert "geheim" not in str(caught.value)


def test_an_absent_file_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read the file of sources .*none.toml; found No such file"):
        read_source_file(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("address", "value", "location"),
    [
        ("${V}", "rtsp://u:p@cam/s", "rtsp://u:p@cam/s"),
        ("rtsp://${V}/s", "cam.local:554", "rtsp://cam.local:554/s"),
        ("rtsp://${V}@cam/s", "a:b", "rtsp://a%3Ab@cam/s"),
        ("rtsp://a@b:${V}@cam/s", "@", "rtsp://a@b:%40@cam/s"),
        ("http://cam/s?user=x&pwd=${V}", "a&b=c", "http://cam/s?user=x&pwd=a%26b%3Dc"),
        ("http://u:${V}@cam/s?mail=a@b", "?", "http://u:%3F@cam/s?mail=a@b"),
        ("gst:rtspsrc user-pw=${V} ! decodebin", "secret", "gst:rtspsrc user-pw=secret ! decodebin"),
        ("rtsp://cam/$1/{x}", "unused", "rtsp://cam/$1/{x}"),
    ],
)
def test_variables_of_the_environment(write, monkeypatch, address, value, location):
    monkeypatch.setenv("V", value)
    (spec,) = read_source_file(write(f'[[source]]\nname = "gate"\naddress = "{address}"\n'))
    assert (spec.name, spec.location) == ("gate", location)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "address", "max_fps", "region", "x"]), st.none() | st.text(max_size=9)))
def test_any_table_is_read_or_refused(write, table):
    lines = [f"{key} = {_quoted(value)}" for key, value in table.items()]
    try:
        specs = read_source_file(write("\n".join(["[[source]]", *lines])))
    except SourceError:
        return
    assert len(specs) == 1
    assert set(table) <= {"name", "address"}


def _quoted(value):
    if value is None:
        return "1"
    return '"' + "".join(f"\\U{ord(character):08X}" for character in value) + '"'


def test_the_example_is_read(request, monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", "geheim")
    specs = read_source_file(request.config.rootpath / "examples" / "cameras.toml")
    assert [spec.name for spec in specs] == ["entrance", "hall", "parking", "desk"]
    assert specs[1].settings == SourceSettings(max_fps=5.0, min_face_px=10.0, detector_side=1920)
    assert specs[2].settings.keep_trying


def test_the_documentation_names_every_setting(request):
    page = (request.config.rootpath / "docs" / "sources.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    assert [name for name, _ in documented] == [setting.name for setting in fields(SourceSettings)]
    defaults = {name: default.strip('"` ') for name, default in documented}
    assert (float(defaults["start_timeout_s"]), float(defaults["read_timeout_s"])) == (10.0, 6.0)
    assert (SourceSettings().start_timeout_s, SourceSettings().read_timeout_s) == (10.0, 6.0)


def test_the_tables_of_the_documentation_are_read(request, write, monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", "geheim")
    page = (request.config.rootpath / "docs" / "sources.md").read_text(encoding="utf-8")
    many, pipeline = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert [spec.settings.max_fps for spec in read_source_file(write(many))] == [12.5, 5.0]
    (spec,) = read_source_file(write(pipeline))
    assert spec.kind is SourceKind.PIPELINE
    assert "user-pw=geheim protocols=tcp latency=100 ! rtph264depay" in spec.location
