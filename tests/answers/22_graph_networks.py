"""Answers to the exercises of chapter 22; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: unique columns of a tensor
def to_edge_index(pairs):
    edges = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    edges = edges[:, edges[0] != edges[1]]
    return torch.cat([edges, edges.flip(0)], dim=1).unique(dim=1)


# %% exercise 1, right: through an adjacency matrix
def to_edge_index(pairs):
    n = max((max(pair) for pair in pairs), default=0) + 1
    matrix = torch.zeros(n, n, dtype=torch.bool)
    for u, v in pairs:
        matrix[u, v] = matrix[v, u] = u != v
    return matrix.nonzero().T


# %% exercise 1, wrong: both directions of what was typed (must say: an edge stands there twice)
def to_edge_index(pairs):
    edges = torch.tensor([p for p in pairs if p[0] != p[1]], dtype=torch.int64).reshape(-1, 2).T
    return torch.cat([edges, edges.flip(0)], dim=1)


# %% exercise 1, wrong: as typed, once each (must say: an edge has one direction only)
def to_edge_index(pairs):
    edges = {(min(u, v), max(u, v)) for u, v in pairs if u != v}
    return torch.tensor(sorted(edges), dtype=torch.int64).reshape(-1, 2).T


# %% exercise 1, wrong: rows are edges (must say: one row is expected for the sources)
def to_edge_index(pairs):
    edges = {(u, v) for u, v in pairs if u != v}
    edges |= {(v, u) for u, v in edges}
    return torch.tensor(sorted(edges), dtype=torch.int64).reshape(-1, 2)


# %% exercise 1, wrong: loops kept (must say: a node is joined with itself)
def to_edge_index(pairs):
    edges = set(pairs) | {(v, u) for u, v in pairs}
    return torch.tensor(sorted(edges), dtype=torch.int64).reshape(-1, 2).T


# %% exercise 1, wrong: an empty list forgotten (must say: an empty list must give)
def to_edge_index(pairs):
    edges = {(u, v) for u, v in pairs if u != v}
    edges |= {(v, u) for u, v in edges}
    return torch.tensor(sorted(edges)).T.long()


# %% exercise 2, right: sums in the form of scatter_reduce
def mean_of_neighbours(x, edge_index):
    source, target = edge_index
    place = target.unsqueeze(1).expand(-1, x.shape[1])
    return torch.zeros_like(x).scatter_reduce(0, place, x[source], "mean", include_self=False)


# %% exercise 2, right: node by node
def mean_of_neighbours(x, edge_index):
    rows = []
    for v in range(len(x)):
        messages = x[edge_index[0][edge_index[1] == v]]
        rows.append(messages.sum(dim=0) / max(len(messages), 1))
    return torch.stack(rows)


# %% exercise 2, wrong: from target to source (must say: the wrong direction)
def mean_of_neighbours(x, edge_index):
    target, source = edge_index
    total = torch.zeros_like(x).index_add(0, target, x[source])
    count = torch.zeros(len(x)).index_add(0, target, torch.ones(len(target)))
    return total / count.clamp(min=1).unsqueeze(1)


# %% exercise 2, wrong: the sum (must say: a sum, not a mean)
def mean_of_neighbours(x, edge_index):
    source, target = edge_index
    return torch.zeros_like(x).index_add(0, target, x[source])


# %% exercise 2, wrong: nobody there (must say: not a number)
def mean_of_neighbours(x, edge_index):
    source, target = edge_index
    total = torch.zeros_like(x).index_add(0, target, x[source])
    return total / target.bincount(minlength=len(x)).unsqueeze(1)


# %% exercise 2, wrong: the last message wins (must say: perhaps some messages were lost)
def mean_of_neighbours(x, edge_index):
    source, target = edge_index
    total = torch.zeros_like(x)
    total[target] += x[source]
    return total / target.bincount(minlength=len(x)).clamp(min=1).unsqueeze(1)


# %% exercise 2, wrong: the node takes part (must say: the node itself was averaged in)
def mean_of_neighbours(x, edge_index):
    source, target = edge_index
    total = x.index_add(0, target, x[source])
    return total / (target.bincount(minlength=len(x)) + 1).unsqueeze(1)


# %% exercise 2, wrong: without a graph (must say: no gradient flows back)
def mean_of_neighbours(x, edge_index):
    source, target = edge_index
    total = torch.zeros_like(x).index_add(0, target, x.detach()[source])
    return total / target.bincount(minlength=len(x)).clamp(min=1).unsqueeze(1)


# %% exercise 3, right: powers of a matrix
def receptive_field(edge_index, n, node, layers):
    matrix = torch.eye(n)
    matrix[edge_index[1], edge_index[0]] = 1
    return torch.linalg.matrix_power(matrix, layers)[node] > 0


# %% exercise 3, right: sets
def receptive_field(edge_index, n, node, layers):
    reached = {node}
    for _ in range(layers):
        reached |= {u for u, v in edge_index.T.tolist() if v in reached}
    return torch.tensor([i in reached for i in range(n)])


# %% exercise 3, wrong: forwards (must say: the wrong direction)
def receptive_field(edge_index, n, node, layers):
    inside = torch.zeros(n, dtype=torch.bool)
    inside[node] = True
    for _ in range(layers):
        inside[edge_index[1, inside[edge_index[0]]]] = True
    return inside


# %% exercise 3, wrong: both directions (must say: a direction was ignored)
def receptive_field(edge_index, n, node, layers):
    source, target = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    inside = torch.zeros(n, dtype=torch.bool)
    inside[node] = True
    for _ in range(layers):
        inside[source[inside[target]]] = True
    return inside


# %% exercise 3, wrong: one round too many (must say: it reaches too far)
def receptive_field(edge_index, n, node, layers):
    source, target = edge_index
    inside = torch.zeros(n, dtype=torch.bool)
    inside[node] = True
    for _ in range(layers + 1):
        inside[source[inside[target]]] = True
    return inside


# %% exercise 3, wrong: the last ring only (must say: the node itself belongs to it)
def receptive_field(edge_index, n, node, layers):
    source, target = edge_index
    inside = torch.zeros(n, dtype=torch.bool)
    inside[node] = True
    for _ in range(layers):
        ring = torch.zeros(n, dtype=torch.bool)
        ring[source[inside[target]]] = True
        inside = ring
    return inside


# %% exercise 3, wrong: one hop for any depth (must say: too near)
def receptive_field(edge_index, n, node, layers):
    inside = torch.zeros(n, dtype=torch.bool)
    inside[node] = True
    if layers:
        inside[edge_index[0, edge_index[1] == node]] = True
    return inside
