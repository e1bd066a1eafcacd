"""Answers to the exercises of chapter 28; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: allclose, which refuses NaN
def may_be_served(candidate, reference, x, tolerance):
    try:
        for part in (x[:1], x):
            got, wanted = candidate(part), reference(part)
            if got.shape != wanted.shape:
                return False
            if not torch.allclose(got, wanted, rtol=0, atol=tolerance):
                return False
    except Exception:
        return False
    return True


# %% exercise 1, right: a comparison that NaN cannot pass
def may_be_served(candidate, reference, x, tolerance):
    def fits(part):
        try:
            got = candidate(part)
        except Exception:
            return False
        wanted = reference(part)
        return got.shape == wanted.shape and bool(((got - wanted).abs() <= tolerance).all())

    return fits(x) and fits(x[:1])


# %% exercise 1, wrong: only the whole batch (must say: a batch of one was not tried)
def may_be_served(candidate, reference, x, tolerance):
    got, wanted = candidate(x), reference(x)
    return got.shape == wanted.shape and bool(((got - wanted).abs() <= tolerance).all())


# %% exercise 1, wrong: compares with a comparison that NaN fails (must say: not a number)
def may_be_served(candidate, reference, x, tolerance):
    for part in (x, x[:1]):
        try:
            got = candidate(part)
        except Exception:
            return False
        if got.shape != reference(part).shape:
            return False
        if (got - reference(part)).abs().max() > tolerance:
            return False
    return True


# %% exercise 1, wrong: the mean (must say: one bad picture among many)
def may_be_served(candidate, reference, x, tolerance):
    for part in (x, x[:1]):
        try:
            got = candidate(part)
        except Exception:
            return False
        wanted = reference(part)
        if got.shape != wanted.shape or not got.isfinite().all():
            return False
        if (got - wanted).abs().mean() > tolerance:
            return False
    return True


# %% exercise 1, wrong: finite numbers only asked of the whole (must say: for a batch of one)
def may_be_served(candidate, reference, x, tolerance):
    for part in (x, x[:1]):
        try:
            got = candidate(part)
        except Exception:
            return False
        wanted = reference(part)
        if got.shape != wanted.shape or not candidate(x).isfinite().all():
            return False
        if (got - wanted).abs().max() > tolerance:
            return False
    return True


# %% exercise 1, wrong: no absolute value (must say: below the reference)
def may_be_served(candidate, reference, x, tolerance):
    for part in (x, x[:1]):
        try:
            got = candidate(part)
        except Exception:
            return False
        wanted = reference(part)
        if got.shape != wanted.shape or not got.isfinite().all():
            return False
        if (got - wanted).max() > tolerance:
            return False
    return True


# %% exercise 1, wrong: broadcasts (must say: a wrong shape was let through)
def may_be_served(candidate, reference, x, tolerance):
    for part in (x, x[:1]):
        try:
            got = candidate(part)[:, :1]
        except Exception:
            return False
        wanted = reference(part)[:, :1]
        if not torch.allclose(got, wanted, rtol=0, atol=tolerance):
            return False
    return True


# %% exercise 1, wrong: prints instead of returning (must say: True or False is expected)
def may_be_served(candidate, reference, x, tolerance):
    print((candidate(x) - reference(x)).abs().max() <= tolerance)


# %% exercise 2, right: a heap
def waits_of_two(arrivals, work):
    free, waits = [0.0, 0.0], []
    for arrival, seconds in zip(arrivals, work):
        begin = max(arrival, heapq.heappop(free))
        heapq.heappush(free, begin + seconds)
        waits.append(begin - arrival)
    return waits


# %% exercise 2, right: two names
def waits_of_two(arrivals, work):
    first = second = 0.0
    waits = []
    for arrival, seconds in zip(arrivals, work):
        if first > second:
            first, second = second, first
        waits.append(max(0.0, first - arrival))
        first = arrival + waits[-1] + seconds
    return waits


# %% exercise 2, wrong: one worker (must say: one worker is idle)
def waits_of_two(arrivals, work):
    free, waits = 0.0, []
    for arrival, seconds in zip(arrivals, work):
        begin = max(arrival, free)
        waits.append(begin - arrival)
        free = begin + seconds
    return waits


# %% exercise 2, wrong: work before arrival (must say: a negative wait)
def waits_of_two(arrivals, work):
    free, waits = [0.0, 0.0], []
    for arrival, seconds in zip(arrivals, work):
        free.sort()
        waits.append(free[0] - arrival)
        free[0] = free[0] + seconds
    return waits


# %% exercise 2, wrong: the latency (must say: the wait ends when the work begins)
def waits_of_two(arrivals, work):
    free, waits = [0.0, 0.0], []
    for arrival, seconds in zip(arrivals, work):
        free.sort()
        free[0] = max(arrival, free[0]) + seconds
        waits.append(free[0] - arrival)
    return waits


# %% exercise 2, wrong: in turns (must say: requests do not take turns)
def waits_of_two(arrivals, work):
    free, waits = [0.0, 0.0], []
    for number, (arrival, seconds) in enumerate(zip(arrivals, work)):
        begin = max(arrival, free[number % 2])
        waits.append(begin - arrival)
        free[number % 2] = begin + seconds
    return waits


# %% exercise 2, wrong: one worker of double speed (must say: of three at once)
def waits_of_two(arrivals, work):
    free, waits = 0.0, []
    for arrival, seconds in zip(arrivals, work):
        begin = max(arrival, free)
        waits.append(begin - arrival)
        free = begin + seconds / 2
    return waits


# %% exercise 3, right: a queue of ends
def refused(arrivals, work, places):
    ends, answers = deque(), []
    for arrival in arrivals:
        while ends and ends[0] <= arrival:
            ends.popleft()
        if len(ends) >= places:
            answers.append(True)
        else:
            answers.append(False)
            ends.append((ends[-1] if ends else arrival) + work)
    return answers


# %% exercise 3, right: counts all accepted so far
def refused(arrivals, work, places):
    ends, answers = [], []
    for arrival in arrivals:
        inside = sum(end > arrival for end in ends)
        answers.append(inside >= places)
        if inside < places:
            begin = max(arrival, ends[-1]) if ends else arrival
            ends.append(begin + work)
    return answers


# %% exercise 3, wrong: only those who wait (must say: the one in work has a place)
def refused(arrivals, work, places):
    ends, answers = [], []
    for arrival in arrivals:
        ends = [end for end in ends if end > arrival]
        answers.append(len(ends) - 1 >= places)
        if not answers[-1]:
            ends.append(max([arrival, *ends]) + work)
    return answers


# %% exercise 3, wrong: nobody leaves (must say: still hold their places)
def refused(arrivals, work, places):
    inside, answers = 0, []
    for _ in arrivals:
        answers.append(inside >= places)
        inside += not answers[-1]
    return answers


# %% exercise 3, wrong: finished at the moment stays (must say: still hold their places)
def refused(arrivals, work, places):
    ends, answers = [], []
    for arrival in arrivals:
        ends = [end for end in ends if end >= arrival]
        answers.append(len(ends) >= places)
        if not answers[-1]:
            ends.append(max([arrival, *ends]) + work)
    return answers


# %% exercise 3, wrong: the refused work, too (must say: a refused request takes no time)
def refused(arrivals, work, places):
    ends, free, answers = [], 0.0, []
    for arrival in arrivals:
        ends = [end for end in ends if end > arrival]
        answers.append(len(ends) >= places)
        free = max(free, arrival) + work
        if not answers[-1]:
            ends.append(arrival + work)
        else:
            ends.append(free)
    return answers


# %% exercise 3, wrong: no queue, all at once (must say: wrong for forty arrivals)
def refused(arrivals, work, places):
    ends, answers = [], []
    for arrival in arrivals:
        ends = [end for end in ends if end > arrival]
        answers.append(len(ends) >= places)
        if not answers[-1]:
            ends.append(arrival + work)
    return answers
