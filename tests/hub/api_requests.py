"""The Hub's HTTP API: identity, repositories, listings, the commit API, downloads."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import yaml

from tests.hub.connection import Answer, Connection, refused
from tests.hub.storage import StaleParentError, pointer_text


class ApiRequests(Connection):
    """Steps whose path is below `/api`, and `resolve`."""

    def step_whoami(self) -> None:
        user = self._user()
        if user is None:
            raise refused(401, "Invalid username or password.")
        raise Answer(
            200,
            {
                "type": "user",
                "name": user.name,
                "fullname": user.name.title(),
                "email": f"{user.name}@example.org",
                "orgs": [{"name": n, "roleInOrg": "write"} for n in user.organizations],
                "auth": {
                    "type": "access_token",
                    "accessToken": {"displayName": "tests", "role": user.role},
                },
            },
        )

    def step_create(self) -> None:
        wanted = json.loads(self._body())
        user = self._user()
        if user is None:
            raise refused(401, "Invalid username or password.")
        repo_id = f"{wanted.get('organization') or user.name}/{wanted['name']}"
        if not user.may_write(repo_id):
            raise refused(403, f"You don't have the rights to create {repo_id}")
        known = repo_id in self.hub.repositories
        self.hub.create(repo_id, bool(wanted.get("private")))
        answer = {"url": f"{self.hub.url}/{repo_id}", "name": repo_id, "id": repo_id}
        raise Answer(409 if known else 200, answer)

    def step_validate_yaml(self) -> None:
        content = json.loads(self._body())["content"]
        if self.hub.rejected_cards:
            errors = [{"message": '"license" must be one of [a list of licences]'}]
            raise Answer(400, {"errors": errors, "warnings": []})
        if content.startswith("---"):
            yaml.safe_load(content.split("---")[1])
        raise Answer(200, {"errors": [], "warnings": []})

    def step_info(self) -> None:
        repository = self._repository()
        head = self._head(repository)
        repo_id = self.named["id"]
        siblings = [{"rfilename": path} for path in repository.entries(head)]
        about = {"id": repo_id, "modelId": repo_id, "sha": head, "private": repository.private}
        raise Answer(200, {**about, "siblings": siblings, "tags": [], "disabled": False})

    def step_git_refs(self) -> None:
        """What a `git push` asks first: here only whether it would be allowed."""
        self._repository(write=True)
        raise Answer(200, b"", Content_Type="application/x-git-receive-pack-advertisement")

    def step_refs(self) -> None:
        names = self._repository().git("for-each-ref", "--format=%(refname) %(objectname)")
        branches = [
            {"name": ref.removeprefix("refs/heads/"), "ref": ref, "targetCommit": commit}
            for ref, commit in (line.split() for line in names.decode().splitlines())
        ]
        raise Answer(200, {"branches": branches, "converts": [], "tags": []})

    def step_tree(self) -> None:
        repository = self._repository()
        entries = repository.entries(self._head(repository))
        prefix = f"{self.named['path']}/" if self.named.get("path") else ""
        listed: list[dict[str, Any]] = []
        for path, entry in entries.items():
            if not path.startswith(prefix):
                continue
            item = {"type": "file", "path": path, "oid": entry.blob, "size": entry.size}
            if entry.sha256:
                item["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": 132}
            listed.append(item)
        if prefix and not listed:
            raise refused(404, "No such folder", "EntryNotFound")
        if parse_qs(self.query).get("recursive", [""])[0].lower() != "true":
            listed = [item for item in listed if "/" not in item["path"].removeprefix(prefix)]
        raise Answer(200, listed)

    def step_branch(self) -> None:
        asked = json.loads(self._body() or b"{}")
        repository = self._repository(write=True)
        name, start = str(self.named["revision"]), asked.get("startingPoint") or "main"
        raise Answer(200 if repository.create_branch(name, start) else 409, {})

    def _require_commit_api(self) -> None:
        if not self.hub.offers_commit_api:
            self._body()
            raise Answer(404, b"404 page not found\n", Content_Type="text/plain")

    def step_preupload(self) -> None:
        self._require_commit_api()
        repository = self._repository(write=True)
        revision = self._head(repository)
        entries = repository.entries(revision)
        sizes = {file["path"]: file["size"] for file in json.loads(self._body())["files"]}
        large = repository.large(sizes, revision)
        ignored = repository.ignored(list(sizes), entries.get(".gitignore"))
        answers = [
            {
                "path": path,
                "uploadMode": "lfs" if path in large else "regular",
                "shouldIgnore": path in ignored,
                "oid": (entries[path].sha256 or entries[path].blob) if path in entries else None,
            }
            for path in sizes
        ]
        raise Answer(200, {"files": answers, "commitOid": revision})

    def step_commit(self) -> None:
        self._require_commit_api()
        repository = self._repository(write=True)
        self._head(repository)
        files: dict[str, bytes] = {}
        deleted: list[str] = []
        header: dict[str, Any] = {}
        for line in self._body().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                header = value
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                if not self.hub.large_files.has(value["oid"]):
                    raise refused(400, f"LFS object of {value['path']} was not uploaded")
                files[value["path"]] = pointer_text(value["oid"], value["size"])
            elif item["key"] == "deletedFile":
                deleted.append(value["path"])
        try:
            made = repository.commit(
                files,
                header["summary"],
                str(self.named["revision"]),
                header.get("parentCommit"),
                tuple(deleted),
            )
        except StaleParentError:
            raise refused(
                412, "A commit has happened since. Please refresh and try again."
            ) from None
        url = f"{self.hub.url}/{self.named['id']}/commit/{made}"
        raise Answer(200, {"success": True, "commitOid": made, "commitUrl": url})

    def step_resolve(self) -> None:
        repository = self._repository()
        head = self._head(repository)
        entry = repository.entries(head).get(str(self.named["path"]))
        if entry is None:
            raise refused(404, "Entry not found", "EntryNotFound")
        headers = {"X_Repo_Commit": head, "ETag": f'"{entry.blob}"'}
        if entry.sha256:
            raise Answer(
                302,
                b"",
                **headers,
                X_Linked_ETag=f'"{entry.sha256}"',
                X_Linked_Size=str(entry.size),
                Location=f"{self.hub.url}/lfs/objects/{entry.sha256}",
            )
        content = repository.blob(entry.blob)
        raise Answer(200, content, **headers, Content_Length=str(len(content)))
