"""The live view: what changed, the rates of the second, and a page that cannot keep up."""

from __future__ import annotations

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

from whitestat.core.model import Counts
from whitestat.core.units import mac_bytes
from whitestat.metering.live import Live
from whitestat.metering.today import DeviceToday, LiveUsage, Spread

UTC = ZoneInfo("UTC")
NOON_MS = 1_795_348_800_000


class Home:
    """Figures and a clock that the test moves; a second of theirs is as long as the test wants."""

    def __init__(self) -> None:
        self.now = NOON_MS + 990  # ten milliseconds to the next second
        self.octets = {1: 1000, 2: 500}
        self.polled: dict[str, Spread | None] = {}
        self.more: dict[str, Counts] = {}
        """What polled points counted of the device `more_of`."""
        self.more_of = 1

    def now_ms(self) -> int:
        return self.now

    async def today(self) -> LiveUsage:
        mac = mac_bytes("02:50:00:00:00:11")
        rows = {
            device: DeviceToday(
                device, f"device {device}", mac, NOON_MS, Counts(octets, 0, 1, 0), {"lan": Counts(octets, 0, 1, 0)}
            )
            for device, octets in self.octets.items()
        }
        if self.more:
            row = rows.get(self.more_of, DeviceToday(self.more_of, "more", mac, NOON_MS, Counts()))
            rows[self.more_of] = row._replace(points={**row.points, **self.more})
        return LiveUsage(rows, self.polled)

    def live(self, linger_s: float = 0) -> Live:
        return Live(self.today, zone=UTC, now_ms=self.now_ms, linger_s=linger_s)


async def following(home: Home, items: Any, after_ms: int = 1000) -> dict[str, Any]:
    home.now += after_ms
    item: dict[str, Any] = await asyncio.wait_for(anext(items), 5)
    return item


def test_the_first_item_has_everybody_and_later_ones_those_that_changed() -> None:
    async def look() -> None:
        home = Home()
        items = home.live().listen()
        first: dict[str, Any] = await anext(items)
        assert [row["id"] for row in first["devices"]] == [1, 2]
        home.octets[2] += 125_000
        second = await following(home, items)
        assert [(row["id"], row["rate_in_bps"]) for row in second["devices"]] == [(2, 1_000_000)]
        assert second["rate_in_bps"] == 1_000_000
        third = await following(home, items)  # the rate fell to nothing: that is a change too
        assert [(row["id"], row["rate_in_bps"]) for row in third["devices"]] == [(2, 0)]
        await items.aclose()

    asyncio.run(look())


def test_a_page_that_cannot_keep_up_is_told_everything_at_once() -> None:
    async def look() -> None:
        home = Home()
        slow = home.live().listen()
        await anext(slow)
        for device in (1, 2):
            home.octets[device] += 1000
            home.now += 1000
            await asyncio.sleep(0.05)
        item: Any = await asyncio.wait_for(anext(slow), 5)
        assert [row["id"] for row in item["devices"]] == [1, 2]
        assert item["octets"] == 3500
        await slow.aclose()

    asyncio.run(look())


def test_at_midnight_the_figures_begin_at_nothing_and_rates_are_not_negative() -> None:
    async def look() -> None:
        home = Home()
        items = home.live().listen()
        await anext(items)
        home.octets = {1: 125}
        item = await following(home, items)
        assert [(row["id"], row["octets"], row["rate_in_bps"]) for row in item["devices"]] == [(1, 125, 1000)]
        await items.aclose()

    asyncio.run(look())


def test_nothing_is_sampled_while_nobody_listens() -> None:
    async def look() -> None:
        home = Home()
        live = home.live()
        items = live.listen()
        await anext(items)
        await items.aclose()
        await asyncio.sleep(0.05)
        assert live._task is None

    asyncio.run(look())


def test_who_comes_back_is_told_every_second_in_between() -> None:
    async def look() -> None:
        home = Home()
        live = home.live(linger_s=60)
        items = live.listen()
        await anext(items)
        await following(home, items)
        await items.aclose()
        for _ in range(3):  # the connection is lost, sampling goes on
            home.octets[2] += 125_000
            home.now += 1000
            await asyncio.sleep(0.05)
        again = live.listen()
        first: Any = await anext(again)
        assert len(first["devices"]) == 2
        told = [each["at"] for each in first["missed"]]
        assert told[-1] == first["at"]
        seconds = [int(at[17:19]) for at in told]
        assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
        assert len(seconds) >= 4
        busy = first["missed"][-1]
        assert busy["rate_in_bps"] == 1_000_000
        assert [(each["id"], each["rate_in_bps"]) for each in busy["devices"]] == [(2, 1_000_000)]
        assert [(each["point"], each["rate_in_bps"]) for each in busy["points"]] == [("lan", 1_000_000)]
        await again.aclose()
        live._rest()

    asyncio.run(look())


