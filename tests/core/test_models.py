import sys

import pytest

from twt_core.errors import InputError
from twt_core.models import find_model, model_identity


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "carries_a_model").mkdir()
    (tmp_path / "carries_a_model" / "__init__.py").touch()
    (tmp_path / "carries_a_model" / "small.gguf").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    yield "package:carries_a_model"
    sys.modules.pop("carries_a_model", None)


def test_a_hub_id_stays_as_it_is():
    assert find_model("owner/name") == "owner/name"
    assert model_identity("owner/name") == "owner/name"


def test_a_folder_or_file(tmp_path):
    assert find_model(str(tmp_path)) == tmp_path


def test_a_file_in_a_package(package, tmp_path):
    assert find_model(f"{package}/small.gguf") == tmp_path / "carries_a_model" / "small.gguf"
    with pytest.raises(InputError, match=r"the package has no 'smal\.gguf'; beside it there is: small\.gguf"):
        find_model(f"{package}/smal.gguf")


def test_a_package_that_is_not_there():
    for name in ("no_such_package", "no-such-package", "", "os.path"):
        with pytest.raises(InputError, match=f"no installed package '{name}'"):
            find_model(f"package:{name}/model")
    with pytest.raises(InputError, match="no installed package 'json_'"):
        find_model("package:json_/x")


def test_a_folder_in_a_package_that_is_not_there(package):
    with pytest.raises(InputError, match=r"the package has no 'deep/small\.gguf'; beside it there is: nothing"):
        find_model(f"{package}/deep/small.gguf")


@pytest.mark.parametrize("model", ["./none", "/none", "~/none-at-all", "none.gguf", "a/b/c"])
def test_a_path_that_is_not_there(model):
    with pytest.raises(InputError, match="no model at"):
        find_model(model)


def test_the_identity_follows_the_files(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"0" * 100)
    before = model_identity(str(tmp_path))
    assert model_identity(str(tmp_path)) == before
    (tmp_path / "model.safetensors").write_bytes(b"0" * 99 + b"1")
    changed = model_identity(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"0" * 100)
    (tmp_path / "config.json").rename(tmp_path / "other.json")
    assert len({before, changed, model_identity(str(tmp_path))}) == 3
