"""The page: a live run watched in a browser, and what Prometheus and health checks ask for.

One thread serves HTTP (aiohttp), one encodes pictures while somebody watches. Neither can slow what
classifies: they read the newest result and a snapshot, and nothing waits for them.
"""

from edgescale.stream.web.sink import WebSink

__all__ = ["WebSink"]
