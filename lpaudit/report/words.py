"""A check's SQL → what it compares with a word that cannot be there.

`action = 'delet'` is good SQL, matches nothing, and looks like a clean result. So every literal
that is compared with a column is held against the words which that column may hold: those of
schemas/, of the route catalogue, and of the `case` expressions of views and of the check itself.

What would have to be guessed is let be: regular expressions, other functions, `<` and `>`, numbers,
parameters, and columns that are compared with columns.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from http import HTTPMethod
from itertools import chain

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, build_scope, traverse_scope

from lpaudit import routes
from lpaudit.errors import CheckError
from lpaudit.schema import tables

_NEAR = 0.9


@dataclass(frozen=True, slots=True)
class Words:
    """What an expression may hold. A word may have `%` for any text; ``open``: others are not impossible."""

    words: frozenset[str] = frozenset()
    open: bool = False

    def __or__(self, other: "Words") -> "Words":
        """Return what one of two expressions may hold."""
        return Words(self.words | other.words, self.open or other.open)

    def through(self, function: Callable[[str], str]) -> "Words":
        """Return what a function makes of them."""
        return Words(frozenset(map(function, self.words)), self.open)

    def refuses(self, literal: str) -> bool:
        """Tell whether a literal is none of them; of open ones only what looks like a slip is refused."""
        if literal in self.words or any("%" in w and _like(literal, w) for w in self.words):
            return False
        return not self.open or bool(self.near(literal))

    def near(self, literal: str) -> list[str]:
        """Return the word that was meant, if there is one."""
        for word in sorted(self.words):
            if word.casefold() == literal.casefold():
                return [word]
        return get_close_matches(literal, sorted(self.words), n=1, cutoff=_NEAR if self.open else 0.6)


def slips(sql: str) -> list[str]:
    """Return what is compared with a word that cannot be there, a sentence each.

    Raises CheckError for SQL that cannot be read.
    """
    tree = _parsed(sql)
    found = chain.from_iterable(_of_scope(scope) for scope in traverse_scope(tree))
    return list(dict.fromkeys(found))


def _of_scope(scope: Scope) -> Iterator[str]:
    for equal in scope.find_all(exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ):
        yield from _compared(equal.this, _any_of(equal.args["expression"]), scope)
        yield from _compared(equal.args["expression"], [equal.this], scope)
    for each in scope.find_all(exp.In):
        yield from _compared(each.this, each.expressions, scope)
    for held in scope.find_all(exp.ArrayContains, exp.Contains):
        if isinstance(held.this, exp.Array):
            yield from _compared(held.args["expression"], held.this.expressions, scope)
    for case in scope.find_all(exp.Case):
        if case.this is not None:
            yield from _compared(case.this, [branch.this for branch in case.args["ifs"]], scope)
    yield from _of_patterns(scope)


def _of_patterns(scope: Scope) -> Iterator[str]:
    for between in scope.find_all(exp.Between):
        yield from _between(between, scope)
    for like in scope.find_all(exp.Like, exp.ILike):
        if not isinstance(like.parent, exp.Escape):
            yield from _pattern(like, "", scope)
    for starts in scope.find_all(exp.StartsWith):
        yield from _pattern(starts, "%", scope)


def _any_of(node: exp.Expr) -> list[exp.Expr]:
    """Return what `any([…])` has in its list; of anything else, that itself."""
    if not isinstance(node, exp.Any):
        return [node]
    held = node.this.unnest()
    return list(held.expressions) if isinstance(held, exp.Array) else []


def _compared(left: exp.Expr, right: Iterable[exp.Expr], scope: Scope) -> Iterator[str]:
    if isinstance(left, exp.Tuple):
        for row in right:
            if isinstance(row, exp.Tuple):
                for one, other in zip(left.expressions, row.expressions, strict=False):
                    yield from _compared(one, [other], scope)
        return
    literals = [text for node in right if (text := _constant(node, scope)) is not None]
    if not literals or _constant(left, scope) is not None:
        return
    known = _words(left, scope)
    if known is None:
        return
    for literal in literals:
        if known.refuses(literal):
            yield _sentence(left, literal, known)


def _constant(node: exp.Expr, scope: Scope) -> str | None:
    """Return the one text that an expression is, whatever the row; None if it is not certain to be one."""
    known = None if node.find(exp.Column, exp.DPipe) else _words(node, scope)
    return next(iter(known.words)) if known and len(known.words) == 1 and not known.open else None


def _between(between: exp.Between, scope: Scope) -> Iterator[str]:
    low, high = (_constant(between.args[end], scope) for end in ("low", "high"))
    known = _words(between.this, scope)
    if known is None or known.open or low is None or high is None:
        return
    # Texts are in the order of their bytes, which is that of their characters.
    if not any("%" in word or low <= word <= high for word in known.words):
        yield _told(between.this, f"between {low!r} and {high!r}", _all(known))


def _pattern(like: exp.Expr, more: str, scope: Scope) -> Iterator[str]:
    left, pattern = like.this, like.args["expression"]
    if not isinstance(pattern, exp.Literal):
        return
    known = _words(left, scope)
    if known is None or known.open or any("%" in word for word in known.words):
        return
    fold = str.casefold if isinstance(like, exp.ILike) else str
    one = "_" if more else "."  # of a beginning it is no placeholder
    text = fold(pattern.name + more)
    if not any(_like(fold(word), text, one) for word in known.words):
        yield _sentence(left, pattern.name, known)


def _sentence(left: exp.Expr, literal: str, known: Words) -> str:
    near = known.near(literal)
    return _told(left, repr(literal), f"did you mean {near[0]!r}?" if near else _all(known))


def _all(known: Words) -> str:
    return "there are: " + ", ".join(sorted(known.words)[:30])


def _told(left: exp.Expr, never: str, instead: str) -> str:
    return f"{left.sql('duckdb')} is never {never}: {instead}"


def _like(text: str, pattern: str, one: str = "_") -> bool:
    """Tell if a text is like a pattern; ``one`` is what `_` stands for, as a regular expression."""
    parts = (re.escape(part).replace("_", one) for part in pattern.split("%"))
    return bool(re.fullmatch(".*".join(parts), text, re.DOTALL))


# -------------------------------------------------- what an expression may hold; None: anything

_SAME = (exp.Paren, exp.Alias, exp.Cast, exp.TryCast, exp.Min, exp.Max, exp.AnyValue, exp.ArgMax, exp.ArgMin)


def _words(node: exp.Expr | None, scope: Scope) -> Words | None:
    match node:
        case None | exp.Null():
            return Words()
        case exp.Literal():
            return Words(frozenset({node.name})) if node.is_string else None
        case exp.Column():
            return _of_column(node, scope)
        case exp.Case() | exp.If() | exp.Coalesce():
            return _any(_branches(node), scope)
        case exp.DPipe() if isinstance(node.left, exp.Literal):
            return Words(frozenset({f"{node.left.name}%"}))
        case exp.Bracket():
            return _of_variable(node)
        case exp.Lower() | exp.Upper() | exp.Trim():
            return _through(node, scope)
        case exp.Expr() if isinstance(node, _SAME):
            return _words(node.this, scope)
    return None


def _branches(node: exp.Case | exp.If | exp.Coalesce) -> list[exp.Expr | None]:
    match node:
        case exp.Case():
            return [*(each.args["true"] for each in node.args["ifs"]), node.args.get("default")]
        case exp.If():
            return [node.args["true"], node.args.get("false")]
    return [node.this, *node.expressions]


def _through(node: exp.Lower | exp.Upper | exp.Trim, scope: Scope) -> Words | None:
    known = _words(node.this, scope)
    if known is None or (isinstance(node, exp.Trim) and node.args.get("expression")):
        return None  # trim(action, 'de') would need a second opinion on what DuckDB trims
    if isinstance(node, exp.Trim):
        return known if all(word == word.strip() for word in known.words) else None
    return known.through(str.lower if isinstance(node, exp.Lower) else str.upper)


def _any(nodes: Iterable[exp.Expr | None], scope: Scope) -> Words | None:
    whole = Words()
    for node in nodes:
        some = _words(node, scope)
        if some is None:
            return None
        whole |= some
    return whole


def _of_variable(node: exp.Bracket) -> Words | None:
    """Return the words of a list that `access` looks a route's facts up in."""
    if not (isinstance(node.this, exp.Anonymous) and node.this.name.lower() == "getvariable"):
        return None
    held = routes.variables().get(node.this.expressions[0].name)
    return _strings(held) if isinstance(held, list) else None


