"""The models that this process has loaded, each for all the teachers that are set up alike.

llama.cpp's server runs in the process, with a slot for each answer that is written at once. A slot has a thread here,
which waits for its tokens; so calls that find no slot free wait in Python, where they can be taken back.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING

from twt_core.errors import InputError, TeacherError
from twt_core.settings import Json

if TYPE_CHECKING:
    from xllamacpp import CommonParams, Server


@dataclass(frozen=True)
class Loading:
    """How a model is loaded. `teacher` is for messages, and does not count when two are compared."""

    teacher: str = field(compare=False)
    path: str
    slots: int
    context_size: int
    threads: int | None
    gpu_layers: int | None


async def ask(loading: Loading, body: dict[str, Json]) -> list[Json]:
    """What the model says to a chat request, as the parts of a stream. It is loaded, if it is not.

    Once cancelled, it comes back when the slot is free again: after the token that is under way, or the batch of the
    prompt, or the loading.

    Raises:
        InputError: the model cannot be loaded.
        TeacherError: llama.cpp does not take the request.
    """
    model, unwanted = _with_a_call_more(loading), Event()
    call = model.threads.submit(model.answer, body, unwanted)
    call.add_done_callback(lambda _: _with_a_call_less(loading))
    answer = asyncio.wrap_future(call)
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError:
        unwanted.set()
        if not call.cancel():
            with suppress(Exception):  # nobody waits for it any longer
                await answer
        raise


async def let_go(loading: Loading) -> None:
    """Free the model's memory, at once or with the end of the last call that is under way."""
    with _LOCK:
        model = _MODELS.get(loading)
        if model is not None:
            model.leaving = True
    if model is not None:
        await asyncio.to_thread(_free_if_left, loading)


class _Model:
    """A model for any number of calls. It is loaded by the first one.

    Attributes:
        threads: one for each slot.
        calls: how many are waiting or under way.
        leaving: whether the last call is to free it.
    """

    def __init__(self, loading: Loading) -> None:
        self.threads = ThreadPoolExecutor(loading.slots, thread_name_prefix="llama.cpp")
        self.calls = 0
        self.leaving = False
        self._loading = loading
        self._server: Server | None = None
        self._one_at_a_time = Lock()

    def answer(self, body: dict[str, Json], unwanted: Event) -> list[Json]:
        """In a thread of `threads`: all the parts, or those until `unwanted` is set."""
        parts: list[Json] = []

        def heard(part: Json) -> bool:  # what it returns says whether to stop; what it raises, xllamacpp drops
            parts.append(part)
            return unwanted.is_set()

        # Progress comes with each batch of the prompt: without it there is nothing to stop at before the first token.
        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        try:
            if not unwanted.is_set():
                self._loaded().handle_chat_completions(streamed, heard)
        except MemoryError:
            raise TeacherError("out of memory: free some, or lower context_size", retry="later") from None
        except (ValueError, RuntimeError) as error:  # what no slot was given to: a template's or a schema's refusal
            raise TeacherError(f"llama.cpp does not take the request: {error}", retry="never") from None
        return parts

    def free(self) -> None:
        """Let go of the memory. No call may be under way."""
        self.threads.shutdown(wait=False)
        self._server = None

    def _loaded(self) -> Server:
        with self._one_at_a_time:
            if self._server is None:
                self._server = _server(self._loading)
            return self._server


_MODELS: dict[Loading, _Model] = {}
#: Held while the table, or a model's `calls` or `leaving`, is read or changed.
_LOCK = Lock()


def _with_a_call_more(loading: Loading) -> _Model:
    with _LOCK:
        if loading not in _MODELS:
            _MODELS[loading] = _Model(loading)
        model = _MODELS[loading]
        model.calls += 1
        model.leaving = False  # who asks, closes
        return model


def _with_a_call_less(loading: Loading) -> None:
    with _LOCK:
        _MODELS[loading].calls -= 1
    _free_if_left(loading)


def _free_if_left(loading: Loading) -> None:
    with _LOCK:
        model = _MODELS.get(loading)
        if model is None or model.calls or not model.leaving:
            return
        del _MODELS[loading]
    model.free()


def _server(loading: Loading) -> Server:
    from xllamacpp import Server

    try:
        server = Server(_parameters(loading))
    except (RuntimeError, ValueError, MemoryError) as error:
        raise InputError(
            f"teacher {loading.teacher!r}: llama.cpp cannot load {loading.path}: {error} What it says of it stands on "
            "standard error. Is the file whole, its architecture known to this xllamacpp, and memory left for "
            f"{loading.slots} x {loading.context_size} tokens (parallel x context_size)?"
        ) from None
    # A server that is dropped before its loop has begun never ends. To tell its metrics, the loop must run.
    server.handle_metrics()
    return server


def _parameters(loading: Loading) -> CommonParams:
    from xllamacpp import CommonParams

    parameters = CommonParams()
    parameters.model.path = loading.path
    parameters.n_parallel, parameters.n_ctx = loading.slots, loading.slots * loading.context_size
    if loading.threads is not None:
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = loading.threads
    if loading.gpu_layers is not None:
        parameters.n_gpu_layers = loading.gpu_layers
    parameters.cache_ram_mib = 0  # by default, gigabytes of prompts are kept
    parameters.endpoint_metrics, parameters.warmup = True, False
    parameters.verbosity = 1  # errors
    # The server listens on loopback, whether one wants it or not: at a port that is free, for nobody.
    parameters.port, parameters.n_threads_http, parameters.ui = 0, 1, False
    parameters.api_keys = [secrets.token_urlsafe()]
    return parameters
