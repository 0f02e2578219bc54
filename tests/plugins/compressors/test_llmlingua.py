import shutil
import socket
from importlib.util import find_spec

import project
import pytest
import samples
from pydantic import ValidationError

from twt_core.errors import InputError
from twt_core.records import Draft
from twt_plugins.compressors import llmlingua, llmlingua_library
from twt_plugins.compressors.llmlingua import LLMLingua

SHORT = "Teacher ann counts 3 and 4 together, slowly, in way 0."
#: Over 200 of the tiny model's tokens, where LLMLingua goes on with what is in its cache; and over the model's 512.
LONG = " ".join(text.split("\n")[0] for text in project.texts()[:24])
LONGEST = f"{LONG} {LONG[::-1]}"
ODD = ["", " ", "Seven", "\x00", "😀", "😀 ünïcode 三加四", "```python\nx = 1\n```\nSo 1.", "a" * 3000, "<s> Seven"]


def shortened(compressor, *rationales):
    drafts = [Draft(query=samples.QUERY, annotation=samples.annotation(rationale=text)) for text in rationales]
    made = compressor.compress(drafts, samples.context())
    assert all(row.label == "7" for row in made)
    return [row.rationale for row in made]


@pytest.fixture
def lingua(model):
    return LLMLingua(model=str(model), device="cpu")


def bert(folder):
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    special = {f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}
    words = BertWordPieceTokenizer(lowercase=False)
    words.train_from_iterator(project.texts(), vocab_size=200, special_tokens=list(special.values()))
    PreTrainedTokenizerFast(tokenizer_object=words._tokenizer, **special).save_pretrained(folder)
    return BertForTokenClassification(BertConfig(vocab_size=words.get_vocab_size(), **TINY))


def xlm_roberta(folder):
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForTokenClassification

    names = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    words = SentencePieceUnigramTokenizer()
    special = list(dict.fromkeys(names.values()))
    words.train_from_iterator(project.texts(), vocab_size=150, special_tokens=special, unk_token="<unk>")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer, **{f"{name}_token": token for name, token in names.items()}
    )
    tokenizer.save_pretrained(folder)
    config = XLMRobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, max_position_embeddings=514, **TINY)
    return XLMRobertaForTokenClassification(config)


TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
FAMILIES = {"tiny-bert-base-multilingual-cased": bert, "tiny-xlm-roberta-large": xlm_roberta}


@pytest.fixture(scope="module", params=FAMILIES)
def classifier(tmp_path_factory, request):
    """A random token classifier of a family that LLMLingua-2 reads."""
    import torch

    folder = tmp_path_factory.mktemp("classifier") / request.param
    torch.manual_seed(0)
    FAMILIES[request.param](folder).save_pretrained(folder)
    return folder


def tokens(model, text):
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(model)(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize("text", [SHORT, LONG, LONGEST], ids=["short", "long", "longest"])
@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_about_that_share_of_the_tokens_stays(model, text, rate):
    [made] = shortened(LLMLingua(model=str(model), rate=rate, device="cpu"), text)
    share = len(tokens(model, made)) / len(tokens(model, text))
    assert share == pytest.approx(rate, abs=0.2)
    rest = iter(text)
    assert all(character in rest for character in made if not character.isspace())


def test_the_texts_are_as_long_as_they_are_meant_to_be(model):
    assert len(tokens(model, SHORT)) < 200 < len(tokens(model, LONG)) < 512 < len(tokens(model, LONGEST))


def test_it_gives_the_same_again_and_each_text_by_itself(lingua):
    assert shortened(lingua, SHORT, LONG) == shortened(lingua, SHORT) + shortened(lingua, LONG)
    assert shortened(lingua) == []


def test_no_text_is_too_odd(lingua):
    assert shortened(lingua, *ODD)[:2] == [None, None]


def test_a_cache_of_pairs_is_as_good_as_none(model):
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model).eval()
    pairs, ids = llmlingua_library._WithPairs(loaded), torch.tensor([tokens(model, SHORT)])
    with torch.no_grad():
        first = pairs(ids[:, :5], attention_mask=torch.ones(1, 5), use_cache=True)
        second = pairs(
            ids[:, 5:], [list(pair) for pair in first.past_key_values],
            attention_mask=torch.ones_like(ids), use_cache=True,
        )  # fmt: skip
        whole = loaded(ids).logits
    assert torch.allclose(second.logits, whole[:, 5:], atol=1e-5)


