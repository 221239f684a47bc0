"""The JSON Schema (2020-12) of the document, schema 1: what `--print schema` prints and the tests hold it against."""

from __future__ import annotations

from collectors.model.ledger import Category
from collectors.model.plan import Harm, Risk, Severity
from collectors.model.snapshot import Outcome
from collectors.report.plan_document import reclaim_schema

Json = dict[str, object]

_TEXT: Json = {"type": "string"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_MOMENT: Json = {"type": "string", "format": "date-time", "pattern": "Z$"}
_MAYBE_MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
_BYTES: Json = {"type": ["integer", "null"], "description": "bytes; null is unknown, see reason"}
_INODES: Json = {"type": ["integer", "null"], "description": "inodes; null is unknown, see reason"}
_NUMBER: Json = {"type": "number", "minimum": 0}
_HARM: Json = {"enum": [harm.word for harm in Harm]}
_FLAG: Json = {"type": "boolean"}
_COUNT: Json = {"type": "integer", "minimum": 0}


def schema() -> Json:
    """The schema as a document of its own."""
    severities = [severity.name for severity in Severity]
    outcomes: Json = {"enum": [outcome.value for outcome in Outcome]}
    of_engine = dict.fromkeys(("version", "api_version", "driver", "root"), _MAYBE_TEXT)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ullage preflight, schema 1",
        **_object(
            {
                "schema": {"const": 1},
                "tool_version": _TEXT,
                "host": _TEXT,
                "asked_host": {**_MAYBE_TEXT, "description": "the engine, as --host named it; null: it did not"},
                "taken_at": _MOMENT,
                "took_s": _NUMBER,
                "severity": {"enum": severities},
                "exit_status": {"enum": [0, 1, 2, 3]},
                "verdict": _TEXT,
                "filesystem": {"anyOf": [{"$ref": "#/$defs/filesystem"}, {"type": "null"}]},
                "engine": _object({"reachable": _FLAG, **of_engine, "reason": _TEXT}),
                "ledger": _list("#/$defs/row"),
                "items": {"$ref": "#/$defs/items"},
                "btrfs": {"type": ["object", "null"], "required": ["reason"]},
                "findings": _list("#/$defs/finding"),
                "trend": _trend(),
                "plan": _list("#/$defs/step"),
                "plan_harms": _array(_harm_total(), "a subtotal of `plan` for each harm, mildest first"),
                "plan_target": {"anyOf": [_target(), {"type": "null"}]},
                "plan_for_person": _list("#/$defs/step"),
                "plan_left_out": {"type": "array", "items": _TEXT},
                "plan_mount": {"type": ["string", "null"], "description": "the filesystem that the plan frees"},
                "filesystem_plan": _maybe("#/$defs/plan"),
                "bills": _list("#/$defs/bill"),
                "coverage": _list("#/$defs/coverage"),
                "other_filesystems": _array(
                    _object(
                        {
                            "filesystem": {"$ref": "#/$defs/filesystem"},
                            "ledger": _list("#/$defs/row"),
                            "items": {"$ref": "#/$defs/items"},
                            "trend": {"anyOf": [_trend(), {"type": "null"}]},
                            "plan": _maybe("#/$defs/plan"),
                        }
                    ),
                    "what else the engine's data lies on",
                ),
            }
        ),
        "$defs": {
            "filesystem": _filesystem(),
            "row": _row(),
            "items": {
                "type": "object",
                "properties": {category.value: _list("#/$defs/item") for category in Category},
                "additionalProperties": False,
            },
            "item": _item(),
            "finding": _finding(severities),
            "step": _step(),
            "plan": _plan(),
            "bill": _bill(),
            "reclaim": reclaim_schema(),  # what `--reclaim --format json` prints
            "coverage": _object({"source": _TEXT, "outcome": outcomes, "reason": _TEXT, "took_s": _NUMBER}),
        },
    }


