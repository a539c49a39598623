"""Question-and-answer rows from the standard library's own docstrings: real text that every Python has.

    python examples/python_docs.py --rows 1000 --out python-docs.jsonl

One row asks about one object and answers with the opening of its documentation. The rows depend on Python's version
and platform and on nothing else. They are sorted by a hash of the object's name, so that any first N of them are a
fair sample of the whole library.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

# Importing each of these has no effect that outlives the import, on every platform; none is deprecated.
MODULES: tuple[str, ...] = tuple(
    """builtins abc argparse array ast asyncio base64 bdb bisect bz2 calendar cmath cmd code codecs codeop collections
    collections.abc colorsys compileall concurrent.futures configparser contextlib contextvars copy copyreg csv
    ctypes dataclasses datetime decimal difflib dis doctest email email.charset email.encoders email.errors
    email.generator email.header email.headerregistry email.message email.mime.base email.parser email.policy
    email.utils enum errno faulthandler filecmp fileinput fnmatch fractions ftplib functools gc getopt getpass
    gettext glob graphlib gzip hashlib heapq hmac html html.entities html.parser http http.client http.cookiejar
    http.cookies http.server imaplib importlib importlib.abc importlib.machinery importlib.metadata importlib.util
    inspect io ipaddress itertools json json.decoder json.encoder keyword linecache locale logging logging.config
    logging.handlers lzma mailbox marshal math mimetypes mmap modulefinder multiprocessing
    multiprocessing.connection multiprocessing.managers multiprocessing.pool multiprocessing.shared_memory netrc
    numbers operator optparse os os.path pathlib pdb pickle pickletools pkgutil platform plistlib poplib pprint
    profile pstats py_compile pyclbr pydoc queue quopri random re reprlib runpy sched secrets select selectors
    shelve shlex shutil signal site smtplib socket socketserver sqlite3 ssl stat statistics string stringprep
    struct subprocess symtable sys sysconfig tabnanny tarfile tempfile textwrap threading time timeit token
    tokenize tomllib trace traceback tracemalloc types typing unicodedata unittest unittest.mock urllib.error
    urllib.parse urllib.request urllib.response urllib.robotparser uuid venv warnings wave weakref webbrowser
    wsgiref.handlers wsgiref.headers wsgiref.simple_server wsgiref.util wsgiref.validate xml.dom.minidom
    xml.dom.pulldom xml.etree.ElementTree xml.sax.handler xml.sax.saxutils xml.sax.xmlreader xmlrpc.client
    xmlrpc.server zipapp zipfile zipimport zlib zoneinfo""".split()  # noqa: SIM905  # a page of quotes hides the list
)

# The rows that the demo teaches. The tiny base model has never seen them.
TAUGHT: tuple[str, ...] = tuple(
    """base64.b64decode builtins.abs calendar.isleap copy.deepcopy fnmatch.fnmatch glob.glob heapq.nlargest
    html.escape inspect.getsource json.dumps math.hypot math.sqrt os.getcwd os.path.basename os.path.exists
    os.path.join pathlib.Path.read_text pprint.pformat random.shuffle secrets.token_hex shlex.quote shutil.copytree
    shutil.rmtree statistics.median statistics.mode sys.getsizeof tempfile.mkdtemp textwrap.dedent time.sleep
    urllib.parse.urlencode uuid.uuid4 zlib.crc32""".split()  # noqa: SIM905
)

EVALUATION_ROWS = 100
LONGEST = 400
SHORTEST = 20

Kind = Literal["module", "class", "function", "method", "property"]
QUESTIONS: dict[Kind, str] = {
    "module": "What is the module `{}` for?",
    "class": "What is `{}`?",
    "function": "What does `{}` do?",
    "method": "What does `{}` do?",
    "property": "What is the property `{}`?",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One question about one object, and what its documentation says."""

    name: str
    prompt: str
    completion: str

    def as_prompt(self) -> dict[str, object]:
        return {"prompt": self.prompt, "completion": self.completion}

    def as_messages(self) -> dict[str, object]:
        turns = (("user", self.prompt), ("assistant", self.completion))
        return {"messages": [{"role": role, "content": content} for role, content in turns]}


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint in questions, answers and first sentences, so that the held-out rows are really unseen."""

    pretraining: list[Row]
    taught: list[Row]
    evaluation: list[Row]


def rows() -> list[Row]:
    """Every documented object once; where two share their text, only the first listed stays."""
    found: dict[str, Row] = {}
    seen: set[str] = set()
    for name, kind, value in objects():
        answer = opening(value.__doc__)
        if answer and answer not in seen and name not in found:
            seen.add(answer)
            found[name] = Row(name, QUESTIONS[kind].format(name), answer)
    return sorted(found.values(), key=lambda row: hashlib.sha256(row.name.encode()).digest())


def rows_apart() -> list[Row]:
    """As ``rows``, from a new interpreter: torch and transformers change the standard library that they find."""
    command = [sys.executable, "-I", "-X", "utf8", __file__]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout.strip().split("\n")
    pairs = [(one["prompt"], one["completion"]) for one in map(json.loads, lines)]
    return [Row(prompt.split("`")[1], prompt, completion) for prompt, completion in pairs]


def split(every: list[Row]) -> Split:
    """Hold out the taught rows (cut to one sentence) and the evaluation rows, with all that opens like them."""
    by_name = {row.name: row for row in every}
    picked = [by_name[name] for name in TAUGHT if name in by_name]
    taught = [Row(row.name, row.prompt, first_sentence(row.completion)) for row in picked]
    openings = {row.completion for row in taught}
    rest = [row for row in every if first_sentence(row.completion) not in openings]
    evaluation = rest[:EVALUATION_ROWS]
    openings |= {first_sentence(row.completion) for row in evaluation}
    pretraining = [row for row in rest if first_sentence(row.completion) not in openings]
    return Split(pretraining, taught, evaluation)


def objects() -> Iterator[tuple[str, Kind, object]]:
    """(name, kind, object) of every public module, class, function, method and property, each object once."""
    seen: set[int] = set()
    for module_name in MODULES:
        try:
            module = importlib.import_module(module_name)
        except ImportError:  # This Python was built without it (lzma, sqlite3, ssl) or has dropped it.
            continue
        for name, kind, value in _with_members(module, module_name):
            if id(value) not in seen:
                seen.add(id(value))
                yield name, kind, value


def _with_members(module: ModuleType, module_name: str) -> Iterator[tuple[str, Kind, object]]:
    """The module's own objects come before their members, for `random.shuffle` is a bound `Random.shuffle`."""
    yield module_name, "module", module
    public = [(f"{module_name}.{name}", getattr(module, name)) for name in _public_names(module, module_name)]
    classes = [(name, value) for name, value in public if inspect.isclass(value)]
    yield from ((name, "class", value) for name, value in classes)
    yield from ((name, "function", value) for name, value in public if inspect.isroutine(value))
    for name, value in classes:
        yield from _members(value, name)


