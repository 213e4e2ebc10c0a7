"""Rows of other tools in the words of our manifest.

Each row is told by its fields:

- NeMo: `audio_filepath`, `duration`, `offset`, `text`, `lang` are our own words.
- Hugging Face AudioFolder and JSON data sets: `file_name` or `audio`, with `transcription` or
  `sentence` where there is no `text`. https://huggingface.co/docs/datasets/audio_dataset
- Common Voice: `path` and `sentence`, with `client_id` or `locale`.
  https://github.com/common-voice/cv-dataset
- lhotse recordings (`sources`) and cuts (`recording`, `start`).
  https://lhotse.readthedocs.io/en/latest/corpus.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transforms.errors import ManifestLineError
from transforms.records import EACH

URI_FIELDS = ("audio_filepath", "audio_uri", "uri", "path")
AUDIO_FOLDER_FIELDS = ("file_name", "audio")
AUDIO_COLUMNS = (*URI_FIELDS, *AUDIO_FOLDER_FIELDS, "sources", "recording")
TEXT_FIELDS = ("text", "transcription", "sentence")

Fields = Mapping[str, Any]


def in_our_words(fields: Fields) -> Fields:
    """A row of any dialect with the names of our own fields; its other fields stay as they are.

    Raises `ManifestLineError` for what has no counterpart here.
    """
    if is_common_voice(fields):
        return _common_voice(fields)
    if first_of(fields, URI_FIELDS) is not None:
        return fields
    if first_of(fields, AUDIO_FOLDER_FIELDS) is not None:
        return _audio_folder(fields)
    if isinstance(fields.get("sources"), list):
        return _lhotse_recording(fields)
    if isinstance(fields.get("recording"), dict) or isinstance(fields.get("tracks"), list):
        return _lhotse_cut(fields)
    return fields


def is_common_voice(fields: Fields) -> bool:
    return "path" in fields and "sentence" in fields and not fields.keys().isdisjoint(_SPEAKERS)


_SPEAKERS = ("client_id", "locale")


def first_of(fields: Fields, names: Sequence[str]) -> Any:
    """The value of the first of `names` that is there, and neither null nor empty."""
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            return value
    return None


def _common_voice(fields: Fields) -> Fields:
    renamed = {"sentence": "text", "locale": "language"}
    return {
        name if name not in renamed or renamed[name] in fields else renamed[name]: value
        for name, value in fields.items()
    }


def _audio_folder(fields: Fields) -> Fields:
    name = next(name for name in AUDIO_FOLDER_FIELDS if fields.get(name) not in (None, ""))
    audio = fields[name]
    if isinstance(audio, dict):
        if audio.get("bytes") is not None or not audio.get("path"):
            raise ManifestLineError(
                f"`{name}` holds the audio itself; write it to files, and name their paths"
            )
        audio = audio["path"]
    text_name = next((text for text in TEXT_FIELDS if fields.get(text) is not None), None)
    others = {other: value for other, value in fields.items() if other not in (name, text_name)}
    return {
        **others,
        "audio_filepath": audio,
        "text": None if text_name is None else fields[text_name],
    }


def _lhotse_recording(fields: Fields) -> Fields:
    """A lhotse `Recording`; its `duration` is the file's own, and limits nothing."""
    kept = {
        name: value
        for name, value in fields.items()
        if name not in ("sources", "duration", "transforms")
    }
    return {**kept, "audio_filepath": _lhotse_source(fields)}


def _lhotse_source(recording: Fields) -> str:
    sources = recording.get("sources")
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
        count = len(sources) if isinstance(sources, list) else 0
        raise ManifestLineError(f"has {count} lhotse sources; a recording must lie in one file")
    transforms = recording.get("transforms") or []
    if not isinstance(transforms, list) or not all(map(_resamples, transforms)):
        raise ManifestLineError(
            f"asks lhotse to transform the audio ({str(transforms)[:80]}); "
            "only recordings as they are stored can be read"
        )
    kind, source = sources[0].get("type"), sources[0].get("source")
    if kind not in ("file", "url") or not isinstance(source, str):
        raise ManifestLineError(
            f"has a lhotse source of type {kind!r}; only `file` and `url` can be read"
        )
    return source


def _resamples(change: object) -> bool:
    """Another rate changes neither words nor times."""
    return isinstance(change, dict) and change.get("name") == "Resample"


def _lhotse_cut(fields: Fields) -> Fields:
    """A lhotse `MonoCut` or `MultiCut`: a stretch of one recording, with its supervisions.

    What was said on several channels at once is the reference of none of them.
    """
    recording = fields.get("recording")
    if not isinstance(recording, dict):
        raise ManifestLineError(
            f"is a lhotse {fields.get('type', 'cut')}; only a cut of one recording can be read"
        )
    said = fields.get("supervisions") or []
    if not isinstance(said, list) or not all(isinstance(part, dict) for part in said):
        raise ManifestLineError("has lhotse supervisions that are no list of objects")
    texts = [part["text"] for part in said if isinstance(part.get("text"), str)]
    one_channel = len({str(part.get("channel")) for part in said}) == 1
    languages = {part["language"] for part in said if isinstance(part.get("language"), str)}
    kept = {
        name: value
        for name, value in fields.items()
        if name not in ("recording", "supervisions", "start", "channel", "type", "features")
    }
    return {
        **kept,
        "audio_filepath": _lhotse_source(recording),
        "offset": fields.get("start"),
        "channel": _lhotse_channel(fields.get("channel"), recording),
        "text": " ".join(texts) if texts and one_channel else None,
        "language": languages.pop() if len(languages) == 1 else None,
    }


def _lhotse_channel(channel: object, recording: Fields) -> object:
    """Our `channel`: nothing for the only one of its recording, `each` for all of several."""
    if channel is None:
        return None
    chosen = channel if isinstance(channel, list) else [channel]
    if chosen == (recording.get("channel_ids") or recording["sources"][0].get("channels")):
        return None if len(chosen) == 1 else EACH
    if len(chosen) != 1:
        raise ManifestLineError(f"is a lhotse cut of the channels {channel}; name one, or all")
    return chosen[0]