def _strings(held: Iterable[object]) -> Words | None:
    words = [word for word in held if word is not None]
    return Words(frozenset(map(str, words))) if all(isinstance(w, str) for w in words) else None


def _of_column(column: exp.Column, scope: Scope) -> Words | None:
    inner: Scope | None = scope
    while inner is not None:
        for alias, (_, source) in inner.selected_sources.items():
            if column.table in ("", alias) and column.name in _columns(source):
                return _of_source(source, column.name)
        if not column.table:
            for select in _selects(inner):
                if isinstance(select, exp.Alias) and select.alias == column.name:
                    return _words(select.this, inner)
        inner = inner.parent
    return None


def _of_source(source: Scope | exp.Expr, name: str) -> Words | None:
    if isinstance(source, exp.Table):
        return _of_table(source.name, name)
    if not isinstance(source, Scope) or name not in (names := _columns(source)):
        return None
    if source.set_operation_scopes:
        position = names.index(name)
        whole = Words()
        for each in source.set_operation_scopes:
            branch = _columns(each)
            some = _of_source(each, branch[position]) if position < len(branch) else None
            if some is None:
                return None
            whole |= some
        return whole
    return _of_projection(source, _unaliased(source)[names.index(name)], name)


def _of_projection(scope: Scope, told: str, name: str) -> Words | None:
    for select in _selects(scope):
        if select.alias_or_name == told and not select.is_star:
            return _words(select, scope)
    for _, inner in scope.selected_sources.values():  # one of a star's
        if name in _columns(inner):
            return _of_source(inner, name)
    return None


