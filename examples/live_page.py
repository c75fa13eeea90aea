"""The live page without a camera: drawn crowds, and the model that comes with fsrfer.

python examples/live_page.py              then open http://127.0.0.1:8080
python examples/live_page.py 0            on a free port, which is printed
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from fsrfer.core.files import write_text
from fsrfer.datasets.procedural import CrowdClip, write_ground_truth
from fsrfer.runtime import PipelineOptions, StreamPipeline, default_bundle_path, open_bundle
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.groups import GroupConfig
from fsrfer.runtime.recorded_boxes import RecordedBoxes
from fsrfer.runtime.serving import LiveHub, LiveServer, ServingOptions

PLACES = ("hall", "gate", "platform 7")
FRAMES_PER_SECOND = 10
SECONDS = 4.0


class CrowdCamera:
    """A drawn crowd as a camera shows it: at its own pace, over and over."""

    reconnects = 0

    def __init__(self, name: str, clip: CrowdClip) -> None:
        self.name = name
        self._clip = clip

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give its frames until the end is asked for."""
        index = 0
        while not stop.wait(1 / FRAMES_PER_SECOND):
            image = self._clip.frame(index % self._clip.frame_count).image
            yield Frame(self.name, index, time.time(), Clock.WALL, image)
            index += 1


class CrowdBoxes(RecordedBoxes):
    """Where the drawn faces are: detectors are made for people."""

    def boxes_of(self, frame: Frame) -> FaceDetections:
        """Return the faces of a frame, each time round."""
        return super().boxes_of(replace(frame, index=frame.index % round(FRAMES_PER_SECOND * SECONDS)))


def draw_crowds(boxes: Path) -> list[CrowdCamera]:
    """Make the cameras, and write where their faces are."""
    cameras, lines = [], []
    for seed, name in enumerate(PLACES):
        clip = CrowdClip(seed, fps=FRAMES_PER_SECOND, seconds=SECONDS, people=16)
        write_ground_truth(clip, boxes)
        lines += [json.dumps({"source": name, **json.loads(line)}) for line in boxes.read_text().splitlines()]
        cameras.append(CrowdCamera(name, clip))
    write_text(boxes, "\n".join(lines) + "\n")
    return cameras


def main(port: int = 8080) -> None:
    """Serve until Ctrl-C, or until somebody ends the process."""
    with tempfile.TemporaryDirectory() as folder, open_bundle(default_bundle_path()) as classifier:
        cameras = draw_crowds(Path(folder, "boxes.jsonl"))
        options = PipelineOptions(groups=GroupConfig(window_s=5.0))
        pipeline = StreamPipeline(cameras, classifier, CrowdBoxes(Path(folder, "boxes.jsonl")), options)
        hub = LiveHub()
        with LiveServer(hub, pipeline.report, ServingOptions(port=port)) as server:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: pipeline.stop())
            print(server.address, flush=True)
            pipeline.run([hub], window_sinks=[hub])
    print("ended")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
