"""An RTSP camera for tests: GStreamer in the system's Python, as its bindings are in no wheel.

Run as a program it serves a moving pattern and prints its address; imported it starts that program.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PYTHON = "/usr/bin/python3"
_IMPORTS = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
)
_PIPELINE = (
    "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=15/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15"
    " ! rtph264pay name=pay0 pt=96 )"
)


def missing() -> str | None:
    """Returns why no RTSP server can be started here, None where one can."""
    try:
        done = subprocess.run(
            [_PYTHON, "-c", _IMPORTS], capture_output=True, timeout=60, check=False
        )
    except OSError:
        return f"no {_PYTHON}; make test-tools installs it"
    return None if done.returncode == 0 else "no GStreamer RTSP server; make test-tools installs it"


@contextmanager
def rtsp_server(*, user: str = "", password: str = "", port: int = 0) -> Iterator[str]:
    """Serves until the end of the block; yields the address, with the credentials if any.

    The system chooses the port where it is 0.
    """
    process = subprocess.Popen(
        [_PYTHON, str(Path(__file__)), user, password, str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        place = process.stdout.readline().strip()
        assert place, "the RTSP server did not start"
        login = f"{user}:{password}@" if user else ""
        yield f"rtsp://{login}127.0.0.1:{place}/test"
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def _serve(user: str, password: str, port: str) -> None:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(_PIPELINE)
    factory.set_shared(True)
    if user:
        _ask_for(GstRtspServer, server, factory, user, password)
    server.get_mount_points().add_factory("/test", factory)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def _ask_for(rtsp: Any, server: Any, factory: Any, user: str, password: str) -> None:
    access = rtsp.RTSPAuth()
    token = rtsp.RTSPToken()
    token.set_string("media.factory.role", "user")
    access.add_basic(rtsp.RTSPAuth.make_basic(user, password), token)
    server.set_auth(access)
    permissions = rtsp.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    _serve(*sys.argv[1:4])
