"""What differs between two sets of settings, for people."""

from __future__ import annotations

import json

from twt_core.settings import Json
from twt_core.yaml_reader import KeyPath, show_path

_LONGEST_SHOWN = 80


def config_difference(old: Json, new: Json) -> list[str]:
    """What differs between two configs, as lines `teachers[0].temperature: 0.7 → 0.9`."""
    return _difference(old, new, ())


def _difference(old: Json, new: Json, path: KeyPath) -> list[str]:
    if (isinstance(old, dict) and isinstance(new, dict)) or (isinstance(old, list) and isinstance(new, list)):
        olds, news = _entries(old), _entries(new)
        lines: list[str] = []
        for key in {**olds, **news}:
            inside = (*path, key)
            if key in olds and key in news:
                lines += _difference(olds[key], news[key], inside)
            else:
                before, after = (_shown(side[key]) if key in side else "(not there)" for side in (olds, news))
                lines.append(f"{show_path(inside)}: {before} → {after}")
        return lines
    return [] if old == new else [f"{show_path(path) or 'the config'}: {_shown(old)} → {_shown(new)}"]


def _entries(value: list[Json] | dict[str, Json]) -> dict[str | int, Json]:
    found: dict[str | int, Json] = {}
    found.update(enumerate(value) if isinstance(value, list) else value)
    return found


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
