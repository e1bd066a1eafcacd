"""Short texts made by rule, with a rating each: the stand-in for texts that people rated."""

from __future__ import annotations

import math
import random

GOOD = {
    "great": 3.0, "good": 1.9, "lovely": 2.8, "nice": 1.8, "brilliant": 2.9, "fun": 2.2,
    "excellent": 3.0, "wonderful": 2.9, "pretty": 1.7, "superb": 3.1, "delightful": 2.7,
    "fresh": 1.3, "fantastic": 2.9, "sweet": 1.9, "amazing": 2.8, "perfect": 2.8,
}  # fmt: skip
BAD = {
    "bad": -2.3, "awful": -2.6, "terrible": -2.7, "boring": -1.8, "horrible": -2.6, "sad": -2.0,
    "dull": -1.7, "poor": -2.0, "nasty": -2.4, "ugly": -2.2, "dreadful": -2.6, "slow": -1.1,
    "stupid": -2.3, "annoying": -1.9, "useless": -2.0, "disgusting": -2.8,
}  # fmt: skip
LIKE = {"love": 3.0, "like": 1.7, "enjoy": 2.1, "recommend": 1.9, "adore": 2.7}
DISLIKE = {"hate": -2.9, "regret": -1.8, "dislike": -1.7, "detest": -2.6, "resent": -1.7}
NAMES = ("anna", "tom", "maria", "james", "olga", "mehmet", "li", "sara", "Zoë", "josé", "ben")
NOUNS = (
    "film", "phone", "coffee", "concert", "exam", "trip", "book", "game", "pizza", "bus", "show",
    "weather", "meeting", "song", "café", "class", "laptop", "party", "hotel", "train", "dress",
)  # fmt: skip
WHERE = ("at home", "in town", "on the train", "at work", "downtown", "at school", "in the park")
WHEN = ("today", "last night", "this morning", "yesterday", "on monday", "again", "this weekend")
PLAIN = (
    "the {noun} starts at nine {when}",
    "{name} is {where} {when}",
    "still waiting for the {noun} {where}",
    "did {name} see the {noun} {when} ?",
    "{name} bought a ticket for £5 {when}",
)
# What stands between the words, and what becomes of the strength of the adjective or verb.
KINDS = {"plain": 0.08, "adjective": 0.46, "verb": 0.24, "negated": 0.16, "contrast": 0.06}


def _strengthen(word: str, rng: random.Random) -> tuple[str, float]:
    """Set a word before an adjective, or write it in capitals; return what that multiplies."""
    chance = rng.random()
    if chance < 0.12:
        return f"{rng.choice(('really', 'very', 'so'))} {word}", 1.2
    if chance < 0.2:
        return f"a bit {word}", 0.6
    return (word.upper(), 1.2) if chance < 0.27 else (word, 1.0)


def _sentence(kind: str, rng: random.Random) -> tuple[str, float]:
    """Return a sentence and how glad it is."""
    words = {"name": rng.choice(NAMES), "noun": rng.choice(NOUNS)}
    words |= {"where": rng.choice(WHERE), "when": rng.choice(WHEN)}
    glad = rng.random() < 0.58
    adjectives, verbs = (GOOD, LIKE) if glad else (BAD, DISLIKE)
    if kind == "plain":
        return rng.choice(PLAIN).format(**words), 0.0
    if kind == "verb":
        verb = rng.choice(list(verbs))
        subject, object_ = rng.choice((("i", "the {noun}"), ("they", "{name}"), ("we", "this")))
        text = (
            f"{subject} {verb} {object_} {{when}}" if rng.random() < 0.7 else f"i {verb} {{name}}"
        )
        return text.format(**words), verbs[verb]
    adjective = rng.choice(list(adjectives))
    word, factor = _strengthen(adjective, rng)
    strength = adjectives[adjective] * factor
    if kind == "adjective":
        frame = rng.choice(
            (
                "the {noun} was {word}",
                "{name} looks {word}",
                "what a {word} {noun}",
                "{word} {noun} {where} {when}",
                "the {noun} and {name} are {word}",
            )
        )
        return frame.format(word=word, **words), strength
    if kind == "negated":
        if rng.random() < 0.3:
            verb = rng.choice(list(verbs))
            return f"i don't {verb} the {words['noun']}", -0.7 * verbs[verb]
        frame = rng.choice(
            (
                "the {noun} was not {word}",
                "{name} is not {word} {when}",
                "the {noun} isn't {word} at all",
                "not a {word} {noun} {where}",
            )
        )
        return frame.format(word=word, **words), -0.7 * strength
    other = rng.choice(list(BAD if glad else GOOD))
    frame = rng.choice(
        (
            "i thought the {noun} would be {other} but it was {word}",
            "{name} called the {noun} {other} , it is {word}",
        )
    )
    return frame.format(word=word, other=other, **words), strength


def _misspelt(text: str, rng: random.Random) -> str:
    """Swap two letters inside some words."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) > 3 and word.isalpha() and rng.random() < 0.02:
            at = rng.randrange(1, len(word) - 2)
            words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def made_texts(seed: int, rows: int = 2000) -> list[tuple[str, float]]:
    """Make texts of one or two sentences and rate each as the mean of twenty imagined people.

    Three texts in a hundred are meant ironically: their rating has the other sign. Negations and
    contrasts are more frequent than among real tweets, so that the order of the words matters.

    Args:
        seed: of the generator.
        rows: number of texts.

    Returns:
        Pairs of a text and a rating between -4 and 4.

    Example:
        >>> texts = made_texts(0, rows=100)
        >>> len(texts), all(-4 <= rating <= 4 for _, rating in texts)
        (100, True)
    """
    rng = random.Random(seed)
    made = []
    for _ in range(rows):
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        text, mood = _sentence(kind, rng)
        if rng.random() < 0.35:  # a second sentence that says nothing
            text = f"{text} {rng.choice(('.', ',', '...'))} {_sentence('plain', rng)[0]}"
        text = _misspelt(text, rng)
        if rng.random() < 0.2:
            text, mood = text + rng.choice((" !", " !!", " !!!")), mood * 1.1
        if rng.random() < 0.12:
            text += f" #{rng.choice(NOUNS)}"
        if rng.random() < 0.1:
            text = f"@{rng.choice(NAMES)}{rng.randrange(100)} {text}"
        if rng.random() < 0.03:
            mood = -mood
        people = [min(4.0, max(-4.0, round(rng.gauss(mood, 1.1)))) for _ in range(20)]
        made.append((text, math.fsum(people) / 20))
    return made
