"""What a fleet needs: cores, bandwidth and servers, by where the work is done.

With C cameras, r faces read a second and camera, m seconds of a core for a face, k cores a camera for everything but
reading, b bytes a face on the wire, v bits a second of a camera's video, and a share u to which machines are filled:

    edge     cores at the edge C (k + r m) / u     uplink events only
    split    cores at the edge C k / u             uplink 8 C r b       server cores C r m / u
    central  no cores at the edge                  uplink C v           server cores C (k + r m) / u
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Placement(str, Enum):
    """Where the work is done."""

    EDGE = "edge"
    SPLIT = "split"
    CENTRAL = "central"


@dataclass(frozen=True)
class CameraCosts:
    """What one camera costs; the comments say which of these were measured.

    Attributes:
        faces_per_s: Faces read a second.
        other_cores: Cores for decoding, detection, tracking and results.
        face_core_s: Seconds of a core to read a face.
        face_bytes: Bytes of a face on the wire, there and back.
        video_bits_per_s: Bit rate of the camera's stream.
        filled: Share of the time that machines may be busy.
        server_cores: Cores of one server.
    """

    faces_per_s: float = 44.39 / 8  # measured: results/camera_streams.json, eight cameras with few people
    face_core_s: float = 0.995e-3  # measured: results/profile-ferplus-edge.json, INT8, one thread of an EPYC with VNNI
    other_cores: float = 1.318 / 8 - faces_per_s * face_core_s  # measured, with YuNet at 640 px; the model taken off
    face_bytes: float = 48 * 48 + 4 + 32 + 100  # pixels, native size, logits; protocol and TCP: assumed
    video_bits_per_s: float = 4e6  # assumed: 1080p H.264
    filled: float = 0.6  # assumed; the simulation shows what it does to p99
    server_cores: int = 32  # assumed

    def needs(self, placement: Placement, cameras: int) -> dict[str, float]:
        """Return what so many cameras need."""
        reading = cameras * self.faces_per_s * self.face_core_s / self.filled
        rest = cameras * self.other_cores / self.filled
        uplink = {
            Placement.EDGE: 0.0,
            Placement.SPLIT: 8 * cameras * self.faces_per_s * self.face_bytes,
            Placement.CENTRAL: cameras * self.video_bits_per_s,
        }[placement]
        edge = {Placement.EDGE: rest + reading, Placement.SPLIT: rest, Placement.CENTRAL: 0.0}[placement]
        server = {Placement.EDGE: 0.0, Placement.SPLIT: reading, Placement.CENTRAL: rest + reading}[placement]
        return {
            "edge_cores": edge,
            "uplink_mbit_per_s": uplink / 1e6,
            "server_cores": server,
            "servers": float(-(-server // self.server_cores)),
        }


CROWD = CameraCosts(faces_per_s=16 * 10 * 0.3)  # 16 people at 10 pictures a second, 30 % of the faces read
"""A camera before a crowd; the rest as before, which flatters it: detection of a crowd takes longer."""


def cost_rows(costs: CameraCosts) -> list[tuple[str, ...]]:
    """Return the table: cameras, placement, cores at the edge, Mbit/s, server cores, servers."""
    rows = []
    for cameras in (10, 1_000, 100_000):
        for placement in Placement:
            needs = costs.needs(placement, cameras)
            cells = (f"{needs[name]:,.1f}" for name in ("edge_cores", "uplink_mbit_per_s", "server_cores"))
            rows.append((f"{cameras:,}", placement.value, *cells, f"{needs['servers']:,.0f}"))
    return rows
