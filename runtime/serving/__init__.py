"""The live page: what the pipeline sees and how it is, over HTTP; needs the extra ``serve``.

::

    hub = LiveHub()
    with LiveServer(hub, pipeline.report, ServingOptions.parse("127.0.0.1:8080")) as server:
        print(server.address)
        pipeline.run([hub], window_sinks=[hub])

Nothing is imported from the packages of the extra before a server is entered.
"""

from .hub import LatestResult, LiveHub
from .options import ModelInfo, ServingOptions
from .server import LiveServer
from .status import status_schema

__all__ = ["LatestResult", "LiveHub", "LiveServer", "ModelInfo", "ServingOptions", "status_schema"]
