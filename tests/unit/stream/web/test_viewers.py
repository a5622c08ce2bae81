"""Slots: the newest replaces what was not sent, and no more viewers than the limit."""

import asyncio

from edgescale.stream.web.viewers import Viewer, Viewers


def test_the_newest_of_each_kind_waits_and_nothing_else() -> None:
    async def scene() -> list[bytes]:
        viewer = Viewer("")
        for kind, payload in [("state", b"1"), ("answer", b"2"), ("state", b"3")]:
            viewer.put(kind, payload)
        return await viewer.take()

    assert asyncio.run(scene()) == [b"2", b"3"]


def test_what_waits_is_sent_before_the_end() -> None:
    async def scene() -> list[list[bytes]]:
        viewer = Viewer("")
        viewer.put("end", b"bye")
        viewer.close()
        return [await viewer.take() for _ in range(3)]

    assert asyncio.run(scene()) == [[b"bye"], [], []]


def test_viewers_are_limited_and_told_only_their_topic() -> None:
    async def scene() -> list[list[bytes]]:
        viewers = Viewers(2)
        door, yard = viewers.join("door"), viewers.join("yard")
        assert viewers.join("door") is None
        assert door is not None
        assert yard is not None
        viewers.publish("picture", b"of the door", "door")
        viewers.publish("picture", b"of the yard", "yard")
        taken = [await door.take(), await yard.take()]
        viewers.leave(door)
        assert viewers.join("yard") is not None
        return taken

    assert asyncio.run(scene()) == [[b"of the door"], [b"of the yard"]]
