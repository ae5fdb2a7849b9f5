"""What the code may not look like: each rule is a row of `RULES` with a snippet that breaks it and one that keeps it.

The rule that keeps it true: every rule is shown to fire on its bad snippets before it is believed on the tree.
It must not know: what any module does; it reads text and syntax trees, nothing is imported.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Words that say where a thing was put, not what it is.
EMPTY_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "managers", "service", "services"}

# Functions that may break a rule, each with its reason. A broad handler that ends in a bare `raise` needs no entry.
EXCEPTIONS = {
    ("broad_except", "syncd/store/database.py", "_commit"): "one caller's error must not fail the others who share the commit; it is handed back to him",
    ("unsafe_compare", "syncd/connectors/gohighlevel/webhooks.py", "_proof"): "compares two spellings of what the sender sent; nothing secret",
    ("unsafe_compare", "syncd/store/control.py", "meet_sync"): "the digest of a configuration is no secret",
    ("built_sql", "syncd/store/database.py", "prepare"): "pragmas and migrations take no parameters, and are our own text",
    ("built_sql", "syncd/store/database.py", "_prepare_reader"): "pragmas take no parameters, and are our own text",
    ("built_sql", "syncd/store/persons.py", "erase"): "its tables and conditions are constants of the module",
    ("built_sql", "syncd/store/persons.py", "_rows"): "its tables, columns and conditions are constants of the store",
    ("built_sql", "syncd/store/retention.py", "prune_some"): "its tables and conditions are constants of the module",
    ("built_sql", "syncd/store/rotating.py", "reseal_some"): "its tables and columns are constants of the store",
}

EXECUTES = {"execute", "executemany", "executescript", "execute_fetchall", "execute_insert"}
SQL = re.compile(r"\s*(SELECT\s|INSERT (OR \w+ )?INTO\s|REPLACE INTO\s|UPDATE \S+\s+SET\s|DELETE FROM\s|CREATE (UNIQUE )?(TABLE|INDEX)\s)")
CLOCKS = re.compile(r"(time|random|secrets)\.\w+|(datetime\.)?datetime\.(now|utcnow|today)|(datetime\.)?date\.today|uuid\.uuid[14]|os\.urandom")
SECRET_NAME = re.compile(r"digest|signature|hmac", re.IGNORECASE)
MEASURE_NAME = re.compile(r"_(size|length|bytes|count|max|min)$", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One file: its path from the root, its text, its tree."""

    path: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        return cls(path, text, ast.parse(text))

    def inside(self, *rooms: str) -> bool:
        return any(self.path == room or self.path.startswith(room + "/") for room in rooms)


Check = Callable[[Source], Iterator[tuple[int, str]]]


# ---- reading trees


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of attributes; what is not a name at its root becomes ``?``."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case _:
            return "?"


