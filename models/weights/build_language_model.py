"""Builds the embedded language model; run as `python -m models.weights.build_language_model`.

The trigrams are CMU's US English model as the pocketsphinx wheel ships it, a binary trie; KenLM's
`build_binary`, compiled from the sources of the kenlm release, packs them for the decoder.
"""

from __future__ import annotations

import argparse
import io
import math
import struct
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from models.weights.source import verified

POCKETSPHINX_SHA256 = "bb8fd0fc7fb08dd8f85da21f5121f34ebf4186a5bee91ce85e2d358e69a448bf"  # 5.1.1
KENLM_SHA256 = "c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8"  # 0.3.0
MODEL_IN_WHEEL = "pocketsphinx/model/en-us/en-us.lm.bin"

# What the model knows of the short forms serves the words as they are said ("missus" it lacks).
RENAMED = {"mr": "mister", "mister": "mr", "mrs": "missus"}

MAGIC = b"Trie Language Model"
BINS = 1 << 16
LOG10_OF_BASE = math.log10(1.0001)
"""pocketsphinx counts logarithms to the base 1.0001."""

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Trigrams:
    """A back-off model; scores are logarithms to the base 1.0001, ids count `words`.

    `bigrams` (N2, 2) and `trigrams` (N3, 3) hold word ids in reading order.
    """

    words: list[str]
    unigram_scores: Scores
    unigram_backoffs: Scores
    bigrams: Ids
    bigram_scores: Scores
    bigram_backoffs: Scores
    trigrams: Ids
    trigram_scores: Scores


def bit_column(packed: bytes, entry_bits: int, offset: int, count: int, bits: int) -> Ids:
    """Field `offset`..`offset + bits` of `count` entries that are packed `entry_bits` apart.

    Bits count from the least significant one; a field and its shift fit 64 bits.
    """
    position = np.arange(count, dtype=np.int64) * entry_bits + offset
    octets = np.concatenate([np.frombuffer(packed, np.uint8), np.zeros(8, np.uint8)])
    value = np.zeros(count, np.uint64)
    for octet in range(8):
        value |= octets[(position >> 3) + octet].astype(np.uint64) << np.uint64(8 * octet)
    value >>= (position & 7).astype(np.uint64)
    return (value & np.uint64((1 << bits) - 1)).astype(np.int64)


def read_trie(raw: bytes) -> Trigrams:
    """Parse pocketsphinx's quantised trie (`lm_trie.c`, `ngram_model_trie.c` of its sources).

    N-grams are stored from their last word backwards; `RENAMED` words change names. Raises
    `ValueError` for another format.
    """
    if not raw.startswith(MAGIC) or raw[len(MAGIC)] != 3:
        raise ValueError("this is no trigram trie of pocketsphinx")
    at = len(MAGIC) + 1
    unigrams, bigrams, trigrams = struct.unpack_from("<3I", raw, at)
    at += 12 + 4  # and the kind of quantisation
    bigram_bins, backoff_bins, trigram_bins = np.frombuffer(raw, "<f4", 3 * BINS, at).reshape(3, -1)
    at += 12 * BINS
    root = np.dtype([("score", "<f4"), ("backoff", "<f4"), ("next", "<u4")])
    first = np.frombuffer(raw, root, unigrams + 1, at)
    at += first.nbytes
    word_bits, next_bits = unigrams.bit_length(), trigrams.bit_length()
    middle_bits, last_bits = word_bits + 32 + next_bits, word_bits + 16
    middle_size = ((1 + bigrams) * middle_bits + 7) // 8 + 8
    last_size = ((1 + trigrams) * last_bits + 7) // 8 + 8
    middle, last = raw[at : at + middle_size], raw[at + middle_size : at + middle_size + last_size]
    at += middle_size + last_size
    (names,) = struct.unpack_from("<I", raw, at)
    words = raw[at + 4 : at + 4 + names].decode("utf-8").split("\0")[:unigrams]

    starts = first["next"].astype(np.int64)
    ends = np.repeat(np.arange(unigrams), starts[1:] - starts[:-1])
    kept = len(ends)
    before = bit_column(middle, middle_bits, 0, kept, word_bits)
    children = bit_column(middle, middle_bits, word_bits + 32, kept, next_bits)
    extended = np.repeat(np.arange(kept), np.append(children[1:], trigrams) - children)
    earliest = bit_column(last, last_bits, 0, trigrams, word_bits)
    return Trigrams(
        words=[RENAMED.get(word, word) for word in words],
        unigram_scores=first["score"][:-1],
        unigram_backoffs=first["backoff"][:-1],
        bigrams=np.stack([before, ends], axis=1),
        bigram_scores=bigram_bins[bit_column(middle, middle_bits, word_bits + 16, kept, 16)],
        bigram_backoffs=backoff_bins[bit_column(middle, middle_bits, word_bits, kept, 16)],
        trigrams=np.stack([earliest, before[extended], ends[extended]], axis=1),
        trigram_scores=trigram_bins[bit_column(last, last_bits, word_bits, trigrams, 16)],
    )


