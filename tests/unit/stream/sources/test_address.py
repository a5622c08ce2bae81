import pytest

from edgescale.stream.sources.address import (
    camera_number,
    endpoint,
    holds_secret,
    is_url,
    mistake,
    redacted,
    scheme,
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:s3cret@cam.local:554/live", "rtsp://cam.local:554/live"),
        ("http://s3cret@cam/video", "http://cam/video"),
        ("rtsp://a:p@s3cret@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:s3cret/tail@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:s3cret?tail@cam/1", "rtsp://cam/1"),
        ("http://cam/v.cgi?channel=1&pwd=s3cret&user=s3cret", "http://cam/v.cgi?channel=1&pwd=***"),
        ("http://cam/v.cgi?Access_Token=s3cret#x", "http://cam/v.cgi?***"),
        ("http://cam/v.cgi?user=admin&p=s3cret", "http://cam/v.cgi?user=***"),
        ("http://cam/v.cgi?pw=s3&cret&s3cret=s3cret&fps=5", "http://cam/v.cgi?pw=***&fps=5"),
        ("http://cam/v.cgi?PIN=s3cret", "http://cam/v.cgi?PIN=***"),
        ("http://cam/v.cgi?s3cret", "http://cam/v.cgi?***"),
        ("http://cam/v.cgi?s3cret==", "http://cam/v.cgi?***"),
        ("http://cam/v.cgi?stream=a%20s3cret&w=640", "http://cam/v.cgi?stream=***&w=640"),
        ("http://cam/v.cgi?", "http://cam/v.cgi?"),
        ("rtsp://cam/x#token=s3cret", "rtsp://cam/x#token=***"),
        ("rtsp://cam/x;pass=s3cret", "rtsp://cam/x;pass=***"),
        ("rtsp://cam/token=s3cret/1", "rtsp://cam/token=***"),
        ("rtsp://cam/live_1/ch_2", "rtsp://cam/live_1/ch_2"),
        (
            "rtsp://cam/user=admin_password=s3cret_channel=1_stream=0.sdp?real_stream",
            "rtsp://cam/user=***_channel=1_stream=0.sdp?***",
        ),
        ("rtsp://cam/channel=1_password=s3#cret_s3cret_channel=2", None),
        ("rtsp://cam/user=admin&password=s3cret&channel=1", "rtsp://cam/user=***&channel=1"),
        ("rtsp://user=admin_password=s3cret_channel=1", "rtsp:///user=***_channel=1"),
        ("cam/user=admin_password=s3cret", "cam/user=admin_password=***"),
        ("cam/1?key=s3cret", "cam/1?key=***"),
        ("cam/1?pwd=s3:cret@s3cret", "cam/1?pwd=***"),
        ("rtsp://admin:12#s3cret@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:s3cret@s3cret#s3cret@cam/1", "rtsp://cam/1"),
        ("shots/frame_?.png", "shots/frame_?.png"),
        ("runs/user=5/key=a.mp4", "runs/user=5/key=a.mp4"),
        ("http://cam/@home", "http://cam/@home"),
        ("http://cam:80/@home", "http://***@home"),  # or a user, and a password 80/
        ("rtsp://s3cret:1234/s3cret@cam:9/x", "rtsp://***@cam:9/x"),
        ("rtsp://user:s3cret@s3cret/s3cret@cam/x", "rtsp://***@cam/x"),
        ("rtsp://me@mail.com:s3cret/s3cret@cam/x", "rtsp://cam/x"),
        ("rtsp://user:s3cret@/s3cret@cam/x", "rtsp://cam/x"),
        ("door:rtsp://user:s3cret@cam/x", "door:rtsp://cam/x"),
        ("door:rtsp://user:s3cret/s3cret@cam/x", "door:rtsp://cam/x"),
        ("rtsp:/u:s3cret@cam/1 http://u:s3cret@cam/1", "rtsp:/cam/1 http://cam/1"),
        ("file:///a=b/c.mp4", "file:///a=b/c.mp4"),
        ("file:///home/me@work/c.mp4", "file:///home/me@work/c.mp4"),
        ("rtsp://[::1]:554/1", "rtsp://[::1]:554/1"),
        ("photo@home.jpg", "photo@home.jpg"),
        ("front door=rtsp://u:s3cret@cam/1", "front door=rtsp://cam/1"),
        ("rtsp:/u:s3cret@cam/1", "rtsp:/cam/1"),
        ("rtsp:///u:s3cret@cam/1", "rtsp:///cam/1"),
        ("admin:s3cret@cam/1", "admin:cam/1"),
        ("/home/1=rtsp:/u:s3cret@cam/1", "/home/1=rtsp:/cam/1"),
        ("http://proxy/get?of=rtsp://u:s3cret@cam/1", "http://proxy/get?of=***"),
        ("http://proxy/rtsp://u:s3cret@cam/1", "http://proxy/rtsp://cam/1"),
        ("cam:1.avi", "cam:1.avi"),
    ],
)
def test_no_credential_is_shown_and_the_place_is(address: str, shown: str | None) -> None:
    assert "s3cret" not in redacted(address)
    assert redacted(address) == (shown or "rtsp://cam/channel=1_password=***_channel=2")


