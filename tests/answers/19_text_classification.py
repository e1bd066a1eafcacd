"""Answers to the exercises of chapter 19; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: a loop over texts
def masked_mean(vectors, lengths):
    return torch.stack([v[:n].mean(dim=0) for v, n in zip(vectors, lengths.tolist())])


# %% exercise 1, right: masked_fill
def masked_mean(vectors, lengths):
    places = torch.arange(vectors.shape[1]).expand(len(lengths), -1)
    padding = places >= lengths.unsqueeze(1)
    kept = vectors.masked_fill(padding.unsqueeze(2), 0)
    return kept.sum(1) / lengths.unsqueeze(1)


# %% exercise 1, wrong: mean over the row (must say: the padding is in the mean)
def masked_mean(vectors, lengths):
    return vectors.mean(dim=1)


# %% exercise 1, wrong: no division (must say: this is the sum)
def masked_mean(vectors, lengths):
    words = torch.arange(vectors.shape[1]) < lengths[:, None]
    return (vectors * words[:, :, None]).sum(dim=1)


# %% exercise 1, wrong: masked, but divided by L (must say: the padding is in the mean)
def masked_mean(vectors, lengths):
    words = torch.arange(vectors.shape[1]) < lengths[:, None]
    return (vectors * words[:, :, None]).mean(dim=1)


# %% exercise 1, wrong: a product with zero (must say: padding that is not a number)
def masked_mean(vectors, lengths):
    words = torch.arange(vectors.shape[1]) < lengths[:, None]
    return (vectors * words[:, :, None]).sum(dim=1) / lengths[:, None]


# %% exercise 2, right: gather
def last_state(outputs, lengths):
    index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, outputs.shape[2])
    return outputs.gather(1, index).squeeze(1)


# %% exercise 2, right: a loop
def last_state(outputs, lengths):
    return torch.stack([states[n - 1] for states, n in zip(outputs, lengths.tolist())])


# %% exercise 2, wrong: the end of the row (must say: after the padding)
def last_state(outputs, lengths):
    return outputs[:, -1]


# %% exercise 2, wrong: places from 1 (must say: one place too far)
def last_state(outputs, lengths):
    return outputs[torch.arange(len(outputs)), lengths]


# %% exercise 2, wrong: all places for all texts (must say: has the shape)
def last_state(outputs, lengths):
    return outputs[:, lengths - 1]


# %% exercise 3, right: a growing dictionary
def make_vocabulary(token_lists, max_size):
    counts = {}
    for words in token_lists:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    numbers = {"<pad>": 0, "<unk>": 1}
    for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:max_size]:
        numbers[word] = len(numbers)
    return numbers


# %% exercise 3, right: a stable sort, twice
def make_vocabulary(token_lists, max_size):
    counts = Counter(itertools.chain.from_iterable(token_lists))
    words = sorted(sorted(counts), key=counts.get, reverse=True)[:max_size]
    return dict(zip(["<pad>", "<unk>", *words], range(len(words) + 2)))


# %% exercise 3, wrong: the special ones within the size (must say: the special words count)
def make_vocabulary(token_lists, max_size):
    counts = Counter(word for words in token_lists for word in words)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    words = ["<pad>", "<unk>", *frequent]
    size = min(max_size, len(frequent))
    return {word: number for number, word in enumerate(words[:size])}


# %% exercise 3, wrong: most_common (must say: equally frequent words)
def make_vocabulary(token_lists, max_size):
    counts = Counter(word for words in token_lists for word in words)
    words = [word for word, _ in counts.most_common()]
    words.sort(key=lambda word: (-counts[word], [-ord(sign) for sign in word]))
    return {word: number for number, word in enumerate(["<pad>", "<unk>", *words[:max_size]])}


# %% exercise 3, wrong: plain most_common (must say: equally frequent words)
def make_vocabulary(token_lists, max_size):
    counts = Counter(word for words in token_lists for word in words)
    frequent = [word for word, _ in counts.most_common(max_size)]
    return {word: number for number, word in enumerate(["<pad>", "<unk>", *frequent])}


# %% exercise 3, wrong: by the alphabet only (must say: the most frequent words are missing)
def make_vocabulary(token_lists, max_size):
    words = sorted({word for words in token_lists for word in words})[:max_size]
    return {word: number for number, word in enumerate(["<pad>", "<unk>", *words])}


# %% exercise 3, wrong: no special words (must say: the numbers 0 and 1)
def make_vocabulary(token_lists, max_size):
    counts = Counter(word for words in token_lists for word in words)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:max_size]
    return {word: number for number, word in enumerate(frequent)}


# %% exercise 4, right: one call for all
def order_failures(predict, texts, rng):
    def mixed(text):
        words = text.split()
        new = words[:]
        while new == words:
            rng.shuffle(new)
        return " ".join(new)

    count = len(texts)
    classes = list(predict([*texts, *map(mixed, texts)]))
    return np.mean(np.array(classes[:count]) == np.array(classes[count:]))


# %% exercise 4, right: shuffle first, then ask
def order_failures(predict, texts, rng):
    others = []
    for text in texts:
        new = text
        while new == text:
            words = text.split()
            rng.shuffle(words)
            new = " ".join(words)
        others.append(new)
    after, before = predict(others), predict(texts)
    return 1 - sum(a != b for a, b in zip(after, before)) / len(texts)


# %% exercise 4, wrong: another source of chance (must say: the same rng)
def order_failures(predict, texts, rng):
    mixed = []
    for text in texts:
        words = text.split()
        while " ".join(words) == text:
            random.shuffle(words)
        mixed.append(" ".join(words))
    before, after = predict(list(texts)), predict(mixed)
    return sum(a == b for a, b in zip(before, after)) / len(texts)


# %% exercise 4, right: each text beside its shuffled one
def order_failures(predict, texts, rng):
    asked = []
    for text in texts:
        words = text.split()
        while words == text.split():
            rng.shuffle(words)
        asked += [text, " ".join(words)]
    classes = predict(asked)
    return sum(a == b for a, b in zip(classes[::2], classes[1::2])) / len(texts)


# %% exercise 4, wrong: the changes are counted (must say: the share of changes)
def order_failures(predict, texts, rng):
    mixed = []
    for text in texts:
        words = text.split()
        while " ".join(words) == text:
            rng.shuffle(words)
        mixed.append(" ".join(words))
    before, after = predict(list(texts)), predict(mixed)
    return sum(a != b for a, b in zip(before, after)) / len(texts)


# %% exercise 4, wrong: no look at the order (must say: a text was left in its order)
def order_failures(predict, texts, rng):
    mixed = []
    for i, text in enumerate(texts):
        words = text.split()
        while i and " ".join(words) == text:
            rng.shuffle(words)
        mixed.append(" ".join(words))
    before, after = predict(list(texts)), predict(mixed)
    return sum(a == b for a, b in zip(before, after)) / len(texts)


# %% exercise 4, wrong: letters are shuffled (must say: the words of a text must stay)
def order_failures(predict, texts, rng):
    mixed = []
    for text in texts:
        letters = list(text)
        while "".join(letters) == text:
            rng.shuffle(letters)
        mixed.append("".join(letters))
    before, after = predict(list(texts)), predict(mixed)
    return sum(a == b for a, b in zip(before, after)) / len(texts)


# %% exercise 4, wrong: a call for each text (must say: predict was called)
def order_failures(predict, texts, rng):
    same = 0
    for text in texts:
        words = text.split()
        while " ".join(words) == text:
            rng.shuffle(words)
        same += predict([text]) == predict([" ".join(words)])
    return same / len(texts)