def write_arpa(model: Trigrams, output: TextIO) -> None:
    """Write `model` as ARPA, log10, four decimals."""
    words = model.words
    output.write(
        f"\\data\\\nngram 1={len(words)}\n"
        f"ngram 2={len(model.bigrams)}\nngram 3={len(model.trigrams)}\n\n\\1-grams:\n"
    )
    scores = np.maximum(model.unigram_scores * LOG10_OF_BASE, -99)
    backoffs = model.unigram_backoffs * LOG10_OF_BASE
    for word, score, backoff in zip(words, scores, backoffs, strict=True):
        output.write(f"{score:.4f}\t{word}\t{backoff:.4f}\n")
    output.write("\n\\2-grams:\n")
    scores, backoffs = model.bigram_scores * LOG10_OF_BASE, model.bigram_backoffs * LOG10_OF_BASE
    for (a, b), score, backoff in zip(model.bigrams.tolist(), scores, backoffs, strict=True):
        tail = f"\t{backoff:.4f}" if backoff else ""
        output.write(f"{score:.4f}\t{words[a]} {words[b]}{tail}\n")
    output.write("\n\\3-grams:\n")
    scores = model.trigram_scores * LOG10_OF_BASE
    for (a, b, c), score in zip(model.trigrams.tolist(), scores, strict=True):
        output.write(f"{score:.4f}\t{words[a]} {words[b]} {words[c]}\n")
    output.write("\n\\end\\\n")


def compile_build_binary(sdist: bytes, compiler: str, directory: Path) -> Path:
    """Compile KenLM's `build_binary` from its release into `directory`; the program's path.

    Raises `subprocess.CalledProcessError` where the compiler fails.
    """
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        archive.extractall(directory, filter="data")
    (root,) = directory.glob("kenlm-*")
    parts = [*root.glob("lm/*.cc"), *root.glob("util/*.cc"), *root.glob("util/double-conversion/*")]
    sources = [
        str(path)
        for path in sorted(parts)
        if path.suffix == ".cc" and not path.stem.endswith(("_test", "_main"))
    ]
    program = directory / "build_binary"
    main = str(root / "lm" / "build_binary_main.cc")
    flags = ["-std=c++11", "-O2", "-w", "-DNDEBUG", "-DKENLM_MAX_ORDER=3", f"-I{root}"]
    subprocess.run([compiler, *flags, "-o", str(program), main, *sources, "-lpthread"], check=True)
    return program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pocketsphinx-wheel", type=Path, required=True)
    parser.add_argument("--kenlm-sdist", type=Path, required=True)
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--words", type=Path, help="also write the model's words, one a line")
    parser.add_argument("--output", type=Path, required=True, help="trigram.kenlm")
    options = parser.parse_args()
    with zipfile.ZipFile(verified(options.pocketsphinx_wheel, POCKETSPHINX_SHA256)) as archive:
        model = read_trie(archive.read(MODEL_IN_WHEEL))
    if options.words:
        options.words.write_text("".join(f"{word}\n" for word in model.words), encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        arpa = directory / "trigram.arpa"
        with arpa.open("w", encoding="utf-8") as output:
            write_arpa(model, output)
        sdist = verified(options.kenlm_sdist, KENLM_SHA256).read_bytes()
        program = compile_build_binary(sdist, options.compiler, directory)
        # 10 bits keep scores within 0.03 of the ARPA's (8 bits: 0.08; none: twice the size);
        # pointers are compressed as far as KenLM can.
        packing = ["-q", "10", "-b", "10", "-a", "64", "-T", str(directory / "sort")]
        subprocess.run([str(program), *packing, "trie", str(arpa), str(options.output)], check=True)


if __name__ == "__main__":
    main()
