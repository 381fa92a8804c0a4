"""Metrics for Prometheus: totals of devices, and health of the points."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Sample
from starlette.responses import Response

from whitestat.core.calendar import day_bounds
from whitestat.core.system.memory import give_back
from whitestat.ledger.read.queries import UsageQuery
from whitestat.web.sources import Sources

_FIRST_DAY = 20000101
"""Before any usage; a whole day, so that the ledger sums days."""

_LABELS = ["device", "name", "mac", "scope", "direction"]


def metrics(sources: Sources) -> Response:
    """Return the metrics in Prometheus' text format, made for this request."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(sources))
    text = generate_latest(registry)
    give_back()  # of its lines: 0.9 MB with 254 devices
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


class _Figures(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield self._octets()
        yield from self._health()

    def _octets(self) -> Metric:
        family = CounterMetricFamily("whitestat_octets", "Octets of each device, all time.", labels=_LABELS)
        family.samples = self._samples()  # type: ignore[assignment]  # read once, as a stream
        return family

    def _samples(self) -> Iterator[Sample]:
        sources = self._sources
        start_s = day_bounds(_FIRST_DAY, sources.zone)[0]
        end_s = sources.now.span("today")[1]
        for row in sources.queries.usage(UsageQuery(start_s, end_s, by=("device", "scope"))):
            device = row.device
            labels = [
                str(device.id) if device else "unattributed",
                (device.name if device else None) or "",
                (device.mac if device else None) or "",
                str(row.scope),
            ]
            directions = {
                "in": row.counts.octets_in,
                "out": row.counts.octets_out,
                "unsplit": row.counts.octets_unsplit,
            }
            for direction, octets in directions.items():
                if octets or direction != "unsplit":
                    values = [_clean(label) for label in (*labels, direction)]
                    yield Sample("whitestat_octets_total", dict(zip(_LABELS, values, strict=True)), octets)

    def _health(self) -> Iterator[Metric]:
        report = self._sources.health()
        up = GaugeMetricFamily("whitestat_point_up", "1 if the point is read.", labels=["point"])
        points = report.get("points")
        for point in points if isinstance(points, list) else ():
            up.add_metric([str(point.get("point"))], float(point.get("state") == "ok"))
        yield up
        yield GaugeMetricFamily("whitestat_up", "1 if all is well.", float(report.get("status") == "ok"))


def _clean(label: str) -> str:
    """Return the label without lone surrogates, which have no UTF-8."""
    return label.encode("utf-8", "replace").decode()