def last_word(node: ast.AST) -> str:
    """The word a reader would call an operand by."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Call(func=func):
            return last_word(func)
        case ast.Await(value=value):
            return last_word(value)
        case _:
            return ""


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(tree: ast.Module, name: str) -> set[int]:
    """The lines of every function of that name."""
    return {line for node in functions(tree) if node.name == name for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def docstrings(tree: ast.Module) -> set[int]:
    """The ids of the constants that are documentation."""
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }


# ---- checks: sizes, names, words


def long_file(source: Source) -> Iterator[tuple[int, str]]:
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield FILE_LINES_MAX, f"{lines} lines, at most {FILE_LINES_MAX}"


def long_function(source: Source) -> Iterator[tuple[int, str]]:
    for node in functions(source.tree):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield node.lineno, f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def no_docstring(source: Source) -> Iterator[tuple[int, str]]:
    if not (ast.get_docstring(source.tree) or "").strip():
        yield 1, "the module says neither what it does nor what it must not know"


def empty_name(source: Source) -> Iterator[tuple[int, str]]:
    words = {word for part in Path(source.path).with_suffix("").parts for word in part.split("_")}
    for word in sorted(words & EMPTY_NAMES):
        yield 1, f"{word!r} in the path does not say what the module is"


def left_over(source: Source) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX)\b", token.string):
            yield token.start[0], "do it, or write down elsewhere that it is not done"


# ---- checks: what may be called where


def prints(source: Source) -> Iterator[tuple[int, str]]:
    for call in calls(source.tree):
        if dotted(call.func) == "print":
            yield call.lineno, "data goes through cli's console, events through the log"


def clock_in_core(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and CLOCKS.fullmatch(dotted(node)):
            yield node.lineno, f"{dotted(node)}: now and chance are arguments of the core"
    for line, module in imports(source.tree):
        if module in {"time", "random", "secrets"}:
            yield line, f"import of {module}: now and chance are arguments of the core"


def screen_outside_cli(source: Source) -> Iterator[tuple[int, str]]:
    for line, module in imports(source.tree):
        if module.partition(".")[0] in {"rich", "typer", "click"}:
            yield line, f"{module}: only cli speaks to people"


def broad_except(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        broad = any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in caught)
        last = node.body[-1]
        if broad and not (isinstance(last, ast.Raise) and last.exc is None):
            yield node.lineno, "hides the errors nobody thought of; name them, or list the function in EXCEPTIONS with its reason"


def unsafe_compare(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            for word in map(last_word, [node.left, *node.comparators]):
                if SECRET_NAME.search(word) and not MEASURE_NAME.search(word):
                    yield node.lineno, f"{word} compared with ==; use hmac.compare_digest on bytes"


def runs_data(source: Source) -> Iterator[tuple[int, str]]:
    for line, module in imports(source.tree):
        if module.partition(".")[0] in {"pickle", "marshal", "shelve", "dill", "cloudpickle"}:
            yield line, f"{module} runs what it reads"
    for call in calls(source.tree):
        name = dotted(call.func)
        if name in {"eval", "exec", "compile", "__import__", "yaml.load"} or name.endswith((".load_extension", ".enable_load_extension")):
            yield call.lineno, f"{name} runs what it reads"


def unverified_tls(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        match node:
            case ast.keyword(arg="ssl" | "verify" | "verify_ssl" | "check_hostname", value=ast.Constant(value=False)):
                yield node.value.lineno, f"{node.arg}=False: the other side could be anyone"
            case ast.Assign(targets=[ast.Attribute(attr="check_hostname")], value=ast.Constant(value=False)):
                yield node.lineno, "check_hostname = False: the other side could be anyone"
            case ast.Attribute(attr="CERT_NONE" | "_create_unverified_context"):
                yield node.lineno, f"{node.attr}: the other side could be anyone"


# ---- checks: SQL


def built(node: ast.AST, assigned: dict[str, ast.AST]) -> bool:
    """Whether SQL text is put together from values. Constants, NAMES_OF_CONSTANTS and placeholders(n), a row of ``?``, are not."""
    match node:
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.FormattedValue) and not settled(part.value) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return any(built(side, assigned) or not (settled(side) or isinstance(side, ast.JoinedStr | ast.BinOp)) for side in (left, right))
        case ast.BinOp(op=ast.Mod()):
            return True
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace" | "format_map")):
            return True
        case ast.Name(id=name) if name in assigned:
            return built(assigned[name], {key: value for key, value in assigned.items() if key != name})
        case _:
            return False


def settled(node: ast.AST) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.Call(func=func):
            return last_word(func) == "placeholders"
        case _:
            return False


def built_sql(source: Source) -> Iterator[tuple[int, str]]:
    for function in [source.tree, *functions(source.tree)]:
        assigned = {
            node.targets[0].id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for call in calls(function):
            if last_word(call.func) in EXECUTES and call.args and built(call.args[0], {} if function is source.tree else assigned):
                yield call.lineno, "SQL is constant text; values travel as parameters, rows of ? come from placeholders()"


def sql_outside_store(source: Source) -> Iterator[tuple[int, str]]:
    documentation = docstrings(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation and SQL.match(node.value):
            yield node.lineno, "SQL lives in syncd/store alone"


# ---- the table


@dataclass(frozen=True)
class Rule:
    """One rule, where it holds, and snippets (path, text) that break and keep it."""

    check: Check
    rooms: tuple[str, ...]
    bad: tuple[str, ...]
    good: str
    but_not: tuple[str, ...] = ()
    snippet_path: str = "syncd/flow/example.py"

    def broken_by(self, source: Source) -> list[str]:
        if not source.inside(*self.rooms) or source.inside(*self.but_not):
            return []
        excepted = {line for name in self.excepted(source.path) for line in lines_of(source.tree, name)}
        return [f"{source.path}:{line}: {why}" for line, why in sorted(set(self.check(source))) if line not in excepted]

    def excepted(self, path: str) -> set[str]:
        return {function for rule, where, function in EXCEPTIONS if (rule, where) == (self.check.__name__, path)}


RULES = [
    Rule(long_file, ("syncd", "tests"), bad=("x = 1\n" * 501,), good="x = 1\n" * 500),
    Rule(
        long_function, ("syncd", "tests"),
        bad=("def f():\n" + "    x = 1\n" * 70, "class A:\n    async def f(self):\n" + "        x = 1\n" * 70),
        good="def f():\n" + "    x = 1\n" * 69,
    ),
    Rule(no_docstring, ("syncd",), bad=("", "import os\n", '"""  """\n'), good='"""Says it."""\n'),
    Rule(left_over, ("syncd", "tests"), bad=("x = 1  # TODO: y\n", "# FIXME\n", "def f():\n    # XXX why\n    return 1\n"), good="x = 'TODO'\n"),
    Rule(prints, ("syncd",), bad=("print(1)\n", "def f():\n    print()\n"), good="console.print(1)\nblueprint(2)\n"),
    Rule(
        clock_in_core, ("syncd/core",),
        bad=("datetime.now(UTC)\n", "datetime.datetime.utcnow()\n", "f(default=time.time)\n", "random.random()\n", "from time import time\n", "import random\n"),
        good="now.time()\nrecord.random_seed\n", snippet_path="syncd/core/example.py",
    ),
    Rule(screen_outside_cli, ("syncd",), bad=("import rich\n", "from rich.table import Table\n", "from typer import Typer\n"),
         good="import structlog\n", but_not=("syncd/cli", "syncd/__main__.py")),
    Rule(
        broad_except, ("syncd",),
        bad=("try:\n    f()\nexcept:\n    pass\n", "try:\n    f()\nexcept Exception as e:\n    log(e)\n", "try:\n    f()\nexcept (OSError, BaseException):\n    raise X\n"),
        good="try:\n    f()\nexcept OSError:\n    pass\nexcept BaseException:\n    undo()\n    raise\n",
    ),
    Rule(
        unsafe_compare, ("syncd",),
        bad=("if digest == x: pass\n", "ok = a != request.signature\n", "sign_hmac(body) == y\n", "headers['X-Signature'] == y\n", "0 < 1 == the_Digest\n"),
        good="hmac.compare_digest(digest, x)\nlen(signature) == 64\ndigest_size == 32\nsignature is None\n",
    ),
    Rule(
        runs_data, ("syncd",),
        bad=("import pickle\n", "from marshal import loads\n", "eval(x)\n", "exec(x)\n", "yaml.load(f)\n", "connection.enable_load_extension(True)\n"),
        good="yaml.safe_load(f)\npattern = re.compile(x)\nmodel.eval()\n",
    ),
    Rule(
        unverified_tls, ("syncd",),
        bad=("session.get(url, ssl=False)\n", "get(url, verify=False)\n", "context.check_hostname = False\n", "mode = ssl.CERT_NONE\n"),
        good="session.get(url, ssl=context)\nget(url, verify=True)\n",
    ),
    Rule(
        built_sql, ("syncd",),
        bad=(
            "db.execute(f'SELECT a FROM {table}')\n", "db.execute('SELECT a FROM %s' % table)\n", "db.execute('SELECT a FROM ' + table)\n",
            "db.executemany('SELECT {}'.format(a), b)\n", "db.execute(' AND '.join(parts))\n",
            "async def f(db, a):\n    sql = f'SELECT {a}'\n    await db.execute(sql)\n",
        ),
        good="db.execute('SELECT a FROM b WHERE c = ?', (c,))\ndb.execute(f'SELECT {COLUMNS} FROM b WHERE c IN ({placeholders(3)})', c)\n"
             "db.execute('SELECT a ' + TAIL)\nasync def f(db, sql):\n    await db.execute(sql)\n",
        snippet_path="syncd/store/example.py",
    ),
    Rule(
        sql_outside_store, ("syncd",), but_not=("syncd/store",),
        bad=("db.execute('SELECT a FROM b')\n", "x = '''\n  INSERT INTO a VALUES (?)'''\n", "db.execute(f'UPDATE a SET b = {c}')\n", "y = 'DELETE FROM a'\n"),
        good="'''SELECT a FROM b is said here, not run.'''\nx = 'Select a plan'\n",
    ),
]

SNIPPETS = [pytest.param(rule, text, id=f"{rule.check.__name__}-{number}") for rule in RULES for number, text in enumerate(rule.bad)]


@pytest.fixture(scope="module")
def tree() -> list[Source]:
    """Every Python file of ours, read once."""
    paths = [path for room in ("syncd", "tests") for path in sorted((ROOT / room).rglob("*.py"))]
    return [Source.of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.__name__)
def test_the_tree_keeps_the_rule(rule: Rule, tree: list[Source]) -> None:
    """No file of ours breaks the rule."""
    broken = [complaint for source in tree for complaint in rule.broken_by(source)]

    assert [] == broken


@pytest.mark.parametrize(("rule", "text"), SNIPPETS)
def test_the_rule_fires(rule: Rule, text: str) -> None:
    """A rule that cannot fail protects nothing."""
    assert rule.broken_by(Source.of(rule.snippet_path, text))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.__name__)
def test_the_rule_leaves_good_code_alone(rule: Rule) -> None:
    """A rule that fires on honest code would be switched off."""
    assert [] == rule.broken_by(Source.of(rule.snippet_path, rule.good))


@pytest.mark.parametrize("path", ["syncd/core/utils.py", "syncd/flow/handle_common.py", "syncd/manager/plan.py", "tests/helpers.py"])
def test_an_empty_name_is_noticed(path: str) -> None:
    """The name is part of the code, and has no snippet."""
    assert list(empty_name(Source.of(path, "")))


def test_files_are_named_for_what_they_are(tree: list[Source]) -> None:
    """No file is named for where things were put."""
    assert [] == [f"{source.path}: {why}" for source in tree for _, why in empty_name(source)]


def test_the_tree_is_found(tree: list[Source]) -> None:
    """An empty tree would keep every rule."""
    assert {"syncd/__init__.py", "tests/test_tidy.py"} <= {source.path for source in tree}


@pytest.mark.parametrize(("name", "path", "function"), EXCEPTIONS, ids="-".join)
def test_an_exception_is_still_needed(name: str, path: str, function: str, tree: list[Source]) -> None:
    """What breaks no rule any more needs no exception."""
    [check] = [rule.check for rule in RULES if rule.check.__name__ == name]
    [source] = [source for source in tree if source.path == path]

    assert {line for line, _ in check(source)} & lines_of(source.tree, function)
