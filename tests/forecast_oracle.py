"""Slow, readable oracles of forecasts and replays: what the fast code is set against."""

import numpy as np


def corrected(said, actual, window, leads, hours):
    """The AR(1) correction by its definition: ``said[t]`` is what hour t said of t, t + 1, ...

    Returns the slopes and the corrected forecast at hour ``len(actual)``.
    """
    now = len(actual)
    last = [0.0] + [float(actual[t] - said[t][0]) for t in range(now)]
    slope = np.zeros(leads)
    for k in range(leads):
        pairs = [
            (last[t - k], float(actual[t] - said[t - k][k]))
            for t in range(max(0, now - window), now)
            if t - k >= 0
        ]
        square = sum(x * x for x, _ in pairs)
        if square > 0:
            slope[k] = sum(x * y for x, y in pairs) / square
    forecast = said[now][:hours].copy()
    for k in range(min(hours, leads)):
        forecast[k] += slope[k] * last[now]
    return slope, forecast
