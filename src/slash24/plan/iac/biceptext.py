"""Bicep's language: text -> declarations and expressions, by a parser that takes time in proportion to the text.

A declaration that can't be followed is told with its line, and the next one is read. tree-sitter's grammar, which the
tests hold this parser against, takes quadratic time to go on behind faults: too long for files of unknown origin.
Grammar: docs/sources.md#bicep.
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass

from slash24.plan.iac.expression import (
    Call,
    Conditional,
    Expression,
    Fields,
    Items,
    Literal,
    Loop,
    Member,
    Name,
    Opaque,
    Operation,
    Template,
)
from slash24.plan.iac.file import MAX_NESTING, File
from slash24.plan.iac.node import Place, ReadError
from slash24.plan.iac.resource import Unchecked

_WORDS = ("param", "var", "resource", "module", "output", "type", "func", "import", "using", "metadata", "targetScope",
          "assert", "extension", "provider")  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|//[^\n]*|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<remark>/\*)
    |(?P<long>''')
    |(?P<quote>')
    |(?P<number>\d+)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>=>|==|!=|=~|!~|<=|>=|&&|\|\||\?\?|::|\.\.\.|\.\?|\[\?|[][(){}.,:?=!<>+*/%@|-])""",
    re.VERBOSE,
)
_IN_STRING = re.compile(r"(?P<end>')|(?P<hole>\$\{)|(?P<escape>\\(?:u\{[0-9A-Fa-f]{1,6}\}|.))|(?P<plain>[^'\\$\n]+|\$)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_LEVELS = (("??",), ("||",), ("&&",), ("==", "!=", "=~", "!~"), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))
_BINDS = {sign: level for level, signs in enumerate(_LEVELS) for sign in signs}
#: A file of more faults than this is no Bicep; what is behind them is not read.
_MAX_FAULTS = 20
#: A line that begins so goes on with the expression before it.
_GOES_ON = frozenset({"?", "&&", "||", "??", ".", ".?", "==", "!="})


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `resource`, `module`, `param` or `var`. type: of a resource, without its version; a module's path."""

    word: str
    name: str
    value: Expression | None
    line: int
    type: str = ""
    existing: bool = False
    inner: "tuple[Declaration, ...]" = ()


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: word, number, text, sign, newline or end. parts: of a text, its pieces."""

    kind: str
    text: str
    line: int
    parts: tuple[Expression, ...] = ()


class _Fault(Exception):  # noqa: N818  caught in this file: it ends one declaration
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def parse(file: File) -> tuple[list[Declaration], list[Unchecked]]:
    """Return the declarations of a file, and the lines at which one could not be followed. Raises ReadError."""
    file.refuse_deep_nesting()
    try:
        tokens = _Lexer(file.text, 1).tokens()
    except _Fault as fault:
        raise ReadError(fault.message, Place(file.name, fault.line)) from fault
    return _Parser(tokens, file.name).file()


class _Lexer:
    def __init__(self, text: str, line: int, depth: int = 0) -> None:
        self._text = text
        self._at = 0
        self._line = line
        self._depth = depth

    def tokens(self, *, until_brace: bool = False) -> list[_Token]:
        """Return all tokens; with `until_brace` those up to the brace that closes an interpolation."""
        found: list[_Token] = []
        braces = 0
        while self._at < len(self._text):
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                raise _Fault(f"Bicep has no {self._text[self._at]!r}", self._line)
            self._at = match.end()
            match match.lastgroup:
                case "space":
                    continue
                case "remark":
                    self._pass("*/", "a /* is opened here and never closed")
                case "newline":
                    found.append(_Token("newline", "\n", self._line))
                    self._line += 1
                case "long":
                    line = self._line
                    inner = self._pass("'''", "a ''' is opened here and never closed").removeprefix("\n")
                    found.append(_Token("text", "", line, (Literal(inner, line),)))
                case "quote":
                    line = self._line
                    found.append(_Token("text", "", line, tuple(self._string())))
                case kind:
                    if until_brace and match[0] in "{}":
                        if match[0] == "}" and not braces:
                            return found
                        braces += 1 if match[0] == "{" else -1
                    found.append(_Token(str(kind), match[0], self._line))
        if until_brace:
            raise _Fault("a ${ is opened here and never closed", self._line)
        return found

    def _pass(self, end: str, fault: str) -> str:
        at = self._text.find(end, self._at)
        if at < 0:
            raise _Fault(fault, self._line)
        inner = self._text[self._at : at]
        self._line += inner.count("\n")
        self._at = at + len(end)
        return inner

    def _string(self) -> list[Expression]:
        parts: list[Expression] = []
        while True:
            match = _IN_STRING.match(self._text, self._at)
            if match is None:
                raise _Fault("a ' is opened in this line and never closed", self._line)
            self._at = match.end()
            match match.lastgroup:
                case "end":
                    return parts
                case "hole":
                    parts.append(self._interpolation())
                case "escape":
                    parts.append(Literal(_ESCAPES.get(match[0][1:], match[0][1:]), self._line))
                case _:
                    parts.append(Literal(match[0], self._line))

    def _interpolation(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise _Fault(f"${{ is nested deeper than {MAX_NESTING}", self._line)
        line = self._line
        parser = _Parser(self.tokens(until_brace=True), "")
        self._depth -= 1
        found = parser.expression()
        return found if parser.at_end else Opaque("this part of a text is not followed", "<text>", line)


class _Parser:
    def __init__(self, tokens: Sequence[_Token], file: str) -> None:
        self._tokens = [*tokens, _Token("end", "", tokens[-1].line if tokens else 1)]
        self._at = 0
        self._file = file
        self._depth = 0

    @property
    def at_end(self) -> bool:
        self._skip_lines()
        return self._peek.kind == "end"

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _fault(self) -> _Fault:
        return _Fault(f"Bicep doesn't go on with {self._peek.text.strip() or 'the end of a line'!r}", self._peek.line)

    def _next(self) -> _Token:
        token = self._peek
        if token.kind == "end":
            raise self._fault()
        self._at += 1
        return token

    def _is(self, *signs: str) -> bool:
        return self._peek.kind == "sign" and self._peek.text in signs

    def _expect(self, sign: str) -> _Token:
        if not self._is(sign):
            raise self._fault()
        return self._next()

    def _skip_lines(self) -> None:
        while self._peek.kind == "newline" or (self._peek.kind == "sign" and self._peek.text == ","):
            self._at += 1

    def file(self) -> tuple[list[Declaration], list[Unchecked]]:
        found: list[Declaration] = []
        faults: list[Unchecked] = []
        while True:
            self._skip_lines()
            if self._peek.kind == "end":
                return found, faults
            try:
                one = self.declaration()
            except _Fault as fault:
                faults.append(Unchecked(Place(self._file, fault.line), fault.message))
                if len(faults) == _MAX_FAULTS:
                    return found, faults
                self._recover()
                continue
            if one is not None:
                found.append(one)

    def _recover(self) -> None:
        """Go to the next line that begins a declaration."""
        self._at += self._peek.kind != "end"
        while self._peek.kind != "end":
            fresh = self._tokens[self._at - 1].kind == "newline"
            if fresh and (self._peek.text in _WORDS or self._is("@")):
                return
            self._at += 1

    def declaration(self) -> Declaration | None:
        """Return the declaration that begins here, None for one that makes nothing."""
        while self._is("@"):
            self._next()
            self.expression()
            self._skip_lines()
        token = self._next()
        match token.text if token.kind == "word" else "":
            case "param":
                return self._param(token.line)
            case "var":
                name = self._name()
                if not self._is("="):  # a variable may have a type
                    self._skip_to("=")
                self._expect("=")
                return Declaration("var", name, self.expression(), token.line)
            case "resource" | "module":
                return self._resource(token.text, token.line)
            case word if word in _WORDS:
                self._pass_statement()
                return None
        self._at -= 1
        raise self._fault()

    def _name(self) -> str:
        token = self._next()
        if token.kind != "word":
            self._at -= 1
            raise self._fault()
        return token.text

    def _param(self, line: int) -> Declaration:
        name, nullable = self._name(), False
        depth = 0
        while self._peek.kind != "end" and not (depth == 0 and (self._peek.kind == "newline" or self._is("="))):
            depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(self._peek.text, 0)
            nullable = self._peek.text == "?"
            self._at += 1
        if self._is("="):
            self._next()
            return Declaration("param", name, self.expression(), line)
        return Declaration("param", name, Literal(None, line) if nullable else None, line)

    def _resource(self, word: str, line: int) -> Declaration:
        name, kind = self._name(), self._next()
        if kind.kind != "text":
            self._at -= 1
            raise self._fault()
        existing = self._peek.text == "existing"
        self._at += existing
        self._expect("=")
        inner: list[Declaration] = []
        value = self._body(inner)
        text = "".join(str(part.value) for part in kind.parts if isinstance(part, Literal))
        return Declaration(
            word, name, value, line, text.partition("@")[0] if word == "resource" else text, existing, tuple(inner)
        )

    def _body(self, inner: list[Declaration]) -> Expression:
        """Return the value of a resource: an object, a condition and an object, or a loop."""
        if self._peek.text == "if":
            line = self._next().line
            condition = self.expression()
            return Conditional(condition, self._object(inner), Literal(None, line), line)
        return self._object(inner) if self._is("{") else self.expression()

    def _skip_to(self, sign: str) -> None:
        while not self._is(sign) and self._peek.kind not in ("newline", "end"):
            self._at += 1

    def _pass_statement(self) -> None:
        depth = 0
        while self._peek.kind != "end" and not (depth == 0 and self._peek.kind == "newline"):
            depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(self._peek.text, 0)
            self._at += 1

    def expression(self) -> Expression:
        """Return the expression that begins here."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise _Fault(f"expressions are nested deeper than {MAX_NESTING}", self._peek.line)
        try:
            return self._ternary()
        finally:
            self._depth -= 1

    def _goes_on(self, signs: Container[str]) -> bool:
        """Return whether one of the signs comes next, be it at the beginning of a later line."""
        at = self._at
        while self._tokens[at].kind == "newline":
            at += 1
        token = self._tokens[at]
        if token.kind != "sign" or token.text not in signs:
            return False
        if at != self._at and token.text not in _GOES_ON and token.text != ":":
            return False
        self._at = at
        return True

    def _ternary(self) -> Expression:
        condition = self._binary(0)
        if not self._goes_on(("?",)):
            return condition
        line = self._next().line
        self._pass_newlines()
        yes = self.expression()
        if not self._goes_on((":",)):
            raise self._fault()
        self._next()
        self._pass_newlines()
        return Conditional(condition, yes, self.expression(), line)

    def _pass_newlines(self) -> None:
        while self._peek.kind == "newline":
            self._at += 1

    def _binary(self, least: int) -> Expression:
        """Return an expression of operators that bind at least so tightly."""
        found = self._unary()
        while self._goes_on(_BINDS) and _BINDS[self._peek.text] >= least:
            token = self._next()
            self._pass_newlines()
            found = Operation(token.text, (found, self._binary(_BINDS[token.text] + 1)), token.line)
        return found

    def _unary(self) -> Expression:
        signs: list[_Token] = []
        while self._is("!", "-"):
            signs.append(self._next())
        found = self._postfix(self._primary())
        for sign in reversed(signs):
            found = Operation(sign.text, (found,), sign.line)
        return found

    def _postfix(self, found: Expression) -> Expression:
        while True:
            if self._goes_on((".", ".?", "::")):
                line = self._next().line
                found = Member(found, Literal(self._name(), line), line)
                if self._is("("):  # a function of a namespace, as in az.resourceGroup()
                    inner = found.key.value if isinstance(found.key, Literal) else ""
                    found = self._call(str(inner), line)
            elif self._is("[", "[?"):
                line = self._next().line
                self._pass_newlines()
                found = Member(found, self.expression(), line)
                self._pass_newlines()
                self._expect("]")
            elif self._is("!"):
                self._next()
            else:
                return found

    def _primary(self) -> Expression:
        token = self._next()
        match token.kind:
            case "text":
                first = token.parts[0] if token.parts else Literal("", token.line)
                whole = len(token.parts) <= 1 and isinstance(first, Literal)
                return first if whole else Template(token.parts, token.line)
            case "number":
                return Literal(int(token.text[:18]), token.line)
            case "word":
                return self._word(token)
        match token.text:
            case "(":
                return self._parenthesis(token)
            case "[":
                return self._array(token)
            case "{":
                self._at -= 1
                return self._object([])
        self._at -= 1
        raise self._fault()

    def _word(self, token: _Token) -> Expression:
        if token.text in ("true", "false"):
            return Literal(token.text == "true", token.line)
        if token.text == "null":
            return Literal(None, token.line)
        if self._is("("):
            return self._call(token.text, token.line)
        if self._is("=>"):
            return self._lambda((token.text,), token.line)
        return Name(token.text, token.line)

    def _parenthesis(self, token: _Token) -> Expression:
        """Return what is in parentheses, or the lambda whose names they hold."""
        end = self._at
        while self._tokens[end].kind == "word" or self._tokens[end].text == ",":
            end += 1
        if self._tokens[end].text == ")" and self._tokens[min(end + 1, len(self._tokens) - 1)].text == "=>":
            names = tuple(one.text for one in self._tokens[self._at : end] if one.kind == "word")
            self._at = end + 1
            return self._lambda(names, token.line)
        self._pass_newlines()
        found = self.expression()
        self._pass_newlines()
        self._expect(")")
        return found

    def _lambda(self, names: tuple[str, ...], line: int) -> Expression:
        self._expect("=>")
        self._pass_newlines()
        return Loop(Opaque("a lambda alone is not followed", "<lambda>", line), names, self.expression(), line)

    def _call(self, name: str, line: int) -> Expression:
        self._expect("(")
        arguments: list[Expression] = []
        self._skip_lines()
        while not self._is(")"):
            arguments.append(self.expression())
            self._skip_lines()
        self._next()
        last = arguments[-1] if arguments else None
        if isinstance(last, Loop) and isinstance(last.over, Opaque) and len(arguments) == 2:
            if name == "map":
                return Loop(arguments[0], last.names, last.body, line, index_first=False)
            if name == "filter":
                item = Name(last.names[0] if last.names else "", line)
                return Loop(arguments[0], last.names, item, line, condition=last.body, index_first=False)
        return Call(name, tuple(arguments), line)

    def _array(self, token: _Token) -> Expression:
        self._skip_lines()
        if self._peek.text == "for" and self._tokens[self._at + 1].kind in ("word", "sign"):
            return self._loop(token.line)
        items: list[Expression] = []
        while not self._is("]"):
            if self._is("..."):
                line = self._next().line
                self.expression()
                items.append(Opaque("a list spread into another is not followed", "<list>", line))
            else:
                items.append(self.expression())
            self._skip_lines()
        self._next()
        return Items(tuple(items), token.line)

    def _loop(self, line: int) -> Expression:
        self._next()
        if self._is("("):
            self._next()
            names = [self._name()]
            self._expect(",")
            names.append(self._name())
            self._expect(")")
        else:
            names = [self._name()]
        if self._name() != "in":
            raise self._fault()
        over = self.expression()
        self._expect(":")
        self._pass_newlines()
        body = self._body([]) if self._peek.text == "if" else self.expression()
        condition = None
        if isinstance(body, Conditional) and isinstance(body.no, Literal) and body.no.value is None:
            condition, body = body.condition, body.yes
        self._skip_lines()
        self._expect("]")
        return Loop(over, tuple(names), body, line, condition=condition, index_first=False)

    def _object(self, inner: list[Declaration]) -> Expression:
        line = self._expect("{").line
        fields: list[tuple[Expression, Expression]] = []
        self._skip_lines()
        while not self._is("}"):
            self._field(fields, inner)
            self._skip_lines()
        self._next()
        return Fields(tuple(fields), line)

    def _field(self, fields: list[tuple[Expression, Expression]], inner: list[Declaration]) -> None:
        if self._is("@") or (self._peek.text == "resource" and self._tokens[self._at + 1].kind == "word"):
            one = self.declaration()
            if one is not None:
                inner.append(one)
            return
        if self._is("..."):
            self._next()
            self.expression()
            return
        token = self._next()
        if token.kind not in ("word", "text", "number"):
            self._at -= 1
            raise self._fault()
        whole = len(token.parts) == 1 and isinstance(token.parts[0], Literal)
        key: Expression = Literal(token.text, token.line)
        if token.kind == "text":
            key = token.parts[0] if whole else Template(token.parts, token.line)
        self._expect(":")
        self._pass_newlines()
        fields.append((key, self.expression()))
