"""The files and batches of OpenAI's batch API, as far as a client sees them. A test moves a batch on by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs, urlsplit

Body = dict[str, Any]
_Sent = tuple[int, bytes]


class Batches:
    """What was uploaded and handed in.

    Attributes:
        files: the contents of files by their ids, in the order of arrival.
        rows: the batches by id, as the provider shows them.
        keys: the Authorization headers of all its requests.
        fault: status and text of the error that everything is answered with; None: all is well.
    """

    def __init__(self, script: Callable[[Body], Any]) -> None:
        self._script = script
        self.files: dict[str, bytes] = {}
        self.rows: dict[str, Body] = {}
        self.keys: list[str] = []
        self.fault: tuple[int, str] | None = None

    def requests(self, batch: str) -> list[Body]:
        """The lines of a batch's input file."""
        return [json.loads(line) for line in self.files[self.rows[batch]["input_file_id"]].splitlines()]

    def advance(self, batch: str, status: str, *, unanswered: Sequence[str] = (), error: str | None = None) -> None:
        """Set a batch's status. One that is not under way gets its files: all answered by the script, but `unanswered`.

        `error` is why the whole batch failed.
        """
        row = self.rows[batch]
        row["status"] = status
        if error is not None:
            row["errors"] = {"object": "list", "data": [{"code": "invalid", "message": error}]}
        if status in {"completed", "expired", "cancelled"}:
            self._answer(row, self.requests(batch), set(unanswered))

    def _answer(self, row: Body, requests: list[Body], unanswered: set[str]) -> None:
        lines: dict[str, list[Body]] = {"output_file_id": [], "error_file_id": []}
        for request in requests:
            if request["custom_id"] in unanswered:
                continue
            status, body = self._script(request["body"])[:2]
            kept = "output_file_id" if status == 200 else "error_file_id"
            response = {"status_code": status, "request_id": "r", "body": body}
            lines[kept].append({"id": "l", "custom_id": request["custom_id"], "response": response, "error": None})
        for kept, found in lines.items():
            if found:
                row[kept] = self._keep("".join(json.dumps(line) + "\n" for line in reversed(found)).encode())

    def _keep(self, data: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = data
        return name

    def post(self, path: str, headers: Message, data: bytes) -> _Sent:
        self.keys.append(headers.get("Authorization", ""))
        if self.fault is not None:
            return _error(*self.fault)
        if path.endswith("/files"):
            uploaded = _part(headers, data, "file")
            return _json({
                "id": self._keep(uploaded), "object": "file", "bytes": len(uploaded), "created_at": 1,
                "filename": "batch.jsonl", "purpose": "batch", "status": "processed",
            })  # fmt: skip
        asked = json.loads(data)
        row = {
            "id": f"batch-{len(self.rows)}", "object": "batch", "status": "validating", "created_at": 1, "errors": None,
            "output_file_id": None, "error_file_id": None, "request_counts": {"total": 0, "completed": 0, "failed": 0},
            **asked,
        }  # fmt: skip
        self.rows[row["id"]] = row
        return _json(row)

    def get(self, path: str, headers: Message) -> _Sent:
        self.keys.append(headers.get("Authorization", ""))
        if self.fault is not None:
            return _error(*self.fault)
        if found := re.fullmatch(r"/v1/files/([^/]+)/content", path):
            return 200, self.files[found[1]]
        if found := re.fullmatch(r"/v1/batches/([^/?]+)", path):
            return _json(self.rows[found[1]]) if found[1] in self.rows else _error(404, "no such batch")
        return _json(self._page(parse_qs(urlsplit(path).query)))

    def _page(self, query: dict[str, list[str]]) -> Body:
        rows = list(reversed(self.rows.values()))
        after = query.get("after", [""])[0]
        begin = [row["id"] for row in rows].index(after) + 1 if after else 0
        page = rows[begin : begin + int(query.get("limit", ["20"])[0])]
        return {
            "object": "list", "data": page, "has_more": begin + len(page) < len(rows),
            "first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None,
        }  # fmt: skip


def _json(body: Body) -> _Sent:
    return 200, json.dumps(body).encode()


def _error(status: int, message: str) -> _Sent:
    return status, json.dumps({"error": {"message": message, "code": None}}).encode()


def _part(headers: Message, data: bytes, name: str) -> bytes:
    """The named part of a multipart upload."""
    whole = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + data
    )
    parts = {part.get_param("name", header="content-disposition"): part for part in whole.iter_parts()}
    return parts[name].get_payload(decode=True)
