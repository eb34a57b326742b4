"""Git LFS, https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from tests.hub.connection import Answer, Connection, refused

LFS_JSON = "application/vnd.git-lfs+json"


class LfsRequests(Connection):
    """Steps named `lfs_…`."""

    def step_lfs_batch(self) -> None:
        batch = json.loads(self._body())
        upload = batch["operation"] == "upload"
        self._repository(write=upload)
        large = self.hub.large_files
        objects = []
        for wanted in batch["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            href = f"{self.hub.url}/lfs/objects/{oid}"
            answer: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
            part = self.hub.multipart_part
            if upload and not large.has(oid):
                action: dict[str, Any] = {"href": href}
                if part and size > part and "multipart" in batch.get("transfers", []):
                    count = -(-size // part)
                    urls = {str(n + 1): f"{href}?part={n + 1}" for n in range(count)}
                    action = {
                        "href": f"{href}?complete",
                        "header": {"chunk_size": str(part), **urls},
                    }
                    self.hub.parts[oid] = {}
                verify = {"href": f"{self.hub.url}/lfs/verify"}
                answer["actions"] = {"upload": action, "verify": verify}
            elif not upload and large.has(oid):
                answer["actions"] = {"download": {"href": href}}
            elif not upload:
                answer["error"] = {"code": 404, "message": "Object does not exist"}
            objects.append(answer)
        raise Answer(200, {"transfer": "basic", "objects": objects}, Content_Type=LFS_JSON)

    def step_lfs_put(self) -> None:
        oid, content = str(self.named["oid"]), self._body()
        number = parse_qs(self.query).get("part")
        if number:
            self.hub.parts[oid][int(number[0])] = content
            raise Answer(200, b"", ETag=f'"{number[0]}"')
        if not self.hub.large_files.put(oid, content):
            raise refused(400, "the content's SHA-256 is not the object's name")
        raise Answer(200, b"")

    def do_POST(self) -> None:  # noqa: N802
        """Completion of a multipart upload has the upload's own address."""
        path, _, query = self.path.partition("?")
        if query == "complete" and path.startswith("/lfs/objects/"):
            self.body_left, self.chunked = int(self.headers["Content-Length"]), False
            asked = json.loads(self._body())
            parts = self.hub.parts.pop(asked["oid"])
            content = b"".join(parts[part["partNumber"]] for part in asked["parts"])
            whole = self.hub.large_files.put(asked["oid"], content)
            self._send(Answer(200 if whole else 400, {}))
            return
        self._serve()

    def step_lfs_verify(self) -> None:
        asked = json.loads(self._body())
        path = self.hub.large_files.path(asked["oid"])
        whole = path.exists() and path.stat().st_size == asked["size"]
        raise Answer(200 if whole else 404, {}, Content_Type=LFS_JSON)

    def step_lfs_get(self) -> None:
        path = self.hub.large_files.path(str(self.named["oid"]))
        raise Answer(200, path.read_bytes())
