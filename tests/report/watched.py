"""What a page does that it should not: every dialog, console message, error, refusal by the policy, and request."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Dialog, Error, Page, Request


class Watched:
    """Notes it all; `said` should stay empty, and `asked_for` should be the page itself."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        self.asked_for: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("dialog", self._dialog)
        page.on("popup", lambda _: self.said.append("popup"))
        page.on("download", lambda _: self.said.append("download"))
        page.on("request", self._request)
        page.on("framenavigated", lambda frame: self.said.append("frame") if frame.parent_frame else None)

    def _console(self, message: ConsoleMessage) -> None:
        self.said.append(f"{message.type}: {message.text}")  # refusals by the policy are told there, too

    def _error(self, error: Error) -> None:
        self.said.append(f"error: {error}")

    def _dialog(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.asked_for.append(request.url)
