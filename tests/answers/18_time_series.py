"""Answers to the exercises of chapter 18; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: a loop
def make_pairs(series, length, ahead):
    starts = range(len(series) - length - ahead + 1)
    inputs = torch.stack([series[i : i + length] for i in starts])
    return inputs, torch.stack([series[i + length + ahead - 1] for i in starts])


# %% exercise 1, right: windows that hold the target, too
def make_pairs(series, length, ahead):
    rows = series.unfold(0, length + ahead, 1)
    return rows[:, :length], rows[:, -1]


# %% exercise 1, right: a table of indices
def make_pairs(series, length, ahead):
    start = torch.arange(len(series) - length - ahead + 1)
    return [series[start[:, None] + torch.arange(length)], series[start + length + ahead - 1]]


# %% exercise 1, wrong: one value is skipped (must say: pairs instead of)
def make_pairs(series, length, ahead):
    starts = range(len(series) - length - ahead)
    inputs = torch.stack([series[i : i + length] for i in starts])
    return inputs, torch.stack([series[i + length + ahead] for i in starts])


# %% exercise 1, wrong: one value is skipped, the last ones are wrapped (must say: one step too far)
def make_pairs(series, length, ahead):
    start = torch.arange(len(series) - length - ahead + 1)
    rows = series[start[:, None] + torch.arange(length)]
    return rows, series[(start + length + ahead) % len(series)]


# %% exercise 1, wrong: the length divided by the window (must say: pairs instead of)
def make_pairs(series, length, ahead):
    starts = range(len(series) // length)
    inputs = torch.stack([series[i : i + length] for i in starts])
    return inputs, torch.stack([series[i + length + ahead - 1] for i in starts])


# %% exercise 1, wrong: shuffled (must say: not in order)
def make_pairs(series, length, ahead):
    rows = series.unfold(0, length + ahead, 1)
    rows = torch.cat([rows[:1], rows[1:].flip(0)])
    return rows[:, :length], rows[:, -1]


# %% exercise 1, wrong: ahead is left out (must say: pairs instead of)
def make_pairs(series, length, ahead):
    rows = series.unfold(0, length + 1, 1)
    return rows[:, :length], rows[:, -1]


# %% exercise 2, right: indices
def seasonal_naive(past, season, horizon):
    return past[len(past) - season + torch.arange(horizon) % season]


# %% exercise 2, right: value by value, looking back at what is forecast
def seasonal_naive(past, season, horizon):
    values = past.tolist()
    for _ in range(horizon):
        values.append(values[-season])
    return torch.tensor(values[len(past) :], dtype=past.dtype)


# %% exercise 2, wrong: one season only (must say: has the shape)
def seasonal_naive(past, season, horizon):
    return past[-season:][:horizon]


# %% exercise 2, wrong: the last value (must say: repeats the last value)
def seasonal_naive(past, season, horizon):
    return past[-1].expand(horizon)


# %% exercise 2, wrong: one place too late (must say: shifted by one)
def seasonal_naive(past, season, horizon):
    return past[len(past) - season + (torch.arange(horizon) + 1) % season]


# %% exercise 2, wrong: the beginning of the series (must say: the first season)
def seasonal_naive(past, season, horizon):
    return past[:season].repeat(horizon // season + 1)[:horizon]


# %% exercise 3, right: a loop
def trailing_mean(series, width):
    ends = range(1, len(series) + 1)
    return torch.stack([series[max(0, end - width) : end].mean() for end in ends])


# %% exercise 3, right: windows over a padded series
def trailing_mean(series, width):
    zeros = series.new_zeros(width - 1)
    total = torch.cat([zeros, series]).unfold(0, width, 1).sum(dim=1)
    return total / torch.arange(1, len(series) + 1).clamp(max=width)


# %% exercise 3, wrong: centred (must say: looks into the future)
def trailing_mean(series, width):
    return torch.stack(
        [
            series[max(0, i - width // 2) : i + (width + 1) // 2 + (width > 1)].mean()
            for i in range(len(series))
        ]
    )


# %% exercise 3, wrong: starts at the current value (must say: looks into the future)
def trailing_mean(series, width):
    width = max(width, 2)
    return torch.stack([series[i : i + width].mean() for i in range(len(series))])


# %% exercise 3, wrong: without the current value (must say: the current value is left out)
def trailing_mean(series, width):
    filled = torch.cat([series[:1].expand(width), series])
    return filled.unfold(0, width, 1)[:-1].mean(dim=1)


# %% exercise 3, wrong: zeros before the series (must say: at the beginning)
def trailing_mean(series, width):
    return torch.cat([series.new_zeros(width - 1), series]).unfold(0, width, 1).mean(dim=1)


# %% exercise 3, wrong: fewer values (must say: has the shape)
def trailing_mean(series, width):
    return series.unfold(0, max(width, 2), 1).mean(dim=1)


# %% exercise 4, right: the k-th value
def interval(forecast, past_forecasts, past_truth, level):
    n = len(past_truth)
    errors = torch.abs(past_truth - past_forecasts)
    width = errors.kthvalue(math.ceil((n + 1) * level), dim=0).values
    return forecast - width, forecast + width


# %% exercise 4, right: step by step
def interval(forecast, past_forecasts, past_truth, level):
    low, high = [], []
    for step in range(len(forecast)):
        errors = sorted(abs(a - b) for a, b in zip(past_forecasts[:, step], past_truth[:, step]))
        width = errors[math.ceil((len(errors) + 1) * level) - 1]
        low.append(forecast[step] - width)
        high.append(forecast[step] + width)
    return torch.stack(low), torch.stack(high)


# %% exercise 4, wrong: the plain quantile (must say: n + 1)
def interval(forecast, past_forecasts, past_truth, level):
    width = (past_forecasts - past_truth).abs().quantile(level, dim=0)
    return forecast - width, forecast + width


# %% exercise 4, wrong: errors with their sign (must say: take absolute errors)
def interval(forecast, past_forecasts, past_truth, level):
    errors = (past_truth - past_forecasts).sort(dim=0).values
    width = errors[math.ceil((len(errors) + 1) * level) - 1]
    return forecast - width, forecast + width


# %% exercise 4, wrong: one width for all steps (must say: all steps have the same width)
def interval(forecast, past_forecasts, past_truth, level):
    errors = (past_forecasts - past_truth).abs().flatten().sort().values
    width = errors[math.ceil((len(errors) + 1) * level) - 1]
    return forecast - width, forecast + width


# %% exercise 4, wrong: half a width (must say: the widths are other)
def interval(forecast, past_forecasts, past_truth, level):
    errors = (past_forecasts - past_truth).abs().sort(dim=0).values
    width = errors[math.ceil((len(errors) + 1) * level) - 1]
    return forecast - width / 2, forecast + width / 2


# %% exercise 4, wrong: the rank counts n errors, not n + 1 (must say: n + 1)
def interval(forecast, past_forecasts, past_truth, level):
    errors = (past_forecasts - past_truth).abs().sort(dim=0).values
    width = errors[math.ceil(len(errors) * level) - 1]
    return forecast - width, forecast + width


# %% exercise 4, wrong: the rank as an index (must say: the widths are other)
def interval(forecast, past_forecasts, past_truth, level):
    errors = (past_forecasts - past_truth).abs().sort(dim=0).values
    width = errors[math.ceil((len(errors) + 1) * level)]
    return forecast - width, forecast + width
