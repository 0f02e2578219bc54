"""A new plugin, written: an installable package with one component, its tests and CI. For `twt plugin new`."""

from twt_core.plugin_kit.new import new_plugin
from twt_core.plugin_kit.start import Start

__all__ = ["Start", "new_plugin"]
