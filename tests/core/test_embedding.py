import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twt_core import embedding
from twt_core.embedding import CHUNK, Embeddings
from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress

TEXTS = ["Teacher ann counts 3 and 4 together", "plus What is", "What is 3 plus 4?"]
QUIET = Progress(quiet=True)

#: Another process: embeds the same texts in an order of its own; dies after `chunks` commits, unless 0.
OTHER = """
import os, random, signal, sys
from pathlib import Path
from twt_core.embedding import Embeddings
from twt_core.progress import Progress

folder, embedder, count, chunks, seed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
texts = [f"What is {' '.join(str(n))}" for n in range(count)]
random.Random(seed).shuffle(texts)
embed = Embeddings(Path(folder), Progress(quiet=True))
keep, kept = embed._keep, []

def keep_then_die(identity, vectors):
    keep(identity, vectors)
    kept.append(1)
    if len(kept) == chunks:
        os.kill(os.getpid(), signal.SIGKILL)

embed._keep = keep_then_die
embed(embedder, texts)
"""


def other(file: Path, embedder: Path, count: int, chunks: int = 0, seed: int = 0) -> subprocess.Popen[bytes]:
    arguments = [str(part) for part in (file, embedder, count, chunks, seed)]
    return subprocess.Popen([sys.executable, "-c", OTHER, *arguments], stderr=subprocess.PIPE)


def numbered(count: int) -> list[str]:
    return [f"What is {' '.join(str(n))}" for n in range(count)]


def rows(file: Path) -> int:
    with sqlite3.connect(file) as db:
        return db.execute("SELECT COUNT(*) FROM vectors").fetchone()[0]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "runs" / "embeddings.sqlite"


@pytest.fixture
def embed(file):
    opened = Embeddings(file, QUIET)
    yield opened
    opened.close()


@pytest.fixture
def encoded(monkeypatch):
    """The texts that a model reads."""
    seen: list[str] = []
    encode = embedding._encode
    monkeypatch.setattr(
        embedding, "_encode", lambda model, name, texts: seen.extend(texts) or encode(model, name, texts)
    )
    return seen


