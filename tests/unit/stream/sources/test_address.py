import pytest

from edgescale.stream.sources.address import camera_number, endpoint, is_url, redacted, scheme


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:s3cret@cam.local:554/live", "rtsp://cam.local:554/live"),
        ("http://s3cret@cam/video", "http://cam/video"),
        ("rtsp://a:p@s3cret@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:s3cret/tail@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:s3cret?tail@cam/1", "rtsp://cam/1"),
        ("http://cam/v.cgi?channel=1&pwd=s3cret&user=s3cret", None),
        ("http://cam/v.cgi?Access_Token=s3cret#x", "http://cam/v.cgi?Access_Token=***#x"),
        ("http://cam:80/@home", "http://cam:80/@home"),
        ("rtsp://[::1]:554/1", "rtsp://[::1]:554/1"),
        ("photo@home.jpg", "photo@home.jpg"),
        ("front door=rtsp://u:s3cret@cam/1", "front door=rtsp://cam/1"),
        ("rtsp:/u:s3cret@cam/1", "rtsp:/cam/1"),
        ("rtsp:///u:s3cret@cam/1", "rtsp:///cam/1"),
        ("admin:s3cret@cam/1", "admin:cam/1"),
        ("/home/1=rtsp:/u:s3cret@cam/1", "/home/1=rtsp:/cam/1"),
        ("http://proxy/get?of=rtsp://u:s3cret@cam/1", "http://proxy/get?of=rtsp://cam/1"),
        ("cam:1.avi", "cam:1.avi"),
    ],
)
def test_no_credential_is_shown_and_the_place_is(address: str, shown: str | None) -> None:
    assert "s3cret" not in redacted(address)
    assert redacted(address) == (shown or "http://cam/v.cgi?channel=1&pwd=***&user=***")


def test_a_text_full_of_addresses_is_shown_too() -> None:
    assert redacted("a:/u:s3cret@b?" * 1200) == "a:/b?" * 1200


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
    assert endpoint("tcp://cam:9000") is None
    assert endpoint("http://cam:99999/x") is None
