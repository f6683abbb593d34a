"""What SECURITY.md promises of the code, looked for in the code: each rule names every place that breaks it.

A rule is tried on a line that breaks it and on one that keeps it, so that none of them passes by seeing nothing.
"""

import ast
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vqtool"
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
Rule = Callable[[ast.AST, str], bool]

RUNS_CODE = {"eval", "exec", "compile", "__import__"}
SERIALIZERS = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}
OPENERS = {"urllib.request.urlopen", "urllib.request.urlretrieve", "urllib.request.build_opener"}
ANY_SCHEME = {"urllib.request.FileHandler", "urllib.request.FTPHandler", "urllib.request.DataHandler"}
NETWORK = {"urllib.request", "http.client", "requests", "ftplib", "httpx", "aiohttp", "urllib3", "smtplib"}
NETWORK_FILES = {"weights/http.py", "weights/download.py", "weights/index_page.py"}
BY_FULL_NAME = {"pickle", "subprocess", "os", "yaml", "numpy", "torch", "h5py", "av", "urllib.request"}
"""Modules whose functions are called by the names that the rules look for."""
HARMLESS = {"printable", "escaped", "json.dumps"}
"""What makes text fit for a terminal; JSON is ASCII with everything else escaped."""


@functools.cache
def nodes() -> dict[str, list[ast.AST]]:
    """Every node of every file: parsed once, and by none of the processes that only collect."""
    return {file: list(ast.walk(ast.parse(path.read_bytes()))) for file, path in FILES.items()}


def name_of(node: ast.AST) -> str:
    """`np.lib.format.open_memmap` of such an expression; empty for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = name_of(node.value)
        return f"{base}.{node.attr}" if base else f"?.{node.attr}"
    return ""


def called(node: ast.AST) -> str:
    """The name of what is called; empty where nothing is."""
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def keyword(node: ast.AST, name: str) -> object:
    """The constant that a call gives for a keyword; None where it gives none, or no constant."""
    given = [word.value for word in node.keywords if word.arg == name] if isinstance(node, ast.Call) else []
    return given[0].value if given and isinstance(given[0], ast.Constant) else None


def has_keyword(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and any(word.arg == name for word in node.keywords)


def imported(node: ast.AST) -> set[str]:
    """The modules that an import statement names; `from m import n` names m and m.n, for n may be a module."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def hides_a_name(node: ast.AST, file: str) -> bool:
    """Another name for a module, or a function without its module, would pass the other rules unseen."""
    if isinstance(node, ast.Import):
        return any(alias.asname not in (None, "np") and alias.name in BY_FULL_NAME for alias in node.names)
    hidden = {"load", "run", "Popen", "call", "check_output", "system", "popen", "File", "open", "urlopen", "loads"}
    return any(name.rpartition(".")[0] in BY_FULL_NAME and name.rpartition(".")[2] in hidden for name in imported(node))


def loads_torch_unrestricted(node: ast.AST, file: str) -> bool:
    if called(node) == "torch.load":
        return keyword(node, "weights_only") is not True
    return "torch.package" in imported(node) or name_of(node) == "torch.hub"


def runs_torchscript(node: ast.AST, file: str) -> bool:
    """Only the one file whose sha256 is checked before."""
    return name_of(node) == "torch.jit.load" and file != "core/features/i3d_script.py"


def unpickles(node: ast.AST, file: str) -> bool:
    """The restricted reader may subclass the unpickler; elsewhere the module's error may be caught, no more."""
    if imported(node) & SERIALIZERS or any(name.startswith("pickle.") for name in imported(node)):
        return True
    known = {"pickle.UnpicklingError"} | ({"pickle.Unpickler"} if file == "weights/numpy_pickle.py" else set())
    return name_of(node).startswith("pickle.") and name_of(node) not in known


def runs_text(node: ast.AST, file: str) -> bool:
    return called(node) in RUNS_CODE


def uses_a_shell(node: ast.AST, file: str) -> bool:
    if called(node) in SHELLS or called(node).startswith(("os.exec", "os.spawn")) or has_keyword(node, "shell"):
        return True
    if not called(node).startswith("subprocess."):
        return False
    assert isinstance(node, ast.Call)
    command = node.args[0] if node.args else None
    return not (isinstance(command, ast.List) and all(isinstance(part, ast.Constant) for part in command.elts))


def loads_yaml_unrestricted(node: ast.AST, file: str) -> bool:
    return called(node).startswith("yaml.") and called(node) != "yaml.safe_load"


def loads_numpy_objects(node: ast.AST, file: str) -> bool:
    if called(node) in ("np.load", "numpy.load") and keyword(node, "allow_pickle") is not False:
        return True
    return has_keyword(node, "allow_pickle") and keyword(node, "allow_pickle") is not False


