"""The classes of a checkpoint's emissions, from its labels or its tokenizer."""

from __future__ import annotations

import sentencepiece

from models.errors import CheckpointError, VocabularyError
from models.nemo.archive import NemoArchive
from models.nemo.section import Section
from models.vocabulary import Vocabulary, WordMarks

BLANK = "<blank>"
UNKNOWN = "⁇"


def read_vocabulary(archive: NemoArchive, root: Section, head: Section) -> Vocabulary:
    """Characters where there is no tokenizer, else SentencePiece or WordPiece; blank comes last.

    Raises `CheckpointError` for another tokenizer, or for one that does not fit the head.
    """
    if not root.has("tokenizer"):
        marks = WordMarks.BOUNDARY
        tokens = root.texts("labels") if root.has("labels") else head.texts("vocabulary")
        if " " not in tokens:
            raise CheckpointError(
                f"{archive.path}: the labels have no space; supported: characters with a space"
            )
    else:
        section = root.section("tokenizer")
        kind = section.one_of("type", ("bpe", "wpe"))
        section.only("custom_tokenizer")
        if kind == "bpe":
            tokens, marks = _sentence_pieces(archive, section), WordMarks.PREFIX
        else:
            tokens, marks = _word_pieces(archive, section), WordMarks.CONTINUATION
    classes = head.integer("num_classes", len(tokens), least=-1)
    if classes not in (-1, 0, len(tokens)):
        raise CheckpointError(
            f"{archive.path}: the tokenizer has {len(tokens)} tokens, "
            f"but {head.place}.num_classes is {classes}"
        )
    try:
        return Vocabulary(
            (*tokens, BLANK),
            blank=len(tokens),
            word_boundary=tokens.index(" ") if marks is WordMarks.BOUNDARY else None,
            marks=marks,
        )
    except VocabularyError as error:
        raise CheckpointError(f"{archive.path}: {error}") from error


def _sentence_pieces(archive: NemoArchive, section: Section) -> tuple[str, ...]:
    content = archive.artifact(section.text("model_path"))
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    except RuntimeError as error:
        raise CheckpointError(
            f"{archive.path}: {section.text('model_path')} is no SentencePiece model: {error}"
        ) from error
    return tuple(
        UNKNOWN if processor.IsUnknown(index) else processor.IdToPiece(index)
        for index in range(processor.GetPieceSize())
    )


def _word_pieces(archive: NemoArchive, section: Section) -> tuple[str, ...]:
    content = archive.artifact(section.text("vocab_path"))
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{archive.path}: {section.text('vocab_path')} is not UTF-8: {error}"
        ) from error
    return tuple(UNKNOWN if line == "[UNK]" else line for line in lines if line)
