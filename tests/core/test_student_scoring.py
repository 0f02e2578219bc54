"""How likely the student finds a text: token by token, and the same in any batch."""

from __future__ import annotations

import pytest

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.student import scoring
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.loading import load_model, load_tokenizer
from twt_core.student.scoring import text_logprobs

CHAT = [Message("user", "What is 3 plus 4?")]
TEXTS = [
    "Thinking: three and four.\nThe answer is: 7",
    "7",
    "",
    "Zürich, 東京 and 🙂 are not in the vocabulary; 1 + 2 = 3.\n\n  Spaces  stay. ",
    "The answer is: 9\n",
]
PAIRS = [([Message("user", "What is it?" + " Again?" * n)], text) for n, text in enumerate(TEXTS)]


def scores(model, pairs=PAIRS, **options):
    config = StudentConfig(**{"model": "tiny", "precision": "fp32", **options})
    return text_logprobs(model, None, pairs, config, Progress(quiet=True))


def logprobs(rows):
    return [pytest.approx([token.logprob for token in row], abs=1e-5) for row in rows]


def directly(model, chat, text, keep=None):
    """One forward pass without padding: the log-probability of each of the text's last `keep` tokens."""
    import torch

    tokenizer = load_tokenizer(model)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    row = encode_prompt(tokenizer, chat) + ids
    with torch.inference_mode():
        all_logprobs = load_model(model, torch.float32, "cpu").eval()(torch.tensor([row])).logits[0].log_softmax(-1)
    return [float(all_logprobs[place - 1, row[place]]) for place in range(len(row) - len(ids), len(row))]


def test_log_probs_are_those_of_one_plain_pass(model):
    for (chat, text), row in zip(PAIRS, scores(model), strict=True):
        expected = directly(model, chat, text) if text else []
        assert [token.logprob for token in row] == pytest.approx(expected, abs=1e-5)
        assert all(token.logprob < 0 for token in row)


def test_joined_tokens_are_the_text(model):
    found = scores(model)
    assert ["".join(token.token for token in row) for row in found] == TEXTS
    assert found[2] == []
    assert any(token.token == "" for token in found[3])  # a character of several tokens is its first one's
    tokenizer = load_tokenizer(model)
    assert [len(row) for row in found] == [len(tokenizer(text).input_ids) for text in TEXTS]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_neither_batch_nor_padding_changes_them(model, size):
    assert [[t.logprob for t in row] for row in scores(model, generation_batch_size=size)] == logprobs(scores(model))


def test_a_batch_is_cut_to_what_memory_holds(model, monkeypatch):
    sizes, plain = [], scoring._batch_scores
    monkeypatch.setattr(scoring, "_batch_scores", lambda net, rows: sizes.append(len(rows)) or plain(net, rows))
    whole = scores(model)
    monkeypatch.setattr(scoring, "_MOST_LOGITS", 1)
    assert [[t.logprob for t in row] for row in scores(model)] == logprobs(whole)
    assert sizes == [4, 1, 1, 1, 1]


def test_only_the_logits_of_the_texts_are_made(model, monkeypatch):
    kept, plain = [], scoring._row_scores
    monkeypatch.setattr(
        scoring, "_row_scores", lambda logits, ids, n: kept.append((len(logits), len(ids))) or plain(logits, ids, n)
    )
    scores(model, [(CHAT, "7")])
    [(logits, width)] = kept
    assert logits == 2 < width


def test_the_students_own_adapter_counts(model, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    adapted = get_peft_model(
        load_model(model, torch.float32, "cpu"), LoraConfig(target_modules="all-linear", init_lora_weights=False)
    )
    adapted.save_pretrained(tmp_path)
    config = StudentConfig(model="tiny", precision="fp32")
    [untouched], [own] = (text_logprobs(model, adapter, [(CHAT, "7")], config, Progress(quiet=True))
                          for adapter in (None, tmp_path))  # fmt: skip
    assert own[0].token == untouched[0].token and own[0].logprob != pytest.approx(untouched[0].logprob, abs=1e-3)


def test_a_text_over_max_length_is_scored_whole_in_windows(model):
    text = " ".join(f"Three and four are {n}." for n in range(20))
    tokenizer = load_tokenizer(model)
    prompt, ids = encode_prompt(tokenizer, CHAT), tokenizer(text).input_ids
    most = len(prompt) + len(ids) // 2
    [whole], [cut] = scores(model, [(CHAT, text)]), scores(model, [(CHAT, text)], max_length=most)
    assert "".join(token.token for token in cut) == text
    room = most - len(prompt)
    assert [t.logprob for t in cut[:room]] == [pytest.approx(t.logprob, abs=1e-5) for t in whole[:room]]
    assert [t.logprob for t in cut] != [pytest.approx(t.logprob, abs=1e-5) for t in whole]
    windows = list(scoring._windows(0, prompt, ids, most))
    assert all(len(window.ids) == most for window in windows)
    assert all(window.scored <= room - room // 2 for window in windows[1:])
    assert [i for window in windows for i in window.ids[-window.scored :]] == ids


def test_a_chat_over_max_length_loses_its_beginning(model):
    chat = [Message("user", "Again? " * 50 + "What is 3 plus 4?")]
    [row] = scores(model, [(chat, TEXTS[0])], max_length=20)
    assert "".join(token.token for token in row) == TEXTS[0]
    [window, *_] = scoring._windows(0, list(range(50)), [1, 2, 3], 20)
    assert window.ids == [*range(40, 50), 1, 2, 3]


def test_without_texts_no_model_is_loaded(model, monkeypatch):
    monkeypatch.setattr(scoring, "load_merged", lambda *_: pytest.fail("loaded"))
    assert scores(model, []) == []
    assert scores(model, [(CHAT, "")]) == [[]]


def test_a_tokenizer_without_offsets_is_refused(model, monkeypatch):
    class Slow:
        is_fast = False

    monkeypatch.setattr(scoring, "load_tokenizer", lambda _: Slow())
    with pytest.raises(InputError, match="needs a fast tokenizer"):
        scores(model)
