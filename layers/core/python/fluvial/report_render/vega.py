"""Vega-Lite specifications of our charts. Whatever people wrote is data in them, never a name or an expression.

Fields are our own: x, y, s (the series' number) and t (a text). Labels lie in arrays of parameters, and the few
expressions, which only look one up, are constants. There is no address in a specification, and nothing to click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fluvial.number_formats import NumberFormat
from fluvial.report_charts import Chart
from fluvial.report_render.chart_data import ChartData, Points
from fluvial.report_render.ticks import spelled_ticks, ticks

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing is fetched
# Okabe and Ito's colours, which people with any colour vision tell apart, without yellow, too pale on white, and with
# darker ones in their order. https://jfly.uni-koeln.de/color/
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#6b7280", "#1f2937")
OTHER = "#b6bcc6"
INK, MUTED, GRID = "#1f2937", "#5b6472", "#e5e7eb"
# Metrics of the usual sans serifs of browsers are close to this one's, which the renderer has.
FONT = "Liberation Sans"
WIDTHS = {"full": 720, "half": 350}
HEIGHTS = {"full": 300, "half": 260}
BAR_HEIGHT = 26
MANY_POINTS = 300  # more are smaller, to be told apart
CHARACTER_WIDTH = 6.2  # at 11 px, on average

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Texts:
    """What is written in a chart: along its axis, in its legend, at its values, in the middle of a donut."""

    labels: Sequence[str]
    names: Sequence[str]
    values: Sequence[Sequence[str]] = ()
    centre: str = ""


def of(chart: Chart, data: ChartData, texts: Texts, *, width: str, language: str) -> Spec:
    """The specification of any chart but a scatter plot."""
    if chart.type in ("pie", "donut"):
        return _round(chart, data, texts, width)
    values = [
        {
            "x": at if data.days is None else data.days[at],
            "s": number,
            "y": _position(value),
            "t": _text(texts, number, at),
        }
        for number, series in enumerate(data.series)
        for at, value in enumerate(series.values)
    ]
    axis = _Numbers(_extent(chart, data), chart.format, language, chart.y_title)
    if chart.type == "bar":
        return _bars(chart, data, texts, values, axis, width)
    return _lines(chart, data, texts, values, axis, width)


def scatter(chart: Chart, data: Points, names: Sequence[str], *, width: str, language: str) -> Spec:
    values = [
        {"x": float(x), "y": float(y), "s": number} for number, (_, each) in enumerate(data.series) for x, y in each
    ]
    xs, ys = ([each[name] for each in values] for name in ("x", "y"))
    x_title, y_title = chart.x_title or chart.measures[0], chart.y_title or chart.measures[1]
    x = _Numbers((min(xs), max(xs)), chart.x_format, language, x_title)
    y = _Numbers((min(ys), max(ys)), chart.format, language, y_title)
    encoding = {"x": x.channel("x"), "y": y.channel("y"), "color": _colour(names, width)}
    mark = {"type": "point", "filled": True, "size": 42 if len(values) <= MANY_POINTS else 12, "opacity": 0.65}
    params = [*x.params("x"), *y.params("y"), {"name": "names", "value": list(names)}]
    return _whole({"mark": mark, "encoding": encoding}, values, params, width, HEIGHTS[width])


class _Numbers:
    """An axis of numbers."""

    def __init__(
        self, extent: tuple[float, float], format: NumberFormat | None, language: str, title: str | None
    ) -> None:
        self.ticks = ticks(*extent)
        self._texts = spelled_ticks(self.ticks, format, language)
        self._title = title

    def params(self, channel: str) -> list[Spec]:
        values = [float(each) for each in self.ticks]
        return [{"name": f"{channel}Ticks", "value": values}, {"name": f"{channel}Texts", "value": self._texts}]

    def channel(self, channel: str, field: str | None = None) -> Spec:
        values = [float(each) for each in self.ticks]
        return {
            "field": field or channel,
            "type": "quantitative",
            "scale": {"domain": [values[0], values[-1]], "nice": False, "zero": False},
            "axis": {
                "values": values,
                "labelExpr": f"{channel}Texts[indexof({channel}Ticks, datum.value)]",
                "title": self._title,
                "labelOverlap": channel == "x",
                "domain": False,
                "ticks": False,
                "labelPadding": 8,
            },
        }


def _bars(chart: Chart, data: ChartData, texts: Texts, values: list[Spec], axis: _Numbers, width: str) -> Spec:
    across, along = ("y", "x") if chart.horizontal else ("x", "y")
    stacked = chart.arrangement == "stacked"
    several = len(data.series) > 1
    named = {
        "field": "x",
        "type": "ordinal",
        "sort": None,
        "scale": {"domain": list(range(len(data.labels))), "paddingInner": 0.28, "paddingOuter": 0.14},
        "axis": _label_axis(chart, texts.labels, width),
    }
    encoding: Spec = {
        across: named,
        along: {**axis.channel(along, "y"), "stack": "zero" if stacked and several else None},
        "color": _colour(texts.names, width),
    }
    if stacked:
        encoding["order"] = {"field": "s", "type": "quantitative"}
    elif several:
        encoding[f"{across}Offset"] = {
            "field": "s",
            "type": "ordinal",
            "sort": None,
            "scale": {"domain": list(range(len(data.series))), "paddingInner": 0.08},
        }
    layers: list[Spec] = [{"mark": {"type": "bar"}}]
    if texts.values and not (stacked and several):
        layers += [_written(chart, "datum.y >= 0", 1), _written(chart, "datum.y < 0", -1)]
    params = [
        *axis.params(along),
        {"name": "labels", "value": list(texts.labels)},
        {"name": "names", "value": list(texts.names)},
    ]
    rows = len(data.labels) * (1 if stacked or not several else max(1, len(data.series) * 0.6))
    height = max(120, round(rows * BAR_HEIGHT) + 40) if chart.horizontal else HEIGHTS[width]
    return _whole({"layer": layers, "encoding": encoding}, values, params, width, height)


def _written(chart: Chart, test: str, sign: int) -> Spec:
    """The numbers at the ends of the bars that pass the test, beyond the end."""
    if chart.horizontal:
        place: Spec = {"align": "left" if sign > 0 else "right", "baseline": "middle", "dx": 5 * sign}
    else:
        place = {"baseline": "bottom" if sign > 0 else "top", "dy": -4 * sign}
    drawn = {"text": {"field": "t", "type": "nominal"}, "color": {"value": MUTED}}
    mark = {"type": "text", "fontSize": 11, **place}
    return {"transform": [{"filter": test}], "mark": mark, "encoding": drawn}


def _lines(chart: Chart, data: ChartData, texts: Texts, values: list[Spec], axis: _Numbers, width: str) -> Spec:
    stacked = chart.type == "area" and chart.arrangement == "stacked" and len(data.series) > 1
    places = list(range(len(data.labels))) if data.days is None else data.days
    shown = _thinned(places, texts.labels, WIDTHS[width])
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [min(places), max(places)], "nice": False, "zero": False, "padding": 12},
        "axis": {
            "values": shown,
            "labelExpr": "labels[indexof(places, datum.value)]",
            "title": chart.x_title,
            "grid": False,
            "labelPadding": 6,
            "labelLimit": 140,
        },
    }
    encoding: Spec = {
        "x": x,
        "y": {**axis.channel("y"), "stack": "zero" if stacked else None},
        "color": _colour(texts.names, width),
    }
    line = {"type": "line", "strokeWidth": 2, "strokeJoin": "round", "strokeCap": "round"}
    dots = {"type": "point", "filled": True, "size": 28 if len(places) <= 40 else 6, "opacity": 1}
    if chart.type == "line":
        layers: list[Spec] = [{"mark": line}]
        # A value between two gaps is a point, or it would be nothing.
        if len(places) <= 40 or any(value["y"] is None for value in values):
            layers.append({"mark": dots})
    elif stacked:
        layers = [{"mark": {"type": "area", "opacity": 0.9}}]
        encoding["order"] = {"field": "s", "type": "quantitative"}
    else:
        layers = [{"mark": {"type": "area", "opacity": 0.22}}, {"mark": line}]
    params = [
        *axis.params("y"),
        {"name": "places", "value": places},
        {"name": "labels", "value": list(texts.labels)},
        {"name": "names", "value": list(texts.names)},
    ]
    return _whole({"layer": layers, "encoding": encoding}, values, params, width, HEIGHTS[width])


def _round(chart: Chart, data: ChartData, texts: Texts, width: str) -> Spec:
    values = [{"s": at, "y": _position(value)} for at, value in enumerate(data.series[0].values)]
    colours = [*PALETTE, "#8fb8a8", "#a8896c"][: len(values)]
    if data.folded:
        colours[-1] = OTHER
    beside = width == "full"
    legend = {
        "orient": "right" if beside else "bottom",
        "columns": 1 if beside else _columns(texts.names, width),
        "labelExpr": "names[datum.value]",
        "labelLimit": 320,
        "labelFontSize": 12,
        "rowPadding": 6,
        "symbolType": "square",
        "symbolSize": 110,
        "offset": 28 if beside else 14,
    }
    arc = {
        "mark": {
            "type": "arc",
            "outerRadius": {"expr": "min(width, height) / 2 - 2"},
            "innerRadius": {"expr": "min(width, height) * 0.31"} if chart.type == "donut" else 0,
            "stroke": "white",
            "strokeWidth": 1.5,
        },
        "encoding": {
            "theta": {"field": "y", "type": "quantitative", "stack": True},
            "order": {"field": "s", "type": "quantitative"},
            "color": {
                "field": "s",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": list(range(len(values))), "range": colours},
                "legend": {"title": None, **legend},
            },
        },
    }
    layers = [arc]
    if chart.type == "donut" and texts.centre:
        centre = {"type": "text", "fontSize": 18, "fontWeight": 600, "color": INK}
        layers.append(
            {
                "data": {"values": [{"t": texts.centre}]},
                "mark": centre,
                "encoding": {"text": {"field": "t", "type": "nominal"}},
            }
        )
    params = [{"name": "names", "value": list(texts.names)}]
    return _whole({"layer": layers}, values, params, width, HEIGHTS[width])


def _label_axis(chart: Chart, labels: Sequence[str], width: str) -> Spec:
    axis: Spec = {"labelExpr": "labels[datum.value]", "ticks": False, "grid": False, "labelPadding": 6}
    if chart.horizontal:
        return {**axis, "title": chart.x_title, "labelLimit": 190, "labelOverlap": False, "domain": False}
    longest = max((len(label) for label in labels), default=0) * CHARACTER_WIDTH + 8
    room = (WIDTHS[width] - 70) / max(1, len(labels))
    if longest <= room:
        turned: Spec = {"labelAngle": 0, "labelLimit": 160}
    else:
        turned = {"labelAngle": -40, "labelLimit": 110, "labelAlign": "right", "labelBaseline": "top"}
    return {**axis, **turned, "title": chart.x_title, "labelOverlap": False, "domainColor": "#9ca3af"}


def _colour(names: Sequence[str], width: str) -> Spec:
    if len(names) < 2:
        return {"value": PALETTE[0]}
    legend = {
        "title": None,
        "orient": "top",
        "labelExpr": "names[datum.value]",
        "labelLimit": 200,
        "columns": _columns(names, width),
        "symbolType": "square",
        "symbolSize": 90,
        "symbolOpacity": 1,
        "offset": 10,
    }
    domain = list(range(len(names)))
    scale = {"domain": domain, "range": list(PALETTE[: len(names)])}
    return {"field": "s", "type": "nominal", "sort": None, "scale": scale, "legend": legend}


def _columns(names: Sequence[str], width: str) -> int:
    """How many entries of a legend have room side by side."""
    longest = min(200, max(len(name) for name in names) * CHARACTER_WIDTH * 1.1) + 34
    return max(1, min(len(names), int((WIDTHS[width] - 40) / longest)))


def _thinned(places: Sequence[float], labels: Sequence[str], width: int) -> list[float]:
    """As many of the places as have room for their labels, the first among them, equally far apart."""
    longest = min(140.0, max(len(label) for label in labels) * CHARACTER_WIDTH) + 22
    most = max(1, int((width - 70) / longest))
    step = -(-len(places) // most)
    return list(places[::step])


def _extent(chart: Chart, data: ChartData) -> tuple[float, float]:
    """From the lowest to the highest number that is drawn; bars and areas stand on zero."""
    stacked = chart.arrangement == "stacked"
    if stacked:
        columns = list(zip(*(each.values for each in data.series), strict=True))
        tops = [sum((Decimal(str(v)) for v in column if v is not None and v > 0), Decimal(0)) for column in columns]
        bottoms = [sum((Decimal(str(v)) for v in column if v is not None and v < 0), Decimal(0)) for column in columns]
        drawn = [float(each) for each in (*tops, *bottoms)]
    else:
        drawn = [float(value) for each in data.series for value in each.values if value is not None]
    low, high = min(drawn, default=0.0), max(drawn, default=0.0)
    if chart.type != "line" or (low > 0 and low < high * 0.6) or (high < 0 and high > low * 0.6):
        low, high = min(low, 0.0), max(high, 0.0)
    if chart.labels and chart.type == "bar":
        # Room for the text at the longest bar.
        room = (high - low) * 0.06
        low, high = low - room if low < 0 else low, high + room if high > 0 else high
    return low, high


def _position(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(texts: Texts, series: int, at: int) -> str:
    return texts.values[series][at] if texts.values else ""


def _whole(inner: Spec, values: list[Spec], params: list[Spec], width: str, height: int) -> Spec:
    label = {"labelColor": MUTED, "labelFontSize": 11, "titleColor": MUTED, "titleFontSize": 11}
    return {
        "$schema": SCHEMA,
        "width": WIDTHS[width],
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "padding": 4,
        "params": params,
        "data": {"values": values},
        **inner,
        "config": {
            "aria": False,
            "font": FONT,
            "view": {"stroke": None},
            "axis": {
                **label,
                "titleFontWeight": "normal",
                "titlePadding": 10,
                "gridColor": GRID,
                "domainColor": "#9ca3af",
                "tickColor": "#9ca3af",
            },
            "legend": {**label, "labelColor": INK, "labelFontSize": 12},
            "bar": {"cornerRadiusEnd": 1.5},
        },
    }