def test_unit_vectors_in_the_order_of_the_texts(embed, embedder):
    from sentence_transformers import SentenceTransformer

    vectors = embed(str(embedder), TEXTS)
    assert (vectors.shape, vectors.dtype) == ((3, 16), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    direct = SentenceTransformer(str(embedder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(vectors, direct, atol=1e-6)
    assert (embed(str(embedder), TEXTS[::-1]) == vectors[::-1]).all()


def test_no_texts_need_no_model_and_no_file(embed, file):
    assert embed("/no/such", []).shape == (0, 0)
    assert not file.parent.exists()


def test_a_text_is_embedded_once(embed, embedder, file, encoded):
    first = embed(str(embedder), [TEXTS[0], TEXTS[1], TEXTS[0]])
    assert (first[0] == first[2]).all()
    again = Embeddings(file, QUIET)(str(embedder), [*TEXTS[::-1], TEXTS[0]])
    assert sorted(encoded) == sorted(TEXTS)
    assert (again[[2, 1, 3]] == first).all()


def test_the_model_is_loaded_only_for_what_is_missing(embed, embedder, monkeypatch):
    vectors = embed(str(embedder), TEXTS)
    monkeypatch.setattr(embedding, "_load", lambda name: pytest.fail("loaded"))
    assert (embed(str(embedder), TEXTS) == vectors).all()
    with pytest.raises(pytest.fail.Exception, match="loaded"):
        embed(str(embedder), ["What else?"])


def test_another_embedder_has_vectors_of_its_own(embed, embedder, tmp_path):
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(embedder), device="cpu")
    with torch.no_grad():
        model[0].embedding.weight.neg_()
    model.save(str(tmp_path / "negative"))
    assert (embed(str(tmp_path / "negative"), TEXTS) == -embed(str(embedder), TEXTS)).all()


@pytest.mark.parametrize("damaged", ["x'00'", "zeroblob(64)", "x''"])
def test_a_damaged_vector_is_computed_again(embed, embedder, file, encoded, damaged):
    vectors = embed(str(embedder), TEXTS)
    with sqlite3.connect(file) as db:
        db.execute(f"UPDATE vectors SET vector = {damaged} WHERE rowid = 2")
    assert (Embeddings(file, QUIET)(str(embedder), TEXTS) == vectors).all()
    assert len(encoded) == len(TEXTS) + 1


def test_a_damaged_file_is_named(file, embedder):
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(TwtError, match=r"embeddings\.sqlite: .*not a database.*delete it"):
        Embeddings(file, QUIET)(str(embedder), TEXTS)


def test_a_file_with_damaged_pages_gives_the_vectors_or_an_error(embed, embedder, file):
    texts = numbered(300)
    vectors = embed(str(embedder), texts)
    embed.close()
    whole = file.read_bytes()
    for page in range(1, len(whole) // 4096):
        file.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        reopened = Embeddings(file, QUIET)
        try:
            np.testing.assert_allclose(reopened(str(embedder), texts), vectors, atol=1e-6)
        except TwtError as error:
            assert "embeddings.sqlite" in str(error)
        reopened.close()


def test_a_file_that_cannot_be_made(tmp_path, embedder):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(InputError, match=r"embeddings\.sqlite: cannot open"):
        Embeddings(tmp_path / "runs" / "embeddings.sqlite", QUIET)(str(embedder), TEXTS)


def test_a_newer_file_is_refused(embed, embedder, file):
    embed(str(embedder), TEXTS)
    embed.close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match=r"embeddings\.sqlite: written by a newer TwT"):
        embed(str(embedder), TEXTS)


def test_an_embedder_that_changed_its_size_under_its_name(embed, embedder, monkeypatch):
    monkeypatch.setattr(embedding, "model_identity", lambda name: "owner/name")
    embed(str(embedder), TEXTS[:1])
    encode = embedding._encode
    monkeypatch.setattr(embedding, "_encode", lambda model, name, texts: [v[:32] for v in encode(model, name, texts)])
    with pytest.raises(TwtError, match="another size"):
        embed(str(embedder), TEXTS)


def test_embedders_that_are_none(embed, embedder, tmp_path):
    with pytest.raises(InputError, match="no model at /no/such"):
        embed("/no/such", TEXTS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: cannot load this sentence embedder: .* Give a folder"):
        embed(str(tmp_path / "empty"), TEXTS)


def test_a_model_of_nan_keeps_nothing(embed, embedder, file, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(embedder), device="cpu")
    model[0].embedding.weight.data.fill_(float("nan"))
    model.save(str(tmp_path / "broken"))
    with pytest.raises(TwtError, match="broken: the embedder gave NaN"):
        embed(str(tmp_path / "broken"), TEXTS)
    assert rows(file) == 0


def test_progress_counts_what_is_embedded(file, embedder, capfd):
    Embeddings(file, Progress())(str(embedder), TEXTS)
    assert "embedding rationales: 3/3" in capfd.readouterr().err


def test_a_kill_loses_no_committed_chunk(file, embedder, encoded):
    dying = other(file, embedder, 3 * CHUNK, chunks=2)
    dying.communicate()
    assert dying.returncode == -signal.SIGKILL
    assert rows(file) == 2 * CHUNK
    assert Embeddings(file, QUIET)(str(embedder), numbered(3 * CHUNK)).shape == (3 * CHUNK, 16)
    assert len(encoded) == CHUNK


def test_processes_share_a_file(file, embedder):
    count = 4 * CHUNK
    together = [other(file, embedder, count, seed=seed) for seed in range(2)]
    for process in together:
        assert process.communicate()[1].count(b"Error") == 0
        assert process.returncode == 0
    assert rows(file) == count
