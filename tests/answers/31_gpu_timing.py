"""Answers to the exercises of chapter 31; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: outputs, each with its terms
def linear_flops(batch, n_in, n_out):
    outputs = batch * n_out
    return outputs * (n_in + n_in)  # multiplications and additions


# %% exercise 1, right: one example after the other
def linear_flops(batch, n_in, n_out):
    return sum(2 * n_in * n_out for _ in range(batch))


# %% exercise 1, right: asks the counter itself
def linear_flops(batch, n_in, n_out):
    with FlopCounterMode(display=False) as counter:
        torch.mm(torch.ones(batch, n_in), torch.ones(n_in, n_out))
    return counter.get_total_flops()


# %% exercise 1, wrong: multiplications only (must say: half of the operations)
def linear_flops(batch, n_in, n_out):
    return batch * n_in * n_out


# %% exercise 1, wrong: one addition less than terms (must say: the first addition of each sum)
def linear_flops(batch, n_in, n_out):
    return batch * n_out * (2 * n_in - 1)


# %% exercise 1, wrong: with the bias (must say: the bias is to be left out)
def linear_flops(batch, n_in, n_out):
    return 2 * batch * n_in * n_out + batch * n_out


# %% exercise 1, wrong: one example (must say: counts one example)
def linear_flops(batch, n_in, n_out):
    return 2 * n_in * n_out


# %% exercise 1, wrong: as if square (must say: PyTorch counts)
def linear_flops(batch, n_in, n_out):
    return 2 * n_in**3


# %% exercise 1, wrong: prints (must say: a number is expected, got NoneType)
def linear_flops(batch, n_in, n_out):
    print(2 * batch * n_in * n_out)


# %% exercise 2, right: with the chapter's timer, on a job as warm-up
def fair_seconds(device, seconds):
    def job():
        device.launch(seconds)

    job()
    return once_synchronized(job, device.synchronize)


# %% exercise 2, right: the median of three
def fair_seconds(device, seconds):
    once_synchronized(lambda: device.launch(0), device.synchronize)
    times = [
        once_synchronized(lambda: device.launch(seconds), device.synchronize) for _ in range(3)
    ]
    return statistics.median(times)


# %% exercise 2, right: reads the log of the device
def fair_seconds(device, seconds):
    for length in (0.001, seconds):
        device.launch(length)
    device.synchronize()
    start, end = device.log[-1]
    return end - start


# %% exercise 2, wrong: stopped after the launch (must say: the clock stopped before the work)
def fair_seconds(device, seconds):
    device.launch(0.0)
    device.synchronize()
    start = time.perf_counter()
    device.launch(seconds)
    return time.perf_counter() - start


# %% exercise 2, wrong: no warm-up (must say: the set-up is in the time)
def fair_seconds(device, seconds):
    device.synchronize()
    start = time.perf_counter()
    device.launch(seconds)
    device.synchronize()
    return time.perf_counter() - start


# %% exercise 2, wrong: no waiting before the start (must say: earlier jobs or the set-up)
def fair_seconds(device, seconds):
    device.launch(0.0)
    start = time.perf_counter()
    device.launch(seconds)
    device.synchronize()
    return time.perf_counter() - start


# %% exercise 2, wrong: starts the clock before it waits (must say: earlier jobs or the set-up)
def fair_seconds(device, seconds):
    start = time.perf_counter()
    device.launch(0.0)
    device.synchronize()
    device.launch(seconds)
    device.synchronize()
    return time.perf_counter() - start


# %% exercise 2, wrong: believes the promise (must say: the clock stopped before the work)
def fair_seconds(device, seconds):
    device.launch(0.0)
    device.launch(seconds)
    device.synchronize()
    return seconds


# %% exercise 2, wrong: runs no job (must say: no job of that length was launched)
def fair_seconds(device, seconds):
    return seconds


# %% exercise 2, wrong: milliseconds (must say: is it in seconds?)
def fair_seconds(device, seconds):
    device.launch(0.0)
    device.synchronize()
    start = time.perf_counter()
    device.launch(seconds)
    device.synchronize()
    return 1000 * (time.perf_counter() - start)


# %% exercise 2, wrong: no return (must say: a number is expected, got NoneType)
def fair_seconds(device, seconds):
    device.launch(0.0)
    device.synchronize()
    start = time.perf_counter()
    device.launch(seconds)
    device.synchronize()
    time.perf_counter() - start


# %% exercise 3, right: counts upwards
def break_even(t_cpu, t_copy, t_gpu):
    if t_cpu <= t_gpu:
        return None
    k = 1
    while t_copy + k * t_gpu >= k * t_cpu:
        k += 1
    return k


# %% exercise 3, right: whole and remaining copies, with divmod
def break_even(t_cpu, t_copy, t_gpu):
    gain = t_cpu - t_gpu
    if gain > 0:
        return int(divmod(t_copy, gain)[0]) + 1


# %% exercise 3, right: rounds up and mends the tie
def break_even(t_cpu, t_copy, t_gpu):
    if not t_gpu < t_cpu:
        return None
    k = max(1, math.ceil(t_copy / (t_cpu - t_gpu)))
    return k if k * t_cpu > t_copy + k * t_gpu else k + 1


# %% exercise 3, wrong: rounds up (must say: at a tie the GPU is not faster)
def break_even(t_cpu, t_copy, t_gpu):
    if t_gpu >= t_cpu:
        return None
    return max(1, math.ceil(t_copy / (t_cpu - t_gpu)))


# %% exercise 3, wrong: rounds down (must say: the lecture's times)
def break_even(t_cpu, t_copy, t_gpu):
    if t_gpu >= t_cpu:
        return None
    return math.floor(t_copy / (t_cpu - t_gpu))


# %% exercise 3, wrong: the products on the GPU are free (must say: the GPU's own time)
def break_even(t_cpu, t_copy, t_gpu):
    if t_gpu >= t_cpu:
        return None
    return math.floor(t_copy / t_cpu) + 1


# %% exercise 3, wrong: equal times forgotten (must say: a division by zero)
def break_even(t_cpu, t_copy, t_gpu):
    if t_gpu > t_cpu:
        return None
    return math.floor(t_copy / (t_cpu - t_gpu)) + 1


# %% exercise 3, wrong: never is forgotten (must say: expected None)
def break_even(t_cpu, t_copy, t_gpu):
    return math.floor(t_copy / (t_cpu - t_gpu)) + 1


# %% exercise 3, wrong: looks at the first product only (must say: a number is expected)
def break_even(t_cpu, t_copy, t_gpu):
    return 1 if t_copy + t_gpu < t_cpu else None


# %% exercise 4, right: a loop that returns early
def explain(seconds, peak):
    times = []
    for n in seconds:
        if seconds[n] < 2 * n * n * n / peak:
            return "impossible"
        times.append(seconds[n])
    times.sort()
    return "work" if times[-1] / times[0] >= 2 else "calls"


# %% exercise 4, right: the highest rate, with tensors
def explain(seconds, peak):
    n = torch.tensor(list(seconds), dtype=torch.float64)
    t = torch.tensor(list(seconds.values()), dtype=torch.float64)
    if (2 * n**3 / t).max() > peak:
        return "impossible"
    return ("calls", "work")[int(t.max() >= 2 * t.min())]


# %% exercise 4, wrong: half of the operations (must say: expected 'impossible')
def explain(seconds, peak):
    if any(n**3 / t > peak for n, t in seconds.items()):
        return "impossible"
    return "calls" if max(seconds.values()) < 2 * min(seconds.values()) else "work"


# %% exercise 4, wrong: flat times before the rates (must say: expected 'impossible')
def explain(seconds, peak):
    if max(seconds.values()) < 2 * min(seconds.values()):
        return "calls"
    return "impossible" if any(2 * n**3 / t > peak for n, t in seconds.items()) else "work"


# %% exercise 4, wrong: the largest size only (must say: look at every size)
def explain(seconds, peak):
    n = max(seconds)
    if 2 * n**3 / seconds[n] > peak:
        return "impossible"
    return "calls" if max(seconds.values()) < 2 * min(seconds.values()) else "work"


# %% exercise 4, wrong: only equal times are flat (must say: expected 'calls')
def explain(seconds, peak):
    if any(2 * n**3 / t > peak for n, t in seconds.items()):
        return "impossible"
    return "calls" if len(set(seconds.values())) == 1 else "work"


# %% exercise 4, wrong: last against first (must say: expected 'work')
def explain(seconds, peak):
    if any(2 * n**3 / t > peak for n, t in seconds.items()):
        return "impossible"
    times = list(seconds.values())
    return "calls" if times[-1] < 2 * times[0] else "work"


# %% exercise 4, wrong: the same rate means work (must say: expected 'calls')
def explain(seconds, peak):
    rates = [2 * n**3 / t for n, t in seconds.items()]
    if max(rates) > peak:
        return "impossible"
    return "calls" if max(rates) < peak / 2 and min(rates) > peak / 1000 else "work"


# %% exercise 4, wrong: prints (must say: is the return missing?)
def explain(seconds, peak):
    print("impossible" if any(2 * n**3 / t > peak for n, t in seconds.items()) else "work")
