"""How many requests the server takes at a time, and what slow clients cost the others."""

import asyncio

import pytest

pytest.importorskip("starlette")
from backend import URL, Slow, forever, get, nothing, post, scope

from genconv_tf.serving.http import Service
from genconv_tf.serving.limits import Limits


def test_a_full_queue_is_a_429_and_a_drained_server_a_503(backend):
    async def play():
        slow = Slow(backend)
        service = Service(slow, Limits(queue=2))
        app = service.app()
        first = [asyncio.create_task(get(app, URL + "/sample.png")) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert service.waiting == 2
        status, headers = await get(app, URL + "/sample.png")
        assert status == 429 and headers[b"retry-after"] == b"1"
        drained = asyncio.create_task(service.drain(5.0))
        await asyncio.sleep(0.05)
        assert (await get(app, URL + "/sample.png"))[0] == 503
        assert (await get(app, "/healthz"))[0] == 503
        slow.go_on.set()
        assert [status for status, _ in await asyncio.gather(*first)] == [200, 200]
        assert await drained == 0

    asyncio.run(play())


def test_slow_bodies_are_limited_take_no_place_of_the_queue_and_end_in_a_408(backend):
    """There are far fewer than the proxy holds at a time, so that others are answered."""

    async def play():
        service = Service(backend, Limits(seconds=0.5, queue=1, clients=2))
        app = service.app()
        slow = [asyncio.create_task(post(app, forever)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await post(app, forever) == 429
        assert (await get(app, URL + "/sample.png"))[0] == 200 and not slow[0].done()
        assert await asyncio.gather(*slow) == [408, 408]
        assert service.clients == 0

    asyncio.run(play())


def test_an_answer_keeps_its_place_until_it_is_sent(backend):
    async def play():
        slow, sent = Slow(backend), asyncio.Event()
        slow.go_on.set()
        service = Service(slow, Limits())

        async def send(message):
            await sent.wait()

        asked = asyncio.create_task(service.app()(scope("GET", URL + "/sample.png"), nothing, send))
        await asyncio.sleep(0.1)
        assert service.waiting == 1 and await service.drain(0.1) == 1
        sent.set()
        await asked
        assert await service.drain(1.0) == 0

    asyncio.run(play())


def test_bodies_that_come_at_the_same_time_are_limited_together(backend):
    async def play():
        service, more = Service(backend, Limits(bodies=25)), asyncio.Event()

        def parts():
            sent = []

            async def receive():
                if sent:
                    await more.wait()
                sent.append(1)
                return {"type": "http.request", "body": b"x" * 10, "more_body": len(sent) < 2}

            return receive

        app = service.app()
        waiting = [asyncio.create_task(post(app, parts())) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert service.receiving == 20
        assert await post(app, parts()) == 429
        more.set()
        assert sorted(await asyncio.gather(*waiting)) == [400, 429]  # no JSON, and one too much
        assert service.receiving == 0

    asyncio.run(play())
