import tempfile

from edgescale.inference.child import last_words


def test_the_last_words_are_no_greeting() -> None:
    with tempfile.TemporaryFile() as log:
        assert last_words(log) == ""
        log.write(b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        assert last_words(log) == ""
        log.write(b"transfer failed\n\nINFO: Created delegate\n")
        assert last_words(log) == " (transfer failed)"
        assert log.tell() == log.seek(0, 2)  # the child goes on writing where it was
