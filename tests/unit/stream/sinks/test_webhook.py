import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgescale.errors import SinkFailed
from edgescale.stream.event import Event
from edgescale.stream.sinks import webhook
from edgescale.stream.sinks.outputs import Outputs, Sink
from edgescale.stream.sinks.post import Post, Unreachable, parse_address
from edgescale.stream.sinks.webhook import WebhookSink
from tests.results import entered, frame_result, left

FAST = (0.01, 0.01, 0.01)


class Receiver(ThreadingHTTPServer):
    """Answers each request with the next status (the last one for ever) and keeps what came."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses) or [204]
        self.came: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/SECRET-PATH?key=SECRET-KEY"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, dict(self.headers), body))
        status = self.server.statuses[0]
        if len(self.server.statuses) > 1:
            self.server.statuses.pop(0)
        self.send_response(status, "SECRET-REASON")
        self.send_header("Content-Length", "0")
        self.send_header("Location", "http://127.0.0.1:1/SECRET-PLACE")
        self.end_headers()

    def log_message(self, *parts: object) -> None:
        pass


@contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    with Receiver(*statuses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Takes connections one after the other and lets ``answer`` do with them what it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/SECRET-PATH"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_events_come_in_order_with_predictions_and_results_are_not_sent() -> None:
    with receiver() as server:
        sink: Sink = WebhookSink(server.url, "SECRET-TOKEN")
        sink.result(frame_result())
        sink.event(entered(), frame_result())
        sink.event(left(), None)
        sink.event(Event("moved", "to the CPU", {"device": "cpu"}), None)
        sink.tick()
        sink.close()
    assert [json.loads(body)["event"] for _, _, body in server.came] == ["entered", "left", "moved"]
    path, headers, body = server.came[0]
    assert path == "/hook/SECRET-PATH?key=SECRET-KEY"
    assert headers["Authorization"] == "Bearer SECRET-TOKEN"
    assert headers["Content-Type"] == "application/json"
    record = json.loads(body)
    assert (record["source"], record["label"]) == ("front", "cat")
    assert record["predictions"][0]["label"] == "cat"
    assert record["time"].endswith("Z")


def test_what_a_later_attempt_can_deliver_is_delivered_once_and_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with receiver(503, 429, 204) as server:
        sink = WebhookSink(server.url, back_off_s=FAST)
        sink.event(entered("a"), None)
        sink.event(entered("b"), None)
        sink.close()
    assert [json.loads(body)["label"] for _, _, body in server.came] == ["a", "a", "a", "b"]
    assert caplog.text.count("status 503") == 1


@pytest.mark.parametrize(
    ("status", "said"), [(404, "status 404"), (302, r"redirect \(302\), and none is followed")]
)
def test_a_refusal_or_redirect_is_not_tried_again_and_is_an_error_at_the_end(
    status: int, said: str
) -> None:
    with receiver(status) as server:
        sink = WebhookSink(server.url, "SECRET-TOKEN", back_off_s=FAST)
        sink.event(entered(), None)
        with pytest.raises(SinkFailed, match=f"1 of 1 events could not be delivered .*{said}"):
            sink.close()
    assert len(server.came) == 1


def test_no_secret_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with receiver(500) as server:
        url = server.url.replace("127.0.0.1", "SECRET-USER:SECRET-WORD@127.0.0.1")
        sink = WebhookSink(url, back_off_s=FAST)
        sink.event(entered(), None)
        with pytest.raises(SinkFailed) as failed:
            sink.close()
    assert server.came[0][1]["Authorization"].startswith("Basic ")
    said = f"{failed.value} {caplog.text} {sink.name} {parse_address(url, None)!r}"
    assert "SECRET" not in said
    assert f"http://127.0.0.1:{server.server_port}:" in said


def test_a_server_that_is_down_costs_attempts_only_and_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sink = WebhookSink(f"http://127.0.0.1:{port}/", back_off_s=FAST)
    sink.event(entered(), None)
    with pytest.raises(SinkFailed, match=r"1 of 1 events .* \(Connection refused\)"):
        sink.close()


def test_who_never_answers_ends_by_the_timeout_and_the_end_of_the_run_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "_LAST_CHANCE_S", 0.2)
    asked, done = threading.Event(), threading.Event()

    def silence(client: socket.socket) -> None:
        asked.set()
        done.wait(10)

    with raw_server(silence) as url:
        sink = WebhookSink(url, timeout_s=30)
        for _ in range(3):
            sink.event(entered(), None)
        assert asked.wait(10)
        with pytest.raises(SinkFailed, match="3 of 3 events could not be delivered"):
            sink.close()
        assert not sink._thread.is_alive()
        done.set()


def test_no_answer_within_the_timeout_is_worth_another_attempt() -> None:
    done = threading.Event()

    def silence(client: socket.socket) -> None:
        done.wait(10)

    with raw_server(silence) as url:
        with pytest.raises(Unreachable, match=r"no answer within 0\.1 s"):
            Post(parse_address(url, None), 0.1).send(b"{}")
        done.set()


def test_an_answer_without_an_end_is_cut_off() -> None:
    def trickle(client: socket.socket) -> None:
        try:
            while True:
                client.sendall(b"H")
                time.sleep(0.01)
        except OSError:
            return

    with raw_server(trickle) as url:
        sink = WebhookSink(url, timeout_s=0.05, back_off_s=())
        sink.event(entered(), None)
        end_s = time.monotonic() + 20
        while sink.lost == 0 and time.monotonic() < end_s:
            sink.tick()
            time.sleep(0.01)
        with pytest.raises(SinkFailed, match="1 of 1 events"):
            sink.close()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_does_not_speak_http_is_one_sentence(answer: bytes) -> None:
    def say(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(answer)

    with raw_server(say) as url, pytest.raises(Unreachable, match=r"not speak HTTP|was lost"):
        Post(parse_address(url, None), 5).send(b"{}")


def test_tls_is_checked() -> None:
    def say(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with raw_server(say) as url, pytest.raises(Unreachable):
        Post(parse_address(url.replace("http:", "https:"), None), 5).send(b"{}")


def test_the_oldest_of_too_many_events_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST_WAITING", 2)
    asked, done = threading.Event(), threading.Event()

    def slow(client: socket.socket) -> None:
        client.recv(65536)
        asked.set()
        done.wait(10)
        client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(slow) as url:
        sink = WebhookSink(url)
        sink.event(entered("first"), None)
        assert asked.wait(10)
        for label in "abcd":
            sink.event(entered(label), None)
        assert [json.loads(body)["label"] for body in sink._waiting] == ["c", "d"]
        done.set()
        with pytest.raises(SinkFailed, match=r"2 of 5 events .*more events came than it takes"):
            sink.close()


@pytest.mark.parametrize(
    "url",
    ["", "ftp://SECRET/x", "http://", "http:///SECRET", "http://h:99999/SECRET", "http://h:0/",
     "http://h/SECRET path", "http://h/\nSECRET", "http://h/é", "file:///SECRET", "http://[::1/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SinkFailed, match="a webhook is http://HOST") as failed:
        WebhookSink(url)
    assert "SECRET" not in str(failed.value)


@pytest.mark.parametrize("token", ["", "SECRET token", "SECRET\r\nX: y", "SECRETé"])
def test_a_token_that_no_header_holds_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(SinkFailed, match="printable ASCII") as failed:
        WebhookSink("http://h/", token)
    assert "SECRET" not in str(failed.value)


def test_two_secrets_are_refused() -> None:
    with pytest.raises(SinkFailed, match="not both"):
        WebhookSink("http://u:p@h/", "t")


@pytest.mark.parametrize(
    ("url", "exposed"),
    [("http://cam.example/", True), ("https://cam.example/", False), ("http://127.0.0.9/", False),
     ("http://[::1]:8/", False), ("http://localhost/", False), ("http://192.168.0.2/", True)],
)  # fmt: skip
def test_a_token_without_encryption_over_a_network_is_warned_of(url: str, exposed: bool) -> None:
    assert parse_address(url, "t").exposes_its_secret is exposed
    assert not parse_address(url, None).exposes_its_secret


@pytest.mark.parametrize(("statuses", "written", "lost"), [((204,), 3, 0), ((204, 404), 1, 2)])
def test_written_is_the_number_of_events_that_arrived(
    statuses: tuple[int, ...], written: int, lost: int
) -> None:
    with receiver(*statuses) as server:
        outputs = Outputs([WebhookSink(server.url, back_off_s=FAST)])
        for index in range(50):
            outputs.give(frame_result(index))
        for label in ("cat", "dog", "cup"):
            outputs.tell(entered(label))
        outputs.close()
    (status,) = outputs.statuses()
    assert (status.written, status.dropped) == (written, lost)