def test_a_text_full_of_addresses_is_shown_too() -> None:
    assert redacted("a:/u:s3cret@b/" * 1200) == "a:/b/" * 1200
    assert redacted("a:/b/" + "_" * 100_000 + "?x=s3cret" * 1200).endswith("_?x=***")
    assert redacted("a" * 100_000) == "a" * 100_000  # in good time


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("http://u:s3cret@cam/1", True),
        ("http://u:s3/cret@cam/1", True),
        ("http://u@cam/1", False),
        ("rtsp://me@mail.com:s3cret/s3cret@cam/x", True),
        ("rtsp://admin:@cam/x", False),  # many cameras have no password
        ("http://cam/x?apikey=s3cret", True),
        ("http://cam/x?auth=s3cret", True),
        ("http://cam/x?bypass=1&monkey=1", False),
        ("rtsp://cam/user=admin_password=s3cret_channel=1", True),
        ("http://cam/1?access_token=s3cret", True),
        ("http://cam/1?passive=1&pwd=&id=7", False),
        ("clips/by_pass=1.mp4", False),
    ],
)
def test_what_holds_a_secret(address: str, holds: bool) -> None:
    assert holds_secret(address) == holds


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("rtsp://u:s3c#ret@cam/1", "must be written %2F, %3F or %23"),
        ("rtsp://u:12#s3cret@cam/1", "must be written %2F, %3F or %23"),
        ("rtsp://me@mail.com:s3c/ret@cam/1", "must be written %2F, %3F or %23"),
        ("rtsp://u:s3c/ret@cam/1", "must be written %2F, %3F or %23"),
        ("rtsp://u:s3c?ret@cam/1", "must be written %2F, %3F or %23"),
        ("http://cam:99999/", "there is no such port"),
        ("http://cam:0/", "there is no such port"),
        ("tcp://cam:" + "9" * 5000, "there is no such port"),
        ("http://cam:s3cret/", "its host or port cannot be read"),
        ("http://[::1/x", "its host or port cannot be read"),
        ("http://::1/x", "its host or port cannot be read"),
        ("rtsp:///1", "it names no host"),
    ],
)
def test_an_address_that_no_server_can_have_is_explained(address: str, said: str) -> None:
    found = mistake(address)
    assert found is not None
    assert said in found
    assert "s3cret" not in found


@pytest.mark.parametrize(
    "address",
    [
        *("rtsp://u:p%23@cam:554/a@b", "http://[::1]:80/x", "http://cam:/x", "http://cam?x=a@b"),
        *("udp://@239.0.0.1:1234", "srt://:9000?mode=listener", "http://cam/#a@b", "pipe:0"),
        *("pipe://0", "file:///a:b/c#d@e", "a:b/c@d.mp4"),
    ],
)
def test_what_a_server_may_be_called_is_let_through(address: str) -> None:
    assert mistake(address) is None


def test_what_is_a_url_and_what_a_camera() -> None:
    assert is_url("RTSP://cam/1")
    assert scheme("RTSP://cam/1") == "rtsp"
    assert not is_url("cam:1.avi")
    assert not is_url("C:/v.avi")
    assert [camera_number(text) for text in ("0", "/dev/video12", "v.mp4", "-1")] == [
        *(0, 12, None, None),
    ]


def test_only_servers_of_many_clients_are_probed() -> None:
    assert endpoint("rtsp://u:p@cam/1") == ("cam", 554)
    assert endpoint("http://cam:8080/x") == ("cam", 8080)
    assert endpoint("ftp://cam/x") == ("cam", 21)
    assert endpoint("tcp://cam:9000") is None
    assert endpoint("http://cam:99999/x") is None
    assert endpoint("rtsp://user:1234/5@cam/x") is None  # its host is not certain