def _public_names(module: ModuleType, module_name: str) -> list[str]:
    """What the module exports; without an ``__all__``, what says that it was defined there."""
    names = [name for name in dir(module) if not name.startswith("_")]
    exported: Iterable[str] | None = getattr(module, "__all__", None)
    if exported is not None:
        return sorted(set(names).intersection(exported))
    return [name for name in names if getattr(getattr(module, name), "__module__", None) == module_name]


def _members(owner: type, owner_name: str) -> Iterator[tuple[str, Kind, object]]:
    """The public methods and properties that the class itself defines, not those that it inherits."""
    for name, value in sorted(vars(owner).items()):
        if name.startswith("_"):
            continue
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isroutine(plain):
            yield f"{owner_name}.{name}", "method", plain
        elif inspect.isdatadescriptor(plain):
            yield f"{owner_name}.{name}", "property", plain


# Built-in functions open their docstring with their signature, which is no sentence.
_SIGNATURE = re.compile(r"^\w[\w.]*\(.*?\)(\s*(->|=>).*)?(\s*--.*|:)?$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'(])")


def opening(documentation: object) -> str:
    """The prose that a docstring opens with: whole paragraphs or sentences, at most LONGEST characters.

    Signatures, examples, lists and tables are left out; "" when no prose is left.
    """
    if not isinstance(documentation, str) or " at 0x" in documentation:
        return ""
    prose: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(documentation)):
        lines = [line for line in paragraph.splitlines() if not (_SIGNATURE.match(line) and not prose)]
        if not lines:
            continue
        text = " ".join(line.strip() for line in lines)
        if not _is_prose(lines) or text.endswith(":"):
            break
        prose.append(text if text.endswith((".", "!", "?")) else f"{text}.")
    return _cut(" ".join(prose))


def first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _is_prose(lines: list[str]) -> bool:
    return not any(line.startswith((" ", "\t", ">>>", "-", "*", "=", "|", "+", ":", "@", "#")) for line in lines)


def _cut(text: str) -> str:
    """As many whole sentences as fit; nothing when not even one fits or the text says too little."""
    kept = ""
    for sentence in _SENTENCE_END.split(re.sub(r"\s+", " ", text)):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > LONGEST:
            break
        kept = longer
    return kept if len(kept) >= SHORTEST else ""


def main() -> None:
    if sys.flags.optimize >= 2:
        sys.exit("This Python has dropped its docstrings (-OO or PYTHONOPTIMIZE=2): run it without.")
    example = "example: python examples/python_docs.py --format messages --rows 1000 --out python-docs.jsonl"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], epilog=example)
    parser.add_argument("--format", choices=("prompt", "messages"), default="prompt", help="row layout")
    parser.add_argument("--rows", type=int, help="only the first N rows (default: all)")
    parser.add_argument("--part", choices=("all", "pretraining", "taught", "evaluation"), default="all")
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")
    chosen = parser.parse_args()
    every = rows()
    part = every if chosen.part == "all" else getattr(split(every), chosen.part)
    shaped = (row.as_prompt() if chosen.format == "prompt" else row.as_messages() for row in part[: chosen.rows])
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shaped)
    if chosen.out is None:
        sys.stdout.write(text)
    else:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
