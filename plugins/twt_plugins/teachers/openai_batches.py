"""OpenAI's batch API, and those of providers that speak it, through LiteLLM.

A batch is a file of requests, uploaded and handed in; hours later there is a file of answers and one of errors.
Source: OpenAI's API reference, "Batch".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twt_core.errors import TeacherError
from twt_core.records import Completion, Failed, Request
from twt_core.settings import Json
from twt_plugins.teachers.batch_output import BatchRow
from twt_plugins.teachers.chat_completion import read_answer
from twt_plugins.teachers.http_faults import retry_of
from twt_plugins.teachers.litellm_library import failure, library

if TYPE_CHECKING:
    from twt_plugins.teachers.litellm import LiteLLM

#: LiteLLM's names of the providers whose batches are of this form.
PROVIDERS = frozenset({"openai", "azure", "hosted_vllm", "litellm_proxy"})

_TAG = "twt"
_ENDPOINT = "/v1/chat/completions"
_PAGE = 100
_UNDER_WAY = frozenset({"validating", "in_progress", "finalizing", "cancelling"})


class OpenAIBatches:
    """Implements `twt_core.components.BatchService` for one teacher."""

    def __init__(self, teacher: LiteLLM) -> None:
        self._teacher = teacher
        self.wait_seconds = teacher.batch_wait_seconds
        self.poll_seconds = teacher.batch_poll_seconds

    async def submit(self, requests: Mapping[str, Request], tag: str) -> str:
        """See `BatchService.submit`."""
        lines = "".join(json.dumps(self._line(key, request)) + "\n" for key, request in requests.items())
        uploaded = await self._call("acreate_file", file=("batch.jsonl", lines.encode()), purpose="batch")
        batch = await self._call(
            "acreate_batch",
            completion_window="24h",
            endpoint=_ENDPOINT,
            input_file_id=uploaded.id,
            metadata={_TAG: tag},
        )
        return str(batch.id)

    async def find(self, tag: str) -> str | None:
        """See `BatchService.find`. The provider lists the newest first."""
        after: dict[str, str] = {}
        while True:
            page = await self._call("alist_batches", limit=_PAGE, **after)
            for batch in page.data:
                if (batch.metadata or {}).get(_TAG) == tag:
                    return str(batch.id)
            if not page.data or not getattr(page, "has_more", False):
                return None
            after = {"after": page.data[-1].id}

    async def collect(self, batch: str) -> dict[str, Completion | Failed] | None:
        """See `BatchService.collect`."""
        found = await self._call("aretrieve_batch", batch_id=batch)
        if found.status in _UNDER_WAY:
            return None
        results: dict[str, Completion | Failed] = {}
        for file in (found.output_file_id, found.error_file_id):
            for line in await self._lines(file):
                results.update(self._result(line))
        unanswered = Failed(cause=_why(found))
        return {key: results.get(key, unanswered) for key in await self._keys(found.input_file_id)}

    def _line(self, key: str, request: Request) -> dict[str, Json]:
        body = self._teacher.batch_body(request)
        return {"custom_id": key, "method": "POST", "url": _ENDPOINT, "body": body}

    async def _keys(self, input_file: str) -> list[str]:
        return [json.loads(line)["custom_id"] for line in await self._lines(input_file)]

    async def _lines(self, file: str | None) -> list[str]:
        if file is None:
            return []
        content = await self._call("afile_content", file_id=file)
        return [line for line in content.content.decode("utf-8", "replace").split("\n") if line.strip()]

    def _result(self, line: str) -> dict[str, Completion | Failed]:
        try:
            row = BatchRow.model_validate(json.loads(line))
        except (ValidationError, ValueError):
            return {}  # it tells not whose it is: its request counts as unanswered
        return {row.custom_id: self._outcome(row)}

    def _outcome(self, row: BatchRow) -> Completion | Failed:
        status = row.response.status_code if row.response is not None else None
        try:
            if row.failure is not None:
                raise TeacherError(row.failure, retry="now" if status is None else retry_of(status, row.failure))
            return self._teacher.batch_completion(read_answer(row.response.body if row.response is not None else {}))
        except TeacherError as error:
            told = self._teacher.told(error)
            return Failed(cause=str(told), permanent=told.retry == "never", maybe_billed=told.maybe_billed)

    async def _call(self, name: str, **arguments: Any) -> Any:
        try:
            return await getattr(library(), name)(
                custom_llm_provider=self._teacher.provider,
                max_retries=0,
                timeout=self._teacher.timeout,
                **self._teacher.connection(),
                **arguments,
            )
        except Exception as error:  # noqa: BLE001  # LiteLLM raises what the provider's client raised
            raise self._teacher.told(failure(error)) from None


def _why(batch: Any) -> str:
    """Why a request has no line in a batch's files."""
    said = [str(error.message) for error in getattr(batch.errors, "data", None) or [] if error.message]
    return ": ".join([f"the batch is {batch.status} and has no answer to this request", *said])[:500]
