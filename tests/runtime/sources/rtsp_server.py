"""A small RTSP camera for the tests, on GStreamer; run it with the system's Python, which has its bindings.

    /usr/bin/python3 rtsp_server.py CLIP.h264 PORT [basic|digest USER PASSWORD]

Sends the access units of a raw H.264 stream, which must begin with delimiters, at 25 a second for ever. Says
``ready`` when it listens.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

DELIMITER = b"\x00\x00\x00\x01\x09"
PIPELINE = (
    "( appsrc name=src is-live=true format=time do-timestamp=true "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au "
    "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
)


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, units: list[bytes]) -> None:
        super().__init__()
        self.set_shared(True)
        self._units = units

    def do_create_element(self, url):
        return Gst.parse_launch(PIPELINE)

    def do_configure(self, media) -> None:
        source = media.get_element().get_by_name_recurse_up("src")
        position = 0

        def push() -> bool:
            nonlocal position
            unit = self._units[position % len(self._units)]
            position += 1
            return source.emit("push-buffer", Gst.Buffer.new_wrapped(unit)) == Gst.FlowReturn.OK

        GLib.timeout_add(40, push)


def main(clip: str, port: str, *credentials: str) -> None:
    Gst.init(None)
    units = [DELIMITER + unit for unit in Path(clip).read_bytes().split(DELIMITER) if unit]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    camera = Camera(units)
    if credentials:
        protect(server, camera, *credentials)
    server.get_mount_points().add_factory("/camera", camera)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def protect(server, camera, method: str, user: str, password: str) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    may = "media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    role = Gst.Structure.new_from_string(f"viewer, {may}")
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role_from_structure(role)
    camera.set_permissions(permissions)


if __name__ == "__main__":
    main(*sys.argv[1:])
