"""Plugins as pip leaves them: a module and a dist-info folder on the path, good and broken."""

from __future__ import annotations

import sys

import pytest

from twt_core import listing, plugins
from twt_core.errors import InputError
from twt_core.hookspecs import CONTRACT_VERSION
from twt_core.settings import Settings

GOOD = """
from twt_core.components import QualityFilter
from twt_core.hookspecs import hookimpl

class Strict(QualityFilter):
    '''Keeps nothing.'''
    def judge(self, annotations):
        return ["no" for _ in annotations]

@hookimpl
def register_quality_filters(register):
    register("strict", Strict)
"""

HEAD = "from twt_core.components import *\nfrom twt_core.components import QualityFilter, Teacher\n"
HOOK = "from twt_core.hookspecs import hookimpl\n"


@pytest.fixture
def install(tmp_path, monkeypatch, fresh_registry):
    """Put a distribution with one module on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = []

    def put(source, name="acme-plugin", version="1.2", module=None):
        module = module or name.replace("-", "_")
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[twt]\n{module} = {module}\n", encoding="utf-8")
        plugins.registry.cache_clear()

    yield put
    for name in modules:
        sys.modules.pop(name, None)


def test_the_built_ins_come_through_the_same_door():
    found = {(entry.kind, entry.name): entry.distribution for entry in plugins.registry()}
    for kind, names in {
        "teacher": ["litellm", "replay"],
        "confidence_scorer": ["self_reported", "logprob"],
        "quality_filter": ["threshold", "hard_rejection"],
        "diversity_selector": ["min_similarity_pair", "random_pair", "all"],
        "compressor": ["teacher_guided", "fixed_length"],
        "stage_scheduler": ["three_stage", "n_stage", "standard_kd"],
        "task_evaluator": ["math", "multiple_choice", "exact_match"],
    }.items():
        for name in names:
            assert found[kind, name].startswith("twt-distill "), name


def test_a_third_party_plugin_is_found_and_named(install):
    install(GOOD)
    entry = plugins.resolve("quality_filter", {"use": "strict"})
    assert entry.distribution == "acme-plugin 1.2"
    assert plugins.name_of(entry.cls) == "strict"
    [listed] = listing.components("quality_filter", "strict").components
    assert (listed.distribution, listed.doc, listed.options) == ("acme-plugin 1.2", "Keeps nothing.", [])


def test_two_plugins_of_one_kind_stand_side_by_side(install):
    install(GOOD)
    install(GOOD.replace('"strict"', '"stricter"'), "other-plugin")
    assert {"strict", "stricter", "threshold"} <= set(plugins.registry().components["quality_filter"])


def test_two_plugins_of_one_name_are_refused(install):
    install(GOOD)
    install(GOOD, "other-plugin", "2.0")
    with pytest.raises(InputError, match=r"'strict': acme-plugin 1\.2 and other-plugin 2\.0\. Uninstall one"):
        plugins.registry()


def test_the_same_entry_point_name_twice_hides_nobody(install):
    install(GOOD, module="shared")
    install(GOOD, "other-plugin", "2.0", module="shared")
    with pytest.raises(InputError, match="'strict': acme-plugin"):
        plugins.registry()


def test_a_built_ins_name_cannot_be_taken(install):
    install(GOOD.replace('"strict"', '"threshold"'))
    with pytest.raises(InputError, match=r"two plugins register quality_filter 'threshold'.*acme-plugin"):
        plugins.registry()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_one_that_cannot_be_imported_is_noted_and_the_rest_goes_on(install, source, says, twt):
    install(source)
    [broken] = plugins.registry().broken
    assert broken.startswith(f"acme-plugin 1.2 (acme_plugin): {says}")
    assert plugins.resolve("quality_filter", {"use": "threshold"})
    with pytest.raises(ValueError, match=r"no quality_filter is called 'strict'.*could not be imported: acme-plugin"):
        plugins.resolve("quality_filter", {"use": "strict"})
    said = twt("plugins")
    assert said.code == 0
    assert "could not be imported: acme-plugin 1.2" in said.out


BROKEN = {
    "misspelled hook": (
        GOOD.replace("register_quality_filters", "register_quality_filter"),
        "no hook is called 'register_quality_filter'. Did you mean \"register_quality_filters\"",
    ),
    "wrong argument": (GOOD.replace("(register)", "(reg, istry)"), "Argument(s) {'reg', 'istry'}"),
    "no hook": ("x = 1", "acme_plugin has no function marked @hookimpl"),
    "hook unmarked": (GOOD.replace("@hookimpl", ""), "has no function marked @hookimpl"),
    "wrong kind": (
        GOOD.replace("register_quality_filters", "register_teachers"),
        "teacher 'strict' is Strict, which is no Teacher subclass",
    ),
    "no class": (
        GOOD.replace('"strict", Strict', '"strict", Strict()'),
        "is Strict, which is no QualityFilter subclass",
    ),
    "abstract": (GOOD.replace("def judge", "def judges"), "'strict' (Strict) does not define judge"),
    "no name": (GOOD.replace('"strict"', "7"), "7 is no component name"),
    "odd name": (GOOD.replace('"strict"', '"very strict"'), "'very strict' is no component name"),
    "twice": (GOOD + '    register("strict", Strict)\n', "acme-plugin 1.2 and acme-plugin 1.2"),
    "hook raises": (
        GOOD.replace('register("strict", Strict)', "1 / 0"),
        "register_quality_filters raised ZeroDivision",
    ),
    "hook ends": (GOOD.replace('register("strict", Strict)', "raise SystemExit(0)"), "raised SystemExit: 0"),
    "other contract": (
        f"TWT_CONTRACT = {CONTRACT_VERSION + 1}\n{GOOD}",
        f"built for plugin contract {CONTRACT_VERSION + 1}; this is contract {CONTRACT_VERSION}",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_that_breaks_the_contract_is_refused_by_name(install, case, twt):
    source, says = BROKEN[case]
    install(source)
    said = twt("plugins")
    assert said.code == 2
    assert "acme-plugin 1.2" in said.err
    assert says.replace("{'reg', 'istry'}", "") in said.err
    assert "Traceback" not in said.err


def test_this_contracts_version_may_be_stated(install):
    install(f"TWT_CONTRACT = {CONTRACT_VERSION}\n{GOOD}")
    assert plugins.resolve("quality_filter", {"use": "strict"})


def test_an_object_may_hold_the_hooks():
    class Plugin:
        pass

    source: dict[str, object] = {}
    exec(GOOD, source)
    Plugin.register_quality_filters = staticmethod(source["register_quality_filters"])
    found = plugins.Registry()
    plugins.join(found, Plugin(), "acme-plugin 1.2")
    assert [entry.name for entry in found] == ["strict"]


def test_resolve_says_what_there_is():
    with pytest.raises(ValueError, match=r"a teacher is written \{use: NAME, \.\.\.\}\. There are: .*replay"):
        plugins.resolve("teacher", {})
    with pytest.raises(ValueError, match=r"no quality_filter is called 'treshold'\. Did you mean \"threshold\""):
        plugins.resolve("quality_filter", {"use": "treshold"})
    with pytest.raises(ValueError, match="no quality_filter is called 7"):
        plugins.resolve("quality_filter", {"use": 7})


def test_distributions_of_nested_components(install):
    install(GOOD)
    strict = plugins.resolve("quality_filter", {"use": "strict"}).cls()
    threshold = plugins.resolve("quality_filter", {"use": "threshold"}).cls()

    class Both(Settings):
        first: object
        more: tuple[object, ...]

    assert plugins.distributions_in(Both(first=strict, more=(threshold,))) == {
        "acme-plugin 1.2",
        plugins.distribution_of(type(threshold)),
    }


def test_a_class_that_nobody_registered_goes_by_its_path():
    source: dict[str, object] = {"__name__": "mine"}
    exec(GOOD, source)
    cls = source["Strict"]
    assert plugins.name_of(cls) == "mine.Strict"
    assert plugins.distribution_of(cls) == "mine"