def unpacks_an_archive(node: ast.AST, file: str) -> bool:
    """Members are read, one by one; nothing is ever unpacked."""
    return called(node).endswith((".extract", ".extractall", ".unpack_archive")) or "zipfile" in imported(node)


def opens_any_address(node: ast.AST, file: str) -> bool:
    if name_of(node) in OPENERS | ANY_SCHEME or imported(node) & (OPENERS | ANY_SCHEME):
        return True
    return bool(imported(node) & NETWORK) and file not in NETWORK_FILES


def opens_media_of_any_kind(node: ast.AST, file: str) -> bool:
    """FFmpeg also reads playlists that name other files, Pillow also calls Ghostscript: say which kinds are meant."""
    if called(node) == "Image.open":
        return not has_keyword(node, "formats")
    if called(node) == "av.open":
        return not (has_keyword(node, "format") or "format_whitelist" in ast.unparse(node))
    return called(node).startswith("iio.") and called(node) != "iio.imwrite"


def opens_hdf5_unchecked(node: ast.AST, file: str) -> bool:
    return name_of(node) == "h5py.File" and not file.startswith("data/sources/")


def prints_raw(node: ast.AST, file: str) -> bool:
    """Text goes to the terminal through `printable`, or has no part that comes from outside."""
    if called(node) == "print":
        return file != "cli/console.py"
    to_terminal = ("typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write", "console.print")
    if not called(node).endswith(to_terminal):
        return False
    assert isinstance(node, ast.Call)
    return not all(is_harmless(argument) for argument in node.args)


def is_harmless(text: ast.expr) -> bool:
    match text:
        case ast.Constant():
            return True
        case ast.Call():
            return called(text) in HARMLESS
        case ast.IfExp():
            return is_harmless(text.body) and is_harmless(text.orelse)
        case ast.JoinedStr():
            return all(isinstance(part, ast.Constant) or is_a_number(part) for part in text.values)
        case _:
            return name_of(text) == "__version__"


def is_a_number(part: ast.expr) -> bool:
    """A number by its format, such as `{count:,}`, or this program's version."""
    assert isinstance(part, ast.FormattedValue)
    given = ast.unparse(part.format_spec) if part.format_spec else ""
    return given.strip("f'\"").endswith((",", "f", "g", "d", "%")) or name_of(part.value) == "__version__"


RULES: dict[Rule, tuple[str, str]] = {
    hides_a_name: ("from torch import load", "from torch import Tensor"),
    loads_torch_unrestricted: ("torch.load(path)", "torch.load(path, map_location='cpu', weights_only=True)"),
    runs_torchscript: ("torch.jit.load(path)", "torch.jit.script"),
    unpickles: ("pickle.load(stream)", "pickle.UnpicklingError"),
    runs_text: ("eval(text)", "model.eval()"),
    uses_a_shell: ("subprocess.run(f'git {name}', shell=True)", "subprocess.run(['git', 'describe'])"),
    loads_yaml_unrestricted: ("yaml.load(text, Loader=yaml.Loader)", "yaml.safe_load(text)"),
    loads_numpy_objects: ("np.load(path, mmap_mode='r')", "np.load(path, allow_pickle=False)"),
    unpacks_an_archive: ("archive.extractall(folder)", "archive.extractfile(member)"),
    opens_any_address: ("urllib.request.urlopen(address)", "urllib.request.HTTPSHandler()"),
    opens_media_of_any_kind: ("Image.open(path)", "Image.open(path, formats=['PNG'])"),
    opens_hdf5_unchecked: ("h5py.File(path)", "h5py.Group"),
    prints_raw: ("typer.echo(f'{path}: {count:,}')", "typer.echo(printable(f'{path}'))"),
}


def broken(rule: Rule, found: Iterable[ast.AST], file: str) -> Iterator[str]:
    for node in found:
        if rule(node, file):
            yield f"{file}:{getattr(node, 'lineno', '?')}: {ast.unparse(node)[:80]}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_nowhere_in_the_package(rule: Rule) -> None:
    assert [place for file, found in nodes().items() for place in broken(rule, found, file)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_sees_what_it_forbids_and_nothing_else(rule: Rule) -> None:
    forbidden, allowed = RULES[rule]
    assert list(broken(rule, ast.walk(ast.parse(forbidden)), "somewhere.py"))
    assert not list(broken(rule, ast.walk(ast.parse(allowed)), "somewhere.py"))


def test_the_restricted_unpickler_resolves_no_name_of_the_file() -> None:
    (reader,) = [
        node
        for node in nodes()["weights/numpy_pickle.py"]
        if isinstance(node, ast.ClassDef) and "pickle.Unpickler" in map(name_of, node.bases)
    ]
    assert [method.name for method in reader.body if isinstance(method, ast.FunctionDef)] == ["find_class"]
    # What it returns is made here; asking the class above would import what the file names.
    assert not any(called(node) == "super" for node in ast.walk(reader))