def _selects(scope: Scope) -> list[exp.Expr]:
    return scope.expression.selects if isinstance(scope.expression, exp.Query) else []


def _columns(source: Scope | exp.Expr) -> list[str]:
    """Return the names of a source's columns, as far as they can be told, in their order."""
    if isinstance(source, exp.Table):
        return _columns_of_table(source.name)
    if not isinstance(source, Scope):
        return []
    given = _given_names(source)
    return given or _unaliased(source)


def _given_names(scope: Scope) -> list[str]:
    """Return the names of `with found(a, b) as (…)`."""
    parent = scope.expression.parent
    return list(parent.alias_column_names) if isinstance(parent, (exp.CTE, exp.Subquery)) else []


def _unaliased(scope: Scope) -> list[str]:
    if scope.set_operation_scopes:
        return _columns(scope.set_operation_scopes[0])
    names: list[str] = []
    for select in _selects(scope):
        if select.is_star:
            of = select.table if isinstance(select, exp.Column) else ""
            for alias, (_, inner) in scope.selected_sources.items():
                names += _columns(inner) if of in ("", alias) else []
        else:
            names.append(select.alias_or_name)
    return names


# ------------------------------------------------------------------------- what tables may hold


def _of_table(table: str, column: str) -> Words | None:
    known = tables()
    if table == routes.RELATION:
        rows = routes.catalogue().arrow
        return _strings(rows.column(column).to_pylist()) if column != "why" else None
    if table in known:
        field = next((f for f in known[table].fields if f.name == column), None)
        if field and field.words:
            return Words(frozenset(field.words), field.open_words)
        if column == "table_name":
            return Words(frozenset(t.name for t in known.values() if t.dump))
        if column == "http_request_method":
            return Words(frozenset({*(m.value for m in HTTPMethod), "PROPFIND", ""}), open=True)
        return None
    view = _view(table)
    return _of_source(view, column) if view else None


def _columns_of_table(table: str) -> list[str]:
    known = tables()
    if table == routes.RELATION:
        names: list[str] = routes.catalogue().arrow.column_names
        return names
    if table in known:
        return [f.name for f in known[table].fields]
    return [c.name for t in known.values() for v in t.views if v.name == table for c in v.columns]


@cache
def _view(name: str) -> Scope | None:
    sql = next((v.sql for t in tables().values() for v in t.views if v.name == name), None)
    return build_scope(_parsed(sql)) if sql else None


def _parsed(sql: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError as error:
        raise CheckError(
            f"the SQL cannot be read: {str(error).splitlines()[0]}", hint="write it more plainly"
        ) from error
    # DuckDB needs no names for what stands in `from (…)`; sqlglot does.
    for number, each in enumerate(tree.find_all(exp.Subquery)):
        if isinstance(each.parent, (exp.From, exp.Join)) and not each.alias:
            each.set("alias", exp.TableAlias(this=exp.to_identifier(f"_{number}")))
    return tree
