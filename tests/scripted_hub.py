"""The few addresses of the Hugging Face hub that an upload needs, on loopback. It keeps what it was sent."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "hf_test"


class ScriptedHub:
    """A hub with the repositories that were made on it.

    Attributes:
        private: whether each repository is private, by ``models/OWNER/NAME`` or ``datasets/OWNER/NAME``.
        files: the files of each, by path.
        refuse: the status that every commit gets, if any.
        large: the end of the names of files that go to the storage of large files, as ``.safetensors`` do on the hub.
        refuse_large: the status that each of these gets there, if any.
    """

    def __init__(self) -> None:
        self.private: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.refuse: int | None = None
        self.large: str | None = None
        self.refuse_large: int | None = None
        self._stored: dict[str, bytes] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def do_PUT(self) -> None:
                """A large file: its address alone lets it in, and no token goes there."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._send(*hub.store(self.path, body) if "Authorization" not in self.headers else (400, {}))

            def _answer(self, body: bytes) -> None:
                known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                self._send(*hub.reply(self.path.partition("?")[0], body) if known else (401, {"error": "no"}))

            def _send(self, status: int, reply: dict[str, Any]) -> None:
                data = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def reply(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """What the hub says to a request."""
        match path.strip("/").split("/"):
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                return 200, {"warnings": [], "errors": []}
            case ["api", kind, owner, name] if f"{kind}/{owner}/{name}" in self.private:
                repo = f"{kind}/{owner}/{name}"
                return 200, {"id": f"{owner}/{name}", "private": self.private[repo], "siblings": []}
            case ["api", _, _, _, "preupload", _]:
                asked = [file["path"] for file in json.loads(body)["files"]]
                return 200, {"files": [{"path": p, "uploadMode": self._mode(p), "shouldIgnore": False} for p in asked]}
            case ["api", kind, owner, name, "commit", _]:
                return self._commit(f"{kind}/{owner}/{name}", body)
        return self._large(path, body)

    def _large(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if path.endswith(".git/info/lfs/objects/batch"):
            return 200, {"objects": [self._upload(one) for one in json.loads(body)["objects"]]}
        return 404, {"error": f"no such address: {path}"}

    def store(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Take a large file."""
        if self.refuse_large is not None:
            return self.refuse_large, {"error": "no room"}
        self._stored[hashlib.sha256(body).hexdigest()] = body
        return (200, {}) if path == f"/stored/{hashlib.sha256(body).hexdigest()}" else (400, {"error": "other bytes"})

    def _mode(self, path: str) -> str:
        return "lfs" if self.large is not None and path.endswith(self.large) else "regular"

    def _upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {**asked, "actions": {"upload": {"href": f"{self.url}/stored/{asked['oid']}"}}}

    def _create(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        repo = f"{asked.get('type') or 'model'}s/{asked['organization']}/{asked['name']}"
        url = f"{self.url}/{repo.removeprefix('models/')}"
        if repo in self.private:
            return 409, {"error": "You already created this repo", "url": url}
        self.private[repo] = asked["visibility"] == "private"
        return 200, {"url": url}

    def _commit(self, repo: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.refuse is not None:
            return self.refuse, {"error": "not today"}
        lines = [json.loads(line) for line in body.splitlines()]
        sent = {key: [line["value"] for line in lines if line["key"] == key] for key in ("file", "lfsFile")}
        files = self.files.setdefault(repo, {})
        files.update({file["path"]: base64.b64decode(file["content"]) for file in sent["file"]})
        files.update({file["path"]: self._stored[file["oid"]] for file in sent["lfsFile"]})
        return 200, {"commitUrl": f"{self.url}/{repo}/commit/1", "commitOid": "1", "success": True}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
