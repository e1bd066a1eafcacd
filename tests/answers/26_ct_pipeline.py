"""Answers to the exercises of chapter 26; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: a loop over the nodules
def loss_rows(outlined, grouped, score, cut):
    rows = [0, 0, 0, 0]
    for one, two, value in zip(outlined.tolist(), grouped.tolist(), score.tolist(), strict=True):
        if two:
            rows[3 if value > cut else 2] += 1
        else:
            rows[1 if one else 0] += 1
    return rows


# %% exercise 1, right: numbers of rows, counted
def loss_rows(outlined, grouped, score, cut):
    row = outlined.long()
    row = torch.where(grouped, 2 + (score > cut).long(), row)
    return torch.bincount(row, minlength=4).tolist()


# %% exercise 1, wrong: each stage counts all that lack it (must say: the rows must add up)
def loss_rows(outlined, grouped, score, cut):
    found = grouped & (score > cut)
    return [
        int((~outlined).sum()),
        int((~grouped).sum()),
        int((score <= cut).sum()),
        int(found.sum()),
    ]


# %% exercise 1, wrong: at the cut is found (must say: exactly at the cut is refused)
def loss_rows(outlined, grouped, score, cut):
    found = grouped & (score >= cut)
    rows = (~outlined & ~grouped, outlined & ~grouped, grouped & ~found, found)
    return [int(row.sum()) for row in rows]


# %% exercise 1, wrong: decided from the first stage on (must say: a candidate without an outlined)
def loss_rows(outlined, grouped, score, cut):
    missed = ~outlined
    lost = outlined & ~grouped
    refused = outlined & grouped & (score <= cut)
    return [int(row.sum()) for row in (missed, lost, refused, ~missed & ~lost & ~refused)]


# %% exercise 1, wrong: tensors (must say: rows must be Python integers)
def loss_rows(outlined, grouped, score, cut):
    found = grouped & (score > cut)
    rows = (~outlined & ~grouped, outlined & ~grouped, grouped & ~found, found)
    return [row.sum() for row in rows]


# %% exercise 2, right: SciPy's own centres
def large_groups(mask, at_least):
    labeled, n = ndimage.label(mask, ndimage.generate_binary_structure(3, 3))
    sizes = ndimage.sum_labels(mask, labeled, range(1, n + 1))
    order = [k + 1 for k in np.argsort(-np.asarray(sizes), kind="stable") if sizes[k] >= at_least]
    centres = ndimage.center_of_mass(mask, labeled, order)
    return np.asarray(centres, dtype=float).reshape(-1, 3)


# %% exercise 2, right: a flood fill by hand
def large_groups(mask, at_least):
    left, groups = {tuple(v) for v in np.argwhere(mask)}, []
    while left:
        todo, group = [left.pop()], []
        while todo:
            voxel = todo.pop()
            group.append(voxel)
            for step in itertools.product((-1, 0, 1), repeat=3):
                near = tuple(a + b for a, b in zip(voxel, step, strict=True))
                if near in left:
                    left.remove(near)
                    todo.append(near)
        if len(group) >= at_least:
            groups.append(group)
    groups.sort(key=len, reverse=True)
    return np.array([np.mean(group, axis=0) for group in groups]).reshape(-1, 3)


# %% exercise 2, wrong: the default structure (must say: touch at a corner are one group)
def large_groups(mask, at_least):
    labeled, n = ndimage.label(mask)
    sizes = np.bincount(labeled.ravel(), minlength=n + 1)
    numbers = sorted((k for k in range(1, n + 1) if sizes[k] >= at_least), key=lambda k: -sizes[k])
    return np.array([np.argwhere(labeled == k).mean(0) for k in numbers]).reshape(-1, 3)


# %% exercise 2, wrong: more than so many (must say: at least 2: a group of 2 is large enough)
def large_groups(mask, at_least):
    labeled, n = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labeled.ravel(), minlength=n + 1)
    numbers = sorted((k for k in range(1, n + 1) if sizes[k] > at_least), key=lambda k: -sizes[k])
    return np.array([np.argwhere(labeled == k).mean(0) for k in numbers]).reshape(-1, 3)


# %% exercise 2, wrong: in the order of the labels (must say: the largest group comes first)
def large_groups(mask, at_least):
    labeled, n = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labeled.ravel(), minlength=n + 1)
    numbers = [k for k in range(1, n + 1) if sizes[k] >= at_least]
    return np.array([np.argwhere(labeled == k).mean(0) for k in numbers]).reshape(-1, 3)


# %% exercise 2, wrong: the middle of the bounding box (must say: the mean of the group's voxels)
def large_groups(mask, at_least):
    labeled, n = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labeled.ravel(), minlength=n + 1)
    numbers = sorted((k for k in range(1, n + 1) if sizes[k] >= at_least), key=lambda k: -sizes[k])
    places = [np.argwhere(labeled == k) for k in numbers]
    return np.array([(p.min(0) + p.max(0)) / 2 for p in places]).reshape(-1, 3)


# %% exercise 2, wrong: an empty list has no shape (must say: the shape must be (0, 3))
def large_groups(mask, at_least):
    labeled, n = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labeled.ravel(), minlength=n + 1)
    numbers = sorted((k for k in range(1, n + 1) if sizes[k] >= at_least), key=lambda k: -sizes[k])
    return np.array([np.argwhere(labeled == k).mean(0) for k in numbers])


# %% exercise 3, right: NumPy
def leak(kept, held, series):
    names = np.array(series)
    if len(held) == 0:
        return math.nan
    return float(np.isin(names[held], names[kept]).mean())


# %% exercise 3, right: pandas
def leak(kept, held, series):
    names = pd.Series(series)
    return float(names.iloc[held].isin(names.iloc[kept]).mean()) if held else float("nan")


# %% exercise 3, wrong: numbers of rows instead of names (must say: row numbers never agree)
def leak(kept, held, series):
    return len(set(kept) & set(held)) / len(held) if held else float("nan")


# %% exercise 3, wrong: the share of the series (must say: a share of the held rows, not series)
def leak(kept, held, series):
    a, b = {series[k] for k in kept}, {series[k] for k in held}
    return len(a & b) / len(b) if b else float("nan")


# %% exercise 3, wrong: the share of the kept rows (must say: a share of the held rows)
def leak(kept, held, series):
    known = {series[k] for k in held}
    return sum(series[k] in known for k in kept) / len(kept) if held else float("nan")


# %% exercise 3, wrong: divides by 0 (must say: without held rows the answer is nan)
def leak(kept, held, series):
    known = {series[k] for k in kept}
    return sum(series[k] in known for k in held) / len(held)
