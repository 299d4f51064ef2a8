"""Results as charts, in SVG."""

from __future__ import annotations

from io import StringIO
from typing import Any, Final

from rivals import CONTESTANTS

COLOURS: Final = {"fastserver": "#d62728", "yardstick": "#222222"}
"""Colours of the servers that matter most; the others are pale."""


def charts(data: dict[str, Any]) -> dict[str, str]:
    """The charts that can be made of `data`, by file name."""
    cost = data["sections"].get("cost", {})
    found = {}
    peers = [count for count in (1, 10, 100, 1000) if f"fanout[64B-1x{count}]" in cost]
    if len(peers) > 1:
        found["fanout.svg"] = _lines(cost, peers)
    interval = data["sections"].get("interval", {})
    if interval:
        found["interval.svg"] = _curves(interval)
    bars = {
        "1 → 100, 256 messages at a time": "fanout[64B-1x100-256]",
        "100 to each other, one message each": "all-to-all[64B-100]",
    }
    for title, measure in bars.items():
        if measure in cost:
            name = "batches.svg" if measure.startswith("fanout") else "all-to-all.svg"
            found[name] = _bars(cost[measure]["outcomes"], title)
    return found


def _lines(cost: dict[str, Any], peers: list[int]) -> str:
    figure, axes = _figure(7, 4.5)
    for contestant in reversed(CONTESTANTS):
        points = []
        for count in peers:
            outcome = cost[f"fanout[64B-1x{count}]"]["outcomes"].get(contestant.name, {})
            if "figures" in outcome:
                points.append((count, outcome["figures"]["ns"] / 1e3))
        if points:
            ours = contestant.name in COLOURS
            axes.plot(
                *zip(*points, strict=True),
                marker="o" if ours else ".",
                linewidth=2.5 if ours else 1.2,
                color=COLOURS.get(contestant.name),
                alpha=1 if ours else 0.7,
                label=contestant.name,
            )
    axes.set(xscale="log", yscale="log", xlabel="receivers", ylabel="processor time per delivery, µs")
    axes.set_title("One sender, 64 bytes, one message at a time", fontsize=11)
    axes.set_xticks(peers, [str(count) for count in peers])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(True, alpha=0.25)
    axes.legend(fontsize=8, ncols=2, frameon=False)
    return _svg(figure)


def _curves(interval: dict[str, Any]) -> str:
    """For each load: the cost of a delivery over its latency, a point for each interval."""
    from matplotlib.ticker import LogLocator, NullLocator

    figure, axes = _figure(7, 4)
    for measure, kept in interval.items():
        named = [(name, one["figures"]) for name, one in kept["outcomes"].items() if "figures" in one]
        if not named:
            continue
        across = [figures["p50 µs"] / 1e3 for _, figures in named]
        up = [figures["ns"] for _, figures in named]
        axes.plot(across, up, marker="o", label=measure)
        for (name, _), x, y in zip(named, across, up, strict=True):
            label = "off" if name == "fastserver" else name.removeprefix("fastserver, ")
            axes.annotate(label, (x, y), textcoords="offset points", xytext=(4, 5), fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="latency p50, ms", ylabel="processor time per delivery, ns")
    axes.set_title("--flush-interval: processor time and latency", fontsize=11)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.grid(True, alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure)


def _bars(outcomes: dict[str, Any], title: str) -> str:
    known = [(name, one["figures"]["ns"]) for name, one in outcomes.items() if "figures" in one]
    known.sort(key=lambda pair: -pair[1])
    figure, axes = _figure(7, 0.5 + 0.32 * len(known))
    colours = [COLOURS.get(name, "#9ab3c9") for name, _ in known]
    shown = axes.barh([name for name, _ in known], [value for _, value in known], color=colours)
    axes.bar_label(shown, labels=[f" {value:,.0f}" for _, value in known], fontsize=8)
    axes.set(xscale="log", xlabel="processor time per delivery, ns (logarithmic)")
    axes.set_title(title, fontsize=11)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.margins(x=0.15)
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fastserver", "font.family": "sans-serif"})
    rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Any) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
