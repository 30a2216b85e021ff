"""`make data`, against a server on this machine."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from whence.data import download
from whence.data.download import SOURCES, Source, main

FILES = {"wiki.txt": b"Anna. Anna was born in Rome .\n", "birth_dev.tsv": b"Where was Anna born?\tRome\n"}


def archive(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def serve():
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in pages:
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[self.path])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def add(path, content):
        pages[path] = content
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield add
    server.shutdown()
    server.server_close()


def source(*addresses, files=FILES, more=()):
    sums = {name: (hashlib.sha256(content).hexdigest(), *more) for name, content in files.items()}
    return Source(folder="cs224n", addresses=addresses, files=sums, by_hand="copy them by hand")


def fetch(tmp_path, *sources):
    return main(["--into", str(tmp_path / "data")], sources)


def test_an_archive_is_unpacked_and_checked(tmp_path, serve):
    entries = {f"student/{name}": content for name, content in FILES.items()}
    address = serve("/a5.zip", archive({"student/src/model.py": b"code", **entries}))
    assert fetch(tmp_path, source(address)) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "data/cs224n").iterdir()} == FILES


def test_the_second_call_fetches_nothing(tmp_path, serve, monkeypatch):
    assert fetch(tmp_path, source(serve("/a5.zip", archive(FILES)))) == 0
    monkeypatch.setattr(download, "_download", lambda _: pytest.fail("fetched again"))
    assert fetch(tmp_path, source("http://127.0.0.1:9/")) == 0


def test_files_put_there_by_hand_are_checked_and_enough(tmp_path):
    (tmp_path / "data/cs224n").mkdir(parents=True)
    for name, content in FILES.items():
        (tmp_path / "data/cs224n" / name).write_bytes(content)
    assert fetch(tmp_path, source("http://127.0.0.1:9/")) == 0


def test_only_what_is_missing_is_written_and_nothing_is_lost(tmp_path, serve):
    """One file in its other known form, one that somebody has changed."""
    folder = tmp_path / "data/cs224n"
    folder.mkdir(parents=True)
    other = FILES["wiki.txt"].strip()
    (folder / "wiki.txt").write_bytes(other)
    (folder / "birth_dev.tsv").write_bytes(b"mine")
    known = source(serve("/a5.zip", archive(FILES)), more=(hashlib.sha256(other).hexdigest(),))
    assert fetch(tmp_path, known) == 0
    assert (folder / "wiki.txt").read_bytes() == other
    assert (folder / "birth_dev.tsv").read_bytes() == FILES["birth_dev.tsv"]
    assert (folder / "birth_dev.tsv.old").read_bytes() == b"mine"


def test_a_damaged_archive_is_told_and_the_next_address_tried(tmp_path, serve, capsys):
    content = bytearray(archive({name: text * 100 for name, text in FILES.items()}, zipfile.ZIP_DEFLATED))
    content[60:70] = b"\xff" * 10
    damaged = serve("/damaged.zip", bytes(content))
    assert fetch(tmp_path, source(damaged)) == 66
    assert "damaged.zip: " in capsys.readouterr().err
    assert fetch(tmp_path, source(damaged, serve("/good.zip", archive(FILES)))) == 0


def test_the_next_address_is_tried(tmp_path, serve):
    good = serve("/new.zip", archive(FILES))
    assert fetch(tmp_path, source(good.replace("new", "gone"), good)) == 0


def test_when_all_are_gone_it_says_what_to_do_by_hand(tmp_path, serve, capsys):
    gone = serve("/a", b"").replace("/a", "/gone")
    assert fetch(tmp_path, source(gone)) == 66
    said = capsys.readouterr().err
    assert "404" in said
    assert "copy them by hand" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(archive({**FILES, "wiki.txt": b"altered"}), "wiki.txt has the SHA-256", id="altered"),
        pytest.param(archive({"wiki.txt": FILES["wiki.txt"]}), "there is no birth_dev.tsv", id="incomplete"),
        pytest.param(b"<html>moved</html>", "expected a zip archive", id="a page instead"),
    ],
)
def test_what_is_not_known_is_not_kept(tmp_path, serve, capsys, content, said):
    assert fetch(tmp_path, source(serve("/a5.zip", content))) == 66
    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["../../wiki.txt", "/etc/wiki.txt", "..\\wiki.txt"])
def test_an_archive_cannot_write_elsewhere(tmp_path, serve, name):
    address = serve("/a5.zip", archive({name: FILES["wiki.txt"], "birth_dev.tsv": FILES["birth_dev.tsv"]}))
    fetch(tmp_path, source(address))
    inside = tmp_path / "data" / "cs224n"
    assert all(path.parent == inside for path in tmp_path.rglob("*") if path.is_file())


def test_a_download_that_never_ends_is_cut(tmp_path, serve, monkeypatch, capsys):
    monkeypatch.setattr(download, "LARGEST", 1000)
    assert fetch(tmp_path, source(serve("/a5.zip", b"x" * 5000))) == 66
    assert "expected a small file" in capsys.readouterr().err


def test_a_single_file_and_another_known_form(tmp_path, serve):
    files = {"input.txt": b"text"}
    other = source(serve("/input.txt", b"text without newline"), files=files,
                   more=(hashlib.sha256(b"text without newline").hexdigest(),))  # fmt: skip
    assert fetch(tmp_path, other) == 0


def test_the_known_sums_are_those_of_the_real_files(cs224n):
    (course,) = [source for source in SOURCES if source.folder == "cs224n"]
    for name, sums in course.files.items():
        content = (cs224n / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() in sums
    wiki = (cs224n / "wiki.txt").read_bytes().removesuffix(b"\n")
    assert {hashlib.sha256(wiki).hexdigest(), hashlib.sha256(wiki + b"\n").hexdigest()} == set(course.files["wiki.txt"])
