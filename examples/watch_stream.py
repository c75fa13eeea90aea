"""Read a camera, a stream or a file and print what its faces show.

python examples/watch_stream.py demo-output/bundle rtsp://camera.local/stream
"""

import sys
from pathlib import Path

from fsrfer.runtime import StreamPipeline, open_bundle
from fsrfer.runtime.detection import open_detector
from fsrfer.runtime.sources import open_source, parse_sources

bundle, *addresses = sys.argv[1:]
sources = [open_source(spec) for spec in parse_sources(addresses)]
with open_bundle(Path(bundle)) as classifier, open_detector("retinaface") as detector:
    pipeline = StreamPipeline(sources, classifier, detector)
    for result in pipeline.results():
        shown = [result.predictions.label_of(face) for face in range(len(result))]
        print(f"{result.frame.source} {result.frame.time_s:.2f} s: {', '.join(shown) or 'no face'}")
for source in pipeline.report().failed:
    print(f"{source.name}: {source.error}", file=sys.stderr)
