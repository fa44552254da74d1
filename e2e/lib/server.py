"""A development server of the case's own, as in server.mjs, and a browser without scripts, as in browser.mjs."""

import html
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pg8000.native
import requests

BINARY = os.environ["E2E_BINARY"]
LOGINS = {
    "OWNER": "CLAVIGER_DATABASE__MIGRATE_URL",
    "SERVER": "CLAVIGER_DATABASE__URL",
    "READER": "CLAVIGER_DATABASE__READ_URL",
}


@contextmanager
def server(engine):
    """Runs `claviger dev` on `engine`, and gives it."""
    with database(engine) as variables:
        data = tempfile.mkdtemp(prefix="claviger-e2e-")
        environment = {**os.environ, **variables}
        with open(Path(os.environ["E2E_ARTIFACTS"]) / "server.log", "w") as log:
            words = [BINARY, "dev", "--json", "--listen", "127.0.0.1:0", "--data", data]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
            try:
                line = process.stdout.readline()
                assert line, "the server ended before it was ready; see server.log"
                yield Server(data, environment, json.loads(line))
            finally:
                process.terminate()
                ended = process.wait(timeout=60)
                shutil.rmtree(data)
            assert ended == 0, f"the server ended with {ended}; see server.log"


class Server:
    def __init__(self, data, environment, ready):
        self.data, self.environment, self.ready = data, environment, ready

    def command(self, *words, text=None):
        """Runs a command of the operator on the running server and gives its JSON answer."""
        words = [BINARY, *words, "--json", "--data", self.data]
        done = subprocess.run(words, input=text, capture_output=True, text=True, env=self.environment)
        assert done.returncode == 0, f"{words} failed: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def second_realm(self):
        """A realm made by command: its own issuer, keys, user and client."""
        password, loopback = "a long and quiet afternoon", "http://127.0.0.1"
        issuer = self.command("realm", "create", "acme", "--display-name", "Acme")["issuer"]
        within = ["--realm", "acme"]
        addresses = ["--redirect-uri", f"{loopback}/callback", "--post-logout-redirect-uri", f"{loopback}/signed-out"]
        client = self.command("client", "create", "Portal", *within, "--client-id", "portal", "--first-party", *addresses)
        user = ["--verified", "--claim", "name=Bob", "--password-file", "-"]
        self.command("user", "create", "bob@example.com", *within, *user, text=password)
        return {
            "issuer": issuer,
            "user": {"email": "bob@example.com", "password": password},
            "client": {
                "client_id": client["client_id"],
                "client_secret": client["client_secret"],
                "redirect_uri": f"{loopback}:9/callback",
                "signed_out": f"{loopback}:9/signed-out",
            },
            "consent": False,
        }


@contextmanager
def database(engine):
    """The variables of a database: none for SQLite, or a PostgreSQL database made by `claviger init`'s own SQL."""
    if engine == "sqlite":
        yield {}
        return
    assert engine == "postgres", engine
    name = f"e2e_{secrets.token_hex(6)}"
    sql = subprocess.run([BINARY, "init", "--postgres-roles", name], capture_output=True, text=True, check=True).stdout
    variables = {}
    for login, variable in LOGINS.items():
        password = secrets.token_hex(12)
        sql = sql.replace(f"REPLACE-{login}-PASSWORD", password)
        host = urlsplit(os.environ["E2E_POSTGRES"])
        variables[variable] = f"postgres://{name}_{login.lower()}:{password}@{host.hostname}:{host.port}/{name}"
    outside, inside = re.split(r"^\\connect .*$", sql, flags=re.M)
    run(outside)
    run(inside, name)
    try:
        yield variables
    finally:
        roles = "".join(f'drop role "{name}_{login.lower()}";\n' for login in LOGINS)
        run(f'drop database "{name}" with (force);\n{roles}')


def run(text, name=None):
    """Runs statements one by one, as a database cannot be made in a batch. A line that ends in `;` ends one."""
    url = urlsplit(os.environ["E2E_POSTGRES"])
    name = name or url.path.lstrip("/")
    password = unquote(url.password) if url.password else None
    connection = pg8000.native.Connection(url.username, url.hostname, name, url.port, password)
    try:
        for statement in re.split(r";\s*(?:--.*)?\n(?!\s*end\b)(?!\s*if\b)", text):
            if statement.strip():
                connection.run(statement)
    finally:
        connection.close()


class Page:
    def __init__(self, url, status, text):
        self.url, self.status, self.text = url, status, text

    def form(self, button):
        """Where the form with that button posts, and what its fields hold."""
        for attributes, body in re.findall(r"<form\b([^>]*)>(.*?)</form>", self.text, re.S):
            found = next((b for b in map(read, re.findall(r"<button\b([^>]*)>", body)) if b.get("id") == button), None)
            if found is None:
                continue
            inputs = map(read, re.findall(r"<input\b([^>]*)>", body))
            fields = {i["name"]: i.get("value", "") for i in inputs if "name" in i and "disabled" not in i}
            if "name" in found:
                fields[found["name"]] = found.get("value", "")
            return urljoin(self.url, read(attributes)["action"]), fields
        raise AssertionError(f"{self.url} ({self.status}) has no form with the button {button}:\n{self.text}")


def read(attributes):
    return {name: html.unescape(value) for name, value in re.findall(r'([a-z-]+)(?:="([^"]*)")?', attributes)}


class Browser:
    def __init__(self):
        self.session = requests.Session()
        self.session.headers["accept"] = "text/html"

    def go(self, url, stop=None):
        """Goes to `url` and follows redirects; stops before an address that begins with `stop`, and gives it."""
        return self._request("GET", url, stop)

    def press(self, page, button, stop=None, **typed):
        """Presses a button with this typed in."""
        url, fields = page.form(button)
        assert typed.keys() <= fields.keys(), f"{page.url} has {list(fields)}"
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        return self._request("POST", url, stop, data={**fields, **typed}, headers={"origin": origin})

    def _request(self, method, url, stop, **more):
        for _ in range(20):
            if stop and url.startswith(stop):
                return url
            answer = self.session.request(method, url, allow_redirects=False, **more)
            if "location" not in answer.headers:
                return Page(url, answer.status_code, answer.text)
            assert answer.status_code == 303, f"{url} redirects with {answer.status_code}"
            method, url, more = "GET", urljoin(url, answer.headers["location"]), {}
        raise AssertionError(f"{url} redirects without end")
