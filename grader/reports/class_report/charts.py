"""Charts of the class report: Vega-Lite, drawn here as SVG.

So the page needs no script for them, and each mark has a label that a screen reader says. Colours
are the page's CSS variables, so that a chart is dark where the page is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from grader.contract.messages import shorten

STATES = ("done", "partly", "wrong", "blocked", "not_started", "error")
LONGEST = 40  # characters of a task's name
FONT = "system-ui, sans-serif"
WIDTH, LABELS = 280, 12  # px; narrow enough for a phone, where charts keep their size


def marks(bins: Sequence[tuple[str, int]]) -> Markup:
    """Draw how many submissions have how many points."""
    values = [{"points": label, "submissions": count} for label, count in bins]
    x = {"field": "points", "type": "ordinal", "sort": None, "axis": {"labelAngle": 0}}
    y = {
        "field": "submissions",
        "type": "quantitative",
        "axis": {"tickMinStep": 1, "tickCount": 4, "format": "d"},
    }
    bar = {"type": "bar", "color": "var(--accent)", "cornerRadiusEnd": 3}
    number = {"type": "text", "dy": -7, "color": "var(--ink)", "fontSize": LABELS}
    return _svg(
        {
            "data": {"values": values},
            "height": 190,
            "encoding": {
                "x": {**x, "title": "Points, from"},
                "y": {**y, "title": "Submissions"},
            },
            "layer": [
                {"mark": bar},
                {
                    "mark": {**number, "aria": False},
                    "transform": [{"filter": "datum.submissions > 0"}],
                    "encoding": {"text": {"field": "submissions"}},
                },
            ],
        }
    )


def tasks(counts: Mapping[str, Mapping[str, int]]) -> Markup:
    """Draw the states of each task: task to state to number of submissions."""
    values = [
        {
            "task": shorten(task, LONGEST),
            "state": _shown(state),
            "order": place,
            "submissions": states[state],
        }
        for task, states in counts.items()
        for place, state in enumerate(STATES)
        if states.get(state)
    ]
    there = [state for state in STATES if any(each.get(state) for each in counts.values())]
    scale = {
        "domain": [_shown(state) for state in there],
        "range": [f"var(--{state.replace('_', '-')})" for state in there],
    }
    legend = {"orient": "top", "title": None, "columns": 3, "symbolType": "square"}
    return _svg(
        {
            "data": {"values": values},
            "height": {"step": 34},
            "mark": {"type": "bar", "cornerRadius": 2, "height": {"band": 0.72}},
            "encoding": {
                "y": {"field": "task", "type": "nominal", "sort": None, "title": None},
                "x": {
                    "field": "submissions",
                    "type": "quantitative",
                    "title": "Submissions",
                    "axis": {"tickMinStep": 1, "tickCount": 5, "format": "d"},
                    "scale": {"nice": False},
                },
                "color": {"field": "state", "type": "nominal", "scale": scale, "legend": legend},
                "order": {"field": "order"},
            },
        }
    )


def _shown(state: str) -> str:
    return state.replace("_", " ")


def _svg(spec: dict[str, Any]) -> Markup:
    """Draw a chart; what stands in it is the grader's own text."""
    import vl_convert

    axis = {
        "labelColor": "var(--ink)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": LABELS,
        "titleFontSize": LABELS,
        "titleFontWeight": "normal",
    }
    legend = {"labelColor": "var(--ink)", "labelFontSize": LABELS}
    config = {"font": FONT, "view": {"stroke": None}, "axis": axis, "legend": legend}
    frame = {
        "width": WIDTH,
        "background": None,
        "padding": {"left": 14, "top": 4, "right": 8, "bottom": 2},
        "config": config,
    }
    return Markup(vl_convert.vegalite_to_svg({**frame, **spec}))
