"""Answers to the exercises of chapter 27; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: a loop
def diagnose(kind):
    found = set()
    for number, (name, check) in enumerate(CHECKS.items()):
        if alarm(check, kind(10 + number)):
            found.add(name)
    suspects = []
    for name in sorted(FINDS):
        if FINDS[name] == found:
            suspects.append(name)
    return suspects


# %% exercise 1, right: a table turned round
def diagnose(kind):
    by_row = {}
    for name in sorted(FINDS):
        by_row.setdefault(frozenset(FINDS[name]), []).append(name)
    row = frozenset(name for name in CHECKS if alarm(CHECKS[name], kind(5)))
    return by_row.get(row, [])


# %% exercise 1, wrong: rows that overlap (must say: suspects that do not fit)
def diagnose(kind):
    found = {name for name, check in CHECKS.items() if alarm(check, kind(0))}
    return sorted(name for name, row in FINDS.items() if found & row)


# %% exercise 1, wrong: nobody is accused (must say: the bug is not on the list)
def diagnose(kind):
    found = [name for name, check in CHECKS.items() if alarm(check, kind(0))]
    return [name for name, row in FINDS.items() if row == found]  # a set is no list


# %% exercise 1, wrong: one program for all checks (must say: the bug is not on the list)
def diagnose(kind):
    program = kind(0)
    found = {name for name, check in CHECKS.items() if alarm(check, program)}
    return sorted(name for name, row in FINDS.items() if found and row == found)


# %% exercise 1, wrong: everything that is not cleared (must say: a right program is accused)
def diagnose(kind):
    found = {name for name, check in CHECKS.items() if alarm(check, kind(0))}
    return sorted(name for name, row in FINDS.items() if found <= row)


# %% exercise 1, wrong: the first suspect (must say: a list is expected)
def diagnose(kind):
    found = {name for name, check in CHECKS.items() if alarm(check, kind(0))}
    return next((name for name, row in FINDS.items() if row == found), None)


# %% exercise 2, right: the whole Jacobian
def influences(function, x):
    jacobian = torch.autograd.functional.jacobian(function, x)  # (N, K, N, D)
    return (jacobian != 0).any(dim=3).any(dim=1)


# %% exercise 2, right: one output number at a time
def influences(function, x):
    n = len(x)
    found = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        k = function(x)[i].numel()
        for number in range(k):
            copy_of_x = x.detach().clone().requires_grad_(True)
            function(copy_of_x)[i].flatten()[number].backward()
            found[i] |= copy_of_x.grad.abs().sum(1) > 0
    return found


# %% exercise 2, wrong: the plain sum of the whole batch (must say: the shape is)
def influences(function, x):
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(function(x).sum(), x)
    return grad.ne(0).any(dim=1)


# %% exercise 2, wrong: the plain sum of each output (must say: a dependence is missed)
def influences(function, x):
    x = x.clone().requires_grad_()
    rows = []
    for output in function(x):
        (grad,) = torch.autograd.grad(output.sum(), x, retain_graph=True)
        rows.append(grad.ne(0).any(dim=1))
    return torch.stack(rows)


# %% exercise 2, wrong: inputs are rows (must say: rows and columns are exchanged)
def influences(function, x):
    jacobian = torch.autograd.functional.jacobian(function, x)
    return (jacobian != 0).any(dim=3).any(dim=1).T


# %% exercise 2, wrong: numbers (must say: booleans are expected)
def influences(function, x):
    jacobian = torch.autograd.functional.jacobian(function, x)
    return jacobian.abs().sum(dim=(1, 3))


# %% exercise 2, wrong: nobody is asked (must say: a dependence is missed)
def influences(function, x):
    return torch.eye(len(x), dtype=torch.bool)


# %% exercise 2, wrong: works on the reader's tensor (must say: of the caller is changed)
def influences(function, x):
    x.requires_grad_()
    rows = []
    for output in function(x):
        (grad,) = torch.autograd.grad(output.square().sum(), x, retain_graph=True)
        rows.append(grad.ne(0).any(dim=1))
    return torch.stack(rows)


# %% exercise 3, right: loops
def total_and_self(stacks, function):
    samples = total = own = 0
    for stack, n in stacks.items():
        samples += n
        if any(name == function for name in stack):
            total += n
        if stack[len(stack) - 1] == function:
            own += n
    return [total / samples, own / samples]


# %% exercise 3, right: counters
def total_and_self(stacks, function):
    anywhere, innermost = Counter(), Counter()
    for stack, n in stacks.items():
        innermost[stack[-1]] += n
        for name in set(stack):
            anywhere[name] += n
    samples = innermost.total()
    return anywhere[function] / samples, innermost[function] / samples


# %% exercise 3, wrong: recursion counted twice (must say: is counted twice)
def total_and_self(stacks, function):
    samples = sum(stacks.values())
    total = sum(n * stack.count(function) for stack, n in stacks.items())
    own = sum(n for stack, n in stacks.items() if stack[-1] == function)
    return total / samples, own / samples


# %% exercise 3, wrong: similar names (must say: names must be equal)
def total_and_self(stacks, function):
    samples = sum(stacks.values())
    total = sum(n for stack, n in stacks.items() if any(function in name for name in stack))
    own = sum(n for stack, n in stacks.items() if stack[-1] == function)
    return total / samples, own / samples


# %% exercise 3, wrong: stacks, not samples (must say: samples are counted)
def total_and_self(stacks, function):
    total = sum(function in stack for stack in stacks)
    own = sum(stack[-1] == function for stack in stacks)
    return total / len(stacks), own / len(stacks)


# %% exercise 3, wrong: numbers of samples (must say: a share, not a number)
def total_and_self(stacks, function):
    total = sum(n for stack, n in stacks.items() if function in stack)
    own = sum(n for stack, n in stacks.items() if stack[-1] == function)
    return total, own


# %% exercise 4, right: storages kept in a list
def kept_bytes(function, x, parameters):
    seen = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        result = function(x)
    own = {p.untyped_storage().data_ptr() for p in parameters}
    places = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in seen}
    assert result is not None
    return sum(places[place] for place in places.keys() - own)


# %% exercise 4, right: count when first met
def kept_bytes(function, x, parameters):
    met, total = {p.untyped_storage().data_ptr() for p in parameters}, 0
    alive = []

    def pack(t):
        nonlocal total
        alive.append(t)
        place = t.untyped_storage().data_ptr()
        total += 0 if place in met else t.untyped_storage().size()
        met.add(place)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        function(x)
    return total


# %% exercise 4, wrong: each tensor by itself (must say: one storage is counted twice)
def kept_bytes(function, x, parameters):
    own, sizes = {p.untyped_storage().data_ptr() for p in parameters}, []

    def pack(t):
        if t.untyped_storage().data_ptr() not in own:
            sizes.append(t.untyped_storage().nbytes())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = function(x)
    return sum(sizes) + 0 * len(y)


# %% exercise 4, wrong: parameters too (must say: the parameters are counted)
def kept_bytes(function, x, parameters):
    sizes = {}

    def pack(t):
        sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = function(x)
    return sum(sizes.values()) + 0 * len(y)


# %% exercise 4, wrong: the size of the view (must say: a view keeps its whole storage)
def kept_bytes(function, x, parameters):
    own, sizes = {p.untyped_storage().data_ptr() for p in parameters}, {}

    def pack(t):
        sizes[t.untyped_storage().data_ptr()] = t.numel() * t.element_size()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = function(x)
    return sum(size for place, size in sizes.items() if place not in own) + 0 * len(y)


# %% exercise 4, wrong: four bytes each (must say: elements are counted, not bytes)
def kept_bytes(function, x, parameters):
    own, sizes = {p.untyped_storage().data_ptr() for p in parameters}, {}

    def pack(t):
        sizes[t.untyped_storage().data_ptr()] = 4 * (
            t.untyped_storage().nbytes() // t.element_size()
        )
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = function(x)
    return sum(size for place, size in sizes.items() if place not in own) + 0 * len(y)
