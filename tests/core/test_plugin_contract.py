"""Plugins of another contract: refused with the way out, or taken and told of."""

from __future__ import annotations

import subprocess
import sys
import warnings
from types import ModuleType, SimpleNamespace

import pluggy
import pytest

from twt_core import hookspecs, plugins
from twt_core.components import QualityFilter
from twt_core.errors import InputError, PluginWarning
from twt_core.plugin_contract import contract_problem

ACME = "acme-plugin 1.2"


class Strict(QualityFilter):
    """Keeps nothing."""

    def judge(self, annotations, context):
        return ["no" for _ in annotations]


@hookspecs.hookimpl
def register_quality_filters(register):
    register("strict", Strict)


@pytest.fixture
def module(monkeypatch):
    """A plugin's module; TWT_CONTRACT as given, or not there."""

    def make(*version):
        found = ModuleType("acme_plugin")
        found.register_quality_filters = register_quality_filters
        if version:
            [found.TWT_CONTRACT] = version
        monkeypatch.setitem(sys.modules, "acme_plugin", found)
        return found

    return make


@pytest.fixture
def engine(monkeypatch):
    """Set the contract of this engine, and the oldest that it takes."""

    def be(current, oldest, last_releases=None):
        monkeypatch.setattr(hookspecs, "CONTRACT_VERSION", current)
        monkeypatch.setattr(hookspecs, "OLDEST_CONTRACT", oldest)
        monkeypatch.setattr(hookspecs, "LAST_RELEASES", last_releases or {})

    return be


def joined(plugin, module=None):
    found = plugins.Registry()
    plugins.join(found, plugin, ACME, module)
    return [entry.name for entry in found]


@pytest.mark.parametrize("version", [(), (1,)])
def test_the_current_contract_is_nothing_to_speak_of(module, version):
    with warnings.catch_warnings(action="error"):
        assert joined(module(*version)) == ["strict"]


def test_a_newer_one_is_refused_with_both_ways_out(module, engine):
    engine(3, 2)
    with pytest.raises(InputError) as refused:
        joined(module(4))
    said = str(refused.value)
    assert said.startswith(f"{ACME}: built for plugin contract 4; this is contract 3, of twt-distill 0.")
    assert "pip install --upgrade twt-distill" in said
    assert said.endswith("or install an older release of acme-plugin")


@pytest.mark.parametrize("version", [(), (1,)])
def test_an_older_one_that_is_not_taken_is_refused(module, engine, version):
    """A plugin that states none was built for the first."""
    engine(3, 2, {1: "0.9.4"})
    with pytest.raises(InputError) as refused:
        joined(module(*version))
    said = str(refused.value)
    assert said.startswith(f"{ACME}: built for plugin contract 1; this is contract 3, of twt-distill 0.")
    assert "the oldest that it takes is 2. Install a newer release of acme-plugin" in said
    assert said.endswith("an older twt-distill (0.9.4 is the last that takes it)")


def test_an_older_one_that_is_taken_works_and_is_told_of_once(module, engine):
    engine(3, 2)
    with pytest.warns(PluginWarning) as told:
        assert joined(module(2)) == ["strict"]
    [said] = [str(warning.message) for warning in told]
    assert said.startswith(
        f"{ACME}: built for plugin contract 2; this is contract 3, which still takes it. Contract 4 "
    )
    assert "upgrade acme-plugin, or ask its author to move to contract 3" in said


@pytest.mark.parametrize("version", ["1", True, False, 0, -1, None, 1.0, (1,)])
def test_what_is_no_contract_is_refused(module, version):
    with pytest.raises(InputError, match=r"^acme-plugin 1\.2: TWT_CONTRACT is .*, which is no contract") as refused:
        joined(module(version))
    assert f"is {version!r}, which" in str(refused.value)
    assert str(refused.value).endswith("TWT_CONTRACT = 1")


def test_a_class_or_an_object_states_its_own(module):
    module(1)

    class Hooks:
        TWT_CONTRACT = 2
        register_quality_filters = staticmethod(register_quality_filters)

    for plugin in (Hooks, Hooks()):
        with pytest.raises(InputError, match="built for plugin contract 2"):
            joined(plugin, "acme_plugin")


def test_where_an_object_states_none_its_module_does(module):
    module(2)
    plugin = SimpleNamespace(register_quality_filters=register_quality_filters)
    with pytest.raises(InputError, match="built for plugin contract 2"):
        joined(plugin, "acme_plugin")
    assert joined(plugin) == ["strict"]

    class Hooks:
        __module__ = "acme_plugin"
        register_quality_filters = staticmethod(register_quality_filters)

    for found in (Hooks, Hooks()):
        with pytest.raises(InputError, match="built for plugin contract 2"):
            joined(found)


def test_a_deprecated_hook_is_told_with_its_distribution(module, monkeypatch):
    spec = pluggy.HookspecMarker("twt")(
        warn_on_impl=DeprecationWarning("register_quality_filters goes in contract 3: use another")
    )

    @spec
    def register_quality_filters(register):
        """Deprecated."""

    monkeypatch.setattr(hookspecs, "register_quality_filters", register_quality_filters)
    with pytest.warns(PluginWarning, match=r"^acme-plugin 1\.2: register_quality_filters goes in contract 3: use"):
        assert joined(module()) == ["strict"]


def test_contract_problem_says_nothing_of_a_good_one(module):
    assert contract_problem(module(1), ACME) is None


def test_the_command_line_tells_it_in_one_line_on_standard_error():
    """The built-ins state no contract, so they are the old ones here: one distribution, seven entry points."""
    script = (
        "import sys\nfrom twt_core import hookspecs\nfrom twt_core.cli import main\n"
        "hookspecs.CONTRACT_VERSION = 2\nsys.argv = ['twt', 'plugins', 'quality_filter']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "threshold" in done.stdout and "still takes it" not in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("twt: twt-distill 0.")
    assert "built for plugin contract 1; this is contract 2, which still takes it" in line


def test_other_warnings_look_as_ever(twt):
    assert twt("--version").code == 0
    assert "UserWarning: odd" in warnings.formatwarning("odd", UserWarning, "file.py", 3)
