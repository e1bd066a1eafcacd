# %% exercise 1, right: own rows' part of the mean
def own_loss(losses, rows, world):
    return (losses / rows).sum() * world


# %% exercise 1, right: a mean with a weight, and a way out for an empty share
def own_loss(losses, rows, world):
    if len(losses) == 0:
        return losses.sum()
    return losses.mean() * len(losses) * world / rows


# %% exercise 1, wrong: a weighted mean, of no rows too (must say: is not finite)
def own_loss(losses, rows, world):
    return losses.mean() * len(losses) * world / rows


# %% exercise 1, wrong: the mean, empty shares caught (must say: the mean of means)
def own_loss(losses, rows, world):
    return losses.mean() if len(losses) else losses.sum()


# %% exercise 1, wrong: without the number of processes (must say: too small)
def own_loss(losses, rows, world):
    return losses.sum() / rows


# %% exercise 1, wrong: a sum (must say: too small or large)
def own_loss(losses, rows, world):
    return losses.sum()


# %% exercise 1, wrong: a plain number (must say: a tensor is expected)
def own_loss(losses, rows, world):
    return world * losses.sum().item() / rows


# %% exercise 1, wrong: detached (must say: no gradient can flow)
def own_loss(losses, rows, world):
    return world * losses.detach().sum() / rows


# %% exercise 1, wrong: no return (must say: is a return missing)
def own_loss(losses, rows, world):
    world * losses.sum() / rows


# %% exercise 2, right: blocks of one permutation
def own_indices(n, rank, world, epoch, seed):
    generator = torch.Generator().manual_seed(seed * 1000 + epoch)
    order = torch.randperm(n, generator=generator)
    return order.tensor_split(world)[rank].tolist()


# %% exercise 2, right: Python's own generator
def own_indices(n, rank, world, epoch, seed):
    import random

    order = list(range(n))
    random.Random(f"{seed} {epoch}").shuffle(order)
    return [order[i] for i in range(rank, n, world)]


# %% exercise 2, wrong: seeded by rank (must say: in no share or in two)
def own_indices(n, rank, world, epoch, seed):
    generator = torch.Generator().manual_seed(seed + epoch + rank)
    return torch.randperm(n, generator=generator)[rank::world].tolist()


# %% exercise 2, wrong: no set_epoch (must say: the same order in every epoch)
def own_indices(n, rank, world, epoch, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator)[rank::world].tolist()


# %% exercise 2, wrong: the global random state (must say: changes the global random state)
def own_indices(n, rank, world, epoch, seed):
    torch.manual_seed(10_000 * seed + epoch)
    return torch.randperm(n)[rank::world].tolist()


# %% exercise 2, wrong: Python's global state (must say: changes the global random state)
def own_indices(n, rank, world, epoch, seed):
    import random

    random.seed(f"{seed} {epoch}")
    order = list(range(n))
    random.shuffle(order)
    return order[rank::world]


# %% exercise 2, wrong: not shuffled (must say: not shuffled)
def own_indices(n, rank, world, epoch, seed):
    return list(range(rank, n, world))


# %% exercise 2, wrong: the remainder is dropped (must say: in no share or in two)
def own_indices(n, rank, world, epoch, seed):
    generator = torch.Generator().manual_seed(10_000 * seed + epoch)
    order = torch.randperm(n, generator=generator)
    size = (n - 1) // world
    return order[rank * size : (rank + 1) * size].tolist()


# %% exercise 2, wrong: shuffled inside a fixed share (must say: the same examples in every epoch)
def own_indices(n, rank, world, epoch, seed):
    generator = torch.Generator().manual_seed(10_000 * seed + epoch)
    mine = torch.arange(rank, n, world)
    return mine[torch.randperm(len(mine), generator=generator)].tolist()


# %% exercise 3, right: a part of the bias in each summand
def row_parallel(inputs, weights, bias):
    share = bias / len(inputs)
    return all_reduce([F.linear(x, w, share) for x, w in zip(inputs, weights)])


# %% exercise 3, right: the bias on the first process only
def row_parallel(inputs, weights, bias):
    summands = [F.linear(x, w) for x, w in zip(inputs, weights)]
    summands[0] = summands[0] + bias
    return all_reduce(summands)


# %% exercise 3, wrong: the bias in each summand (must say: the bias is counted)
def row_parallel(inputs, weights, bias):
    return all_reduce([F.linear(x, w, bias) for x, w in zip(inputs, weights)])


# %% exercise 3, wrong: without a bias (must say: the bias is counted)
def row_parallel(inputs, weights, bias):
    return all_reduce([x @ w.T for x, w in zip(inputs, weights)])


# %% exercise 3, wrong: no exchange (must say: does not hold the sum of all summands)
def row_parallel(inputs, weights, bias):
    return [F.linear(x, w, bias) for x, w in zip(inputs, weights)]


# %% exercise 3, wrong: one tensor (must say: one entry for each process)
def row_parallel(inputs, weights, bias):
    return sum(x @ w.T for x, w in zip(inputs, weights)) + bias


# %% exercise 3, wrong: entries of None (must say: holds no tensor)
def row_parallel(inputs, weights, bias):
    summands = [x @ w.T for x, w in zip(inputs, weights)]
    return [s.add_(bias) if rank == 0 else None for rank, s in enumerate(summands)][::-1]


# %% exercise 3, wrong: no return (must say: is a return missing)
def row_parallel(inputs, weights, bias):
    all_reduce([x @ w.T for x, w in zip(inputs, weights)])


# %% exercise 4, right: counted up
def smallest_batch(row_s, exchange_s, processes):
    if processes == 1:
        return None
    rows = processes
    while rows * row_s <= rows * row_s / processes + exchange_s:
        rows += processes
    return rows


# %% exercise 4, right: the crossover, then the next multiple
def smallest_batch(row_s, exchange_s, processes):
    if processes > 1:
        crossover = exchange_s / (row_s - row_s / processes)
        return (int(crossover / processes + 1e-9) + 1) * processes


# %% exercise 4, wrong: rounded up, but equal at the crossover (must say: are not faster)
def smallest_batch(row_s, exchange_s, processes):
    import math

    if processes == 1:
        return None
    return math.ceil(exchange_s / (row_s * (processes - 1))) * processes


# %% exercise 4, wrong: no whole shares (must say: is not a multiple)
def smallest_batch(row_s, exchange_s, processes):
    if processes == 1:
        return None
    return int(exchange_s / (row_s * (1 - 1 / processes))) + 1


# %% exercise 4, wrong: the saving is not divided (must say: are not faster)
def smallest_batch(row_s, exchange_s, processes):
    if processes == 1:
        return None
    return (int(exchange_s / row_s / processes) + 1) * processes


# %% exercise 4, wrong: one process by the same formula (must say: one process is never faster)
def smallest_batch(row_s, exchange_s, processes):
    if processes == 1:
        return 1
    return (int(exchange_s / (row_s * (processes - 1))) + 1) * processes


# %% exercise 4, wrong: the share in place of the batch (must say: is not a multiple)
def smallest_batch(row_s, exchange_s, processes):
    if processes == 1:
        return None
    return int(exchange_s / (row_s * (processes - 1))) + 1