def _object(properties: Json, optional: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _list(ref: str) -> Json:
    return {"type": "array", "items": {"$ref": ref}}


def _array(items: Json, about: str) -> Json:
    return {"type": "array", "items": items, "description": about}


def _maybe(ref: str) -> Json:
    return {"anyOf": [{"$ref": ref}, {"type": "null"}], "description": "null: `plan` is of this filesystem, or none is"}


def _plan() -> Json:
    return _object(
        {
            "steps": _list("#/$defs/step"),
            "harms": _array(_harm_total(), "mildest first"),
            "target": {"anyOf": [_target(), {"type": "null"}]},
            "for_person": _list("#/$defs/step"),
            "left_out": {"type": "array", "items": _TEXT},
        }
    )


def _bill() -> Json:
    sizes = dict.fromkeys(("exclusive_bytes", "shared_bytes", "logs_bytes", "volumes_bytes"), _BYTES)
    by: Json = {"type": "string", "pattern": "^(project|stack|service|repository|label:.+)$"}
    return _object({"by": by, "name": _TEXT, "things": {"type": "integer"}, **sizes, "reason": _TEXT})


def _filesystem() -> Json:
    percent: Json = {"type": ["integer", "null"], "minimum": 0, "maximum": 100}
    return _object(
        {
            "mount": _TEXT,
            "type": _TEXT,
            "total_bytes": _BYTES,
            "used_bytes": _BYTES,
            "available_bytes": _BYTES,
            "used_percent": percent,
            "inodes_used": _INODES,
            "inodes_used_percent": percent,
            "reason": _TEXT,
        }
    )


def _row() -> Json:
    return _object(
        {
            "category": {"enum": [category.value for category in Category]},
            "bytes": {**_BYTES, "description": "charged to this category; all rows add up to filesystem.used_bytes"},
            "low_bytes": _BYTES,
            "high_bytes": _BYTES,
            "inodes": {**_INODES, "description": "charged likewise; all rows add up to filesystem.inodes_used"},
            "apparent_bytes": _BYTES,
            "reclaimable_bytes": _BYTES,
            "method": _TEXT,
            "reason": _TEXT,
        }
    )


def _item() -> Json:
    return _object(
        {
            "id": _TEXT,
            "name": _TEXT,
            "bytes": {**_BYTES, "description": "everything it holds, shared bytes too"},
            "exclusive_bytes": {**_BYTES, "description": "freed when it alone goes"},
            "inodes": {**_INODES, "description": "everything it holds, shared ones too"},
            "apparent_bytes": _BYTES,
            "reclaimable_bytes": _BYTES,
            "owner": _TEXT,
            "state": _TEXT,
            "created_at": _MAYBE_MOMENT,
            "last_used_at": _MAYBE_MOMENT,
            "inside": _inside(),
            "reason": _TEXT,
            "proof": {"type": "array", "items": _TEXT},
        },
        optional=("proof",),
    )


def _inside() -> Json:
    place: Json = {"path": _TEXT, "directory": _FLAG, "bytes": _COUNT, "apparent_bytes": _COUNT, "inodes": _COUNT}
    return _array(_object(place), "its largest directories and files, as paths in it")


def _finding(severities: list[str]) -> Json:
    return _object(
        {
            "id": {**_TEXT, "description": "the same in every run; what the steps of a plan answer"},
            "rule": {"type": "string", "pattern": "^[a-z0-9-]+$"},
            "severity": {"enum": severities},
            "title": _TEXT,
            "bytes": _BYTES,
            "evidence": _array(_object({"label": _TEXT, "value": _TEXT, "bytes": _BYTES}), "what shows it"),
            "remedy": _TEXT,
            "certain": _FLAG,
            "mount": _TEXT,
            "no_step": {**_TEXT, "description": "why no step of the plan is for it, and what would change that"},
            "reason": _TEXT,
        }
    )


def _step() -> Json:
    return _object(
        {
            "id": _TEXT,
            "answers": {"type": "array", "items": _TEXT, "description": "ids of the findings that it helps against"},
            "action": _TEXT,
            "title": _TEXT,
            "command": _TEXT,
            "frees_bytes": _BYTES,
            "frees_low_bytes": {**_BYTES, "description": "for certain: what every sum counts of it"},
            "frees_high_bytes": _BYTES,
            "frees_inodes": _INODES,
            "risk": {"enum": [risk.value for risk in Risk]},
            "harm": _HARM,
            "needs": _TEXT,
            "costs": _TEXT,
            "undo": _TEXT,
            "automatic": _FLAG,
            "young_s": {**_NUMBER, "description": "until it has the age that the keep rules ask for"},
            "reason": _TEXT,
        }
    )


def _harm_total() -> Json:
    return _object(
        {
            "harm": _HARM,
            "steps": _COUNT,
            "frees_bytes": _COUNT,
            "estimated_bytes": {**_COUNT, "description": "what the best guesses of its estimates add to that"},
            "used_percent_after": {"type": ["integer", "null"]},
            "reason": _TEXT,
        }
    )


def _target() -> Json:
    return _object(
        {
            "percent": _NUMBER,
            "to_free_bytes": _COUNT,
            "leads_to_percent": {**_COUNT, "description": "for certain"},
            "likely_percent": {"type": ["integer", "null"], "description": "if estimates hold; null: there are none"},
            "short_bytes": {**_COUNT, "description": "what is missing below harm `data`; 0: the target is reached"},
            "inodes": {**_FLAG, "description": "bytes are below the target, inodes are not: the plan is for these"},
            "to_free_inodes": _COUNT,
            "short_inodes": _COUNT,
            "exact": {**_FLAG, "description": "every choice among the steps of the worst harm was compared"},
        }
    )


def _trend() -> Json:
    growth = _object(
        {
            "key": _TEXT,
            "bytes_per_day": {"type": "integer"},
            "low_bytes_per_day": {"type": "integer"},
            "high_bytes_per_day": {"type": "integer"},
            "runs": _COUNT,
            "span_s": _NUMBER,
            "change_24h_bytes": _BYTES,
        }
    )
    crossing = _object({"percent": _COUNT, "at": _MOMENT, "earliest": _MOMENT, "latest": _MAYBE_MOMENT})
    churn = _object(
        {
            "repository": _TEXT,
            "rebuilds": _COUNT,
            "since": _MOMENT,
            "dangling_images": _COUNT,
            "dangling_bytes": _BYTES,
            "busting_step": _TEXT,
        }
    )
    return _object(
        {
            "runs": _COUNT,
            "oldest": _MAYBE_MOMENT,
            "reason": _TEXT,
            "skipped_lines": _COUNT,
            "growth": {"type": "array", "items": growth},
            "crossings": {"type": "array", "items": crossing},
            "trees_full": {"anyOf": [crossing, {"type": "null"}], "description": "of a btrfs: its metadata is full"},
            "churn": {"type": "array", "items": churn},
            "used_percent": {"type": "array", "items": _object({"at": _MOMENT, "value": _COUNT})},
        }
    )
