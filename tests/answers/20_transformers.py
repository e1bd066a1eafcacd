"""Answers to the exercises of chapter 20; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: einsum
def attend(q, k, v, hidden):
    scores = torch.einsum("nqd,nkd->nqk", q, k) * q.shape[2] ** -0.5
    scores[hidden] = -math.inf
    return torch.einsum("nqk,nkm->nqm", scores.softmax(dim=-1), v)


# %% exercise 1, right: exponentials of what is seen
def attend(q, k, v, hidden):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    scores = scores - scores.amax(dim=-1, keepdim=True)
    weights = torch.where(hidden, 0.0, scores.exp())
    return (weights @ v) / weights.sum(dim=-1, keepdim=True)


# %% exercise 1, wrong: no root (must say: the root of d is missing)
def attend(q, k, v, hidden):
    scores = q @ k.transpose(1, 2)
    return scores.masked_fill(hidden, -math.inf).softmax(dim=2) @ v


# %% exercise 1, wrong: the other polarity (must say: the mask is turned round)
def attend(q, k, v, hidden):
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[2])
    return torch.nan_to_num(scores.masked_fill(~hidden, -math.inf).softmax(dim=2)) @ v


# %% exercise 1, wrong: filled with zero (must say: hidden keys still count)
def attend(q, k, v, hidden):
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[2])
    return scores.masked_fill(hidden, 0).softmax(dim=2) @ v


# %% exercise 1, wrong: masked after the softmax (must say: hidden keys still count)
def attend(q, k, v, hidden):
    weights = (q @ k.transpose(1, 2) / math.sqrt(q.shape[2])).softmax(dim=2)
    return weights.masked_fill(hidden, 0) @ v


# %% exercise 1, wrong: the mask forgotten (must say: the mask is not used)
def attend(q, k, v, hidden):
    return (q @ k.transpose(1, 2) / math.sqrt(q.shape[2])).softmax(dim=2) @ v


# %% exercise 1, wrong: nothing returned (must say: must be a tensor)
def attend(q, k, v, hidden):
    (q @ k.transpose(1, 2)).softmax(dim=2) @ v


# %% exercise 2, right: comparison of places
def decoder_mask(tokens, pad):
    places = torch.arange(tokens.shape[1])
    earlier = places[None, :] <= places[:, None]
    return earlier[None, None] & tokens.ne(pad)[:, None, None]


# %% exercise 2, right: integers and a product
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = 1 - torch.triu(torch.ones(length, length, dtype=torch.long), diagonal=1)
    return (causal * (tokens != pad).long().view(len(tokens), 1, 1, length)) == 1


# %% exercise 2, wrong: True hides (must say: the mask is turned round)
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return ~(causal & (tokens != pad)[:, None, None, :])


# %% exercise 2, wrong: triu (must say: the future can be seen)
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).triu()
    return causal & (tokens != pad)[:, None, None, :]


# %% exercise 2, wrong: padding on the queries (must say: on the queries, not on the keys)
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return causal & (tokens != pad)[:, None, :, None]


# %% exercise 2, wrong: no padding mask (must say: padding can be seen)
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return causal.expand(len(tokens), 1, -1, -1)


# %% exercise 2, wrong: padding is always 0 (must say: its number is pad, not always 0)
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return causal & (tokens != PAD)[:, None, None, :]


# %% exercise 2, wrong: itself hidden (must say: a word must see itself)
def decoder_mask(tokens, pad):
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril(-1)
    return causal & (tokens != pad)[:, None, None, :]


# %% exercise 3, right: a list that is used up
def precision(said, reference, n):
    left = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
    total = match = 0
    for i in range(len(said) - n + 1):
        gram = tuple(said[i : i + n])
        total += 1
        if gram in left:
            left.remove(gram)
            match += 1
    return match / total if total else 0.0


# %% exercise 3, right: joined strings and min
def precision(said, reference, n):
    def counts(words):
        return Counter(" ".join(words[i : i + n]) for i in range(max(0, len(words) - n + 1)))

    mine, theirs = counts(said), counts(reference)
    return sum(min(c, theirs[g]) for g, c in mine.items()) / max(1, sum(mine.values()))


# %% exercise 3, wrong: not clipped (must say: not clipped)
def precision(said, reference, n):
    mine = [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
    theirs = {tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)}
    return sum(g in theirs for g in mine) / len(mine) if mine else 0.0


# %% exercise 3, wrong: sets (must say: repeated n-grams are lost)
def precision(said, reference, n):
    mine = {tuple(said[i : i + n]) for i in range(len(said) - n + 1)}
    theirs = {tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)}
    return len(mine & theirs) / len(mine) if mine else 0.0


# %% exercise 3, wrong: recall (must say: this is recall)
def precision(said, reference, n):
    mine = Counter(zip(*(said[i:] for i in range(n))))
    theirs = Counter(zip(*(reference[i:] for i in range(n))))
    return (mine & theirs).total() / theirs.total() if mine else 0.0


# %% exercise 3, wrong: n forgotten (must say: single words)
def precision(said, reference, n):
    return (Counter(said) & Counter(reference)).total() / len(said)


# %% exercise 3, wrong: nothing to divide by (must say: without n-grams must give 0)
def precision(said, reference, n):
    mine = Counter(zip(*(said[i:] for i in range(n))))
    theirs = Counter(zip(*(reference[i:] for i in range(n))))
    return (mine & theirs).total() / mine.total()


# %% exercise 4, right: heapq
def best_of(log_probs, beam, length):
    import heapq

    kept = {(): 0.0}
    for _ in range(length):
        grown = {(*b, t): s + p for b, s in kept.items() for t, p in enumerate(log_probs(b))}
        kept = {b: grown[b] for b in heapq.nlargest(beam, grown, key=grown.get)}
    return max(kept, key=kept.get)


# %% exercise 4, right: tensors, and a list as the answer
def best_of(log_probs, beam, length):
    beginnings, sums = [()], torch.zeros(1, dtype=torch.float64)
    for _ in range(length):
        logs = [log_probs(b) for b in beginnings]
        total = sums[:, None] + torch.tensor(logs, dtype=torch.float64)
        sums, places = total.flatten().topk(min(beam, total.numel()))
        words = total.shape[1]
        beginnings = [(*beginnings[p // words], p % words) for p in places.tolist()]
    return list(beginnings[0])


# %% exercise 4, wrong: greedy (must say: this is greedy)
def best_of(log_probs, beam, length):
    sentence = ()
    for _ in range(length):
        logs = log_probs(sentence)
        sentence = (*sentence, logs.index(max(logs)))
    return sentence


# %% exercise 4, wrong: the smallest sums (must say: the beam keeps the worst)
def best_of(log_probs, beam, length):
    kept = [(0.0, ())]
    for _ in range(length):
        grown = [(s + p, (*b, t)) for s, b in kept for t, p in enumerate(log_probs(b))]
        kept = sorted(grown)[:beam]
    return kept[0][1]


# %% exercise 4, wrong: the last step only (must say: only the last step counts)
def best_of(log_probs, beam, length):
    kept = [(0.0, ())]
    for _ in range(length):
        grown = [(p, (*b, t)) for _, b in kept for t, p in enumerate(log_probs(b))]
        kept = sorted(grown, reverse=True)[:beam]
    return kept[0][1]


# %% exercise 4, wrong: everything is tried (must say: called too often)
def best_of(log_probs, beam, length):
    kept = [(0.0, ())]
    for _ in range(length):
        kept = [(s + p, (*b, t)) for s, b in kept for t, p in enumerate(log_probs(b))]
    return max(kept)[1]
