"""The options of a bench: what a config says beside its runs' own."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from twt_core.config import GRID
from twt_core.settings import Json, Settings

#: Keys of a config that are the bench's.
BENCH, REDUCED = "bench", "reduced"
#: Axes that stand for something of their own: seeds are replicates, stages are found in the runs.
SEED, STAGE = "seed", "stage"
LAST, RECOMMENDED, EACH = "last", "recommended", "each"
#: More are a slip.
MOST_RUNS: Final = 1000


class BenchSettings(Settings):
    """How the runs of a grid are compared."""

    baseline: str | dict[str, str] | None = Field(
        default=None,
        description="What the others are compared against: a label, AXIS=LABEL, an arm's name, or a mapping of axes to "
        "labels. By default the first label of each axis.",
    )
    stage: str = Field(
        default=LAST,
        min_length=1,
        description="Whose student stands for a run: last, recommended, a stage's name, or each for all of them.",
    )


class BenchFile(Settings):
    """The part of a config that holds them."""

    bench: BenchSettings = Field(default_factory=BenchSettings, description="How the runs of the grid are compared.")


def with_grid(schema: dict[str, Json]) -> dict[str, Json]:
    """The JSON Schema of a config that may be one of a bench, too."""
    properties = schema["properties"]
    assert isinstance(properties, dict)  # a config's schema has them
    values: Json = {"anyOf": [{"type": "array", "minItems": 1}, {"type": "object", "minProperties": 1}]}
    options = BenchFile.model_json_schema()["$defs"]["BenchSettings"]
    own: dict[str, Json] = {
        GRID: {
            "description": "Alternatives, for `twt bench`: by axis, a key of the config with its values, or a name of "
            "your own with named changes.",
            "type": "object",
            "additionalProperties": {"anyOf": [values, {"type": "null"}]},
        },
        BENCH: {**options, "additionalProperties": False},
        REDUCED: {"description": "Changes that `twt bench --reduced` makes first.", "type": "object"},
    }
    alternatives = schema["anyOf"]
    assert isinstance(alternatives, list)  # what is required may be in files that it extends, or in its axes
    return {**schema, "properties": {**properties, **own}, "anyOf": [*alternatives, {"required": [GRID]}]}
