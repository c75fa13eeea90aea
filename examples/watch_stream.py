"""Read a camera, a stream or a file and print what its faces show.

python examples/watch_stream.py rtsp://camera.local/stream
"""

import sys

from fsrfer.runtime import StreamPipeline, default_bundle_path, open_bundle
from fsrfer.runtime.detection import open_detector
from fsrfer.runtime.sources import open_source, parse_sources

sources = [open_source(spec) for spec in parse_sources(sys.argv[1:])]
with open_bundle(default_bundle_path()) as classifier, open_detector("retinaface") as detector:
    pipeline = StreamPipeline(sources, classifier, detector)
    for result in pipeline.results():
        ids = result.tracks.ids if result.tracks is not None else range(len(result))
        shown = [f"{track} {result.predictions.label_of(face)}" for face, track in enumerate(ids)]
        print(f"{result.frame.source} {result.frame.time_s:.2f} s: {', '.join(shown) or 'no face'}")
for source in pipeline.report().failed:
    print(f"{source.name}: {source.error}", file=sys.stderr)