def test_a_machine_that_is_late_leaves_no_gap_and_tells_no_rates_of_milliseconds() -> None:
    async def look() -> None:
        home = Home()
        items = home.live().listen()
        first: dict[str, Any] = await anext(items)
        assert "since" not in first
        until = "12:00:00"
        for after_ms, at, bps in ((1000, "12:00:01", 1000), (5000, "12:00:06", 200), (1610, "12:00:08", 621)):
            home.octets[1] += 125
            item = await following(home, items, after_ms)
            assert (item["since"][11:19], item["at"][11:19], item["rate_in_bps"]) == (until, at, bps)
            until = at
        home.octets[1] += 125
        home.now += 390  # too little since the last one
        news = asyncio.ensure_future(anext(items))
        done, _ = await asyncio.wait((news,), timeout=0.6)
        assert not done
        home.now += 610
        item = await asyncio.wait_for(news, 5)
        assert (item["since"][11:19], item["rate_in_bps"]) == (until, 1000)
        await items.aclose()

    asyncio.run(look())


def test_a_page_that_cannot_keep_up_has_no_gap() -> None:
    async def look() -> None:
        home = Home()
        slow = home.live().listen()
        await anext(slow)
        for _ in range(4):
            home.octets[1] += 125
            home.now += 1000
            await asyncio.sleep(0.05)
        item: Any = await anext(slow)
        assert [each["rate_in_bps"] for each in item["missed"]] == [1000, 1000, 1000]
        assert "missed" not in await following(home, slow)
        await slow.aclose()

    asyncio.run(look())


def test_a_polled_points_rate_is_the_mean_between_its_polls_until_the_next_one() -> None:
    """The lan is read each second, the darkstat was polled twice, 30 s apart; the count grows at the poll alone."""

    async def look() -> None:
        home = Home()
        home.polled = {"darkstat": Spread(30_000, {1: Counts(375_000_000, 3_750_000), 3: Counts(0, 0, 0, 0, 37_500)})}
        home.more = {"darkstat": Counts(400_000_000, 4_000_000)}
        items = home.live().listen()
        await anext(items)
        for _ in range(3):
            home.octets[1] += 125
            item = await following(home, items)
            mean = {row["id"]: (row["rate_in_bps"], row["rate_out_bps"], row["rate_bps"]) for row in item["devices"]}
            assert mean[1] == (100_001_000, 1_000_000, 101_001_000)
            assert (item["rate_in_bps"], item["rate_bps"]) == (100_001_000, 101_011_000)
            at = {row["point"]: row["rate_bps"] for row in item["points"]}
            assert at == {"lan": 1000, "darkstat": 101_010_000}
        home.more = {"darkstat": Counts(800_000_000, 4_000_000)}  # all of it came since the poll before
        home.polled = {"darkstat": Spread(32_000, {1: Counts(400_000_000, 0)})}
        home.octets[1] += 125
        item = await following(home, items)
        assert (item["rate_in_bps"], item["rate_out_bps"]) == (100_001_000, 0)
        await items.aclose()

    asyncio.run(look())


def test_the_rate_of_a_polled_point_that_failed_is_unknown_and_that_of_others_stays() -> None:
    async def look() -> None:
        home = Home()
        home.more = {"router": Counts(5000, 0)}
        home.polled = {"router": None}
        live = home.live(linger_s=60)
        items = live.listen()
        await anext(items)
        home.octets[2] += 125
        item = await following(home, items)
        assert {row["point"]: row["rate_in_bps"] for row in item["points"]} == {"lan": 1000, "router": None}
        assert item["rate_in_bps"] == 1000
        home.octets.clear()  # what is left was counted by the router alone
        home.more_of = 3
        item = await following(home, items)
        assert [(row["id"], row["rate_in_bps"], row["rate_bps"]) for row in item["devices"]] == [(3, None, None)]
        assert item["rate_in_bps"] is None
        await items.aclose()
        again = live.listen()
        first: Any = await anext(again)
        assert first["missed"][-1]["devices"] == [
            {"id": 3, **dict.fromkeys(("rate_bps", "rate_in_bps", "rate_out_bps", "rate_in_pps", "rate_out_pps"))}
        ]
        await again.aclose()
        live._rest()

    asyncio.run(look())