def test_nothing_is_looked_for_on_the_network(lingua, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it asked for an address"))
    assert len(shortened(lingua, SHORT)[0]) < len(SHORT)


def test_a_token_classifier_works_as_llmlingua_2(classifier):
    few, many = (
        shortened(LLMLingua(model=str(classifier), rate=rate, device="cpu"), SHORT, LONG) for rate in (0.3, 0.8)
    )
    for small, large, text in zip(few, many, (SHORT, LONG), strict=True):
        assert len(small) < len(large) < len(text)
    lingua = LLMLingua(model=str(classifier), device="cpu")
    made = shortened(lingua, *ODD)
    assert made[:2] == [None, None]
    assert made == shortened(lingua, *ODD)


def test_a_classifier_that_llmlingua_2_cannot_read(classifier, tmp_path):
    shutil.copytree(classifier, tmp_path / "other")
    with pytest.raises(InputError, match=r"LLMLingua-2 reads those with .* in their name"):
        shortened(LLMLingua(model=str(tmp_path / "other"), device="cpu"), SHORT)


def test_what_is_missing_is_found_before_the_run(lingua, monkeypatch, tmp_path):
    lingua.check_run(samples.context())
    with pytest.raises(InputError, match=r"compressor\.model: no model at ./nowhere"):
        LLMLingua(model="./nowhere").check_run(samples.context())
    monkeypatch.setattr(llmlingua, "find_spec", lambda name: None if name == "llmlingua" else find_spec(name))
    with pytest.raises(InputError, match=r'pip install "twt-distill\[llmlingua\]"'):
        lingua.check_run(samples.context())


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(InputError, match=r"compressor\.model: cannot load"):
        shortened(LLMLingua(model=str(tmp_path), device="cpu"), SHORT)


def test_a_gguf_is_made_ready_in_the_cache(tmp_path, model, monkeypatch):
    (tmp_path / "small.gguf").write_bytes(b"weights")
    asked = []

    def ready(path, cache):
        asked.append((path, cache))
        return model

    monkeypatch.setattr("twt_core.student.loading.ready_base", ready)  # a real one takes most of a minute
    local = LLMLingua(model=str(tmp_path / "small.gguf"), cache=tmp_path / "cache", device="cpu")
    assert shortened(local, SHORT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert shortened(local.model_copy(update={"cache": None}), SHORT)
    assert [cache for _, cache in asked] == [tmp_path / "cache", tmp_path / "home" / "twt" / "models"]


def test_it_is_identified_by_the_models_files_and_not_by_the_place(model, tmp_path):
    copied = shutil.copytree(model, tmp_path / "copied")
    there, here = LLMLingua(model=str(model)), LLMLingua(model=str(copied), device="cpu", cache=tmp_path)
    assert there.identity() == here.identity()
    (copied / "config.json").write_text("{}", encoding="utf-8")
    assert there.identity() != here.identity()


def test_a_model_beside_the_config_is_found(model):
    found = LLMLingua.model_validate({"model": model.name}, context={"folder": model.parent})
    assert found.model == str(model.resolve())
    assert LLMLingua.model_validate({"model": "owner/name"}, context={"folder": model.parent}).model == "owner/name"


def test_options_that_mean_nothing():
    for options in ({"rate": 0}, {"rate": 1}, {"model": ""}, {"device": "tpu"}):
        with pytest.raises(ValidationError):
            LLMLingua(**{"model": "m", **options})
