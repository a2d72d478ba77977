"""Scripts of bash and PowerShell, as far as they call programs: text -> commands of words, each word an expression.

Nothing is run. Words keep what a shell would put in: variables, `$(...)`, and the `<placeholders>` of documents.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from slash24.plan.iac.expression import Call, Expression, Literal, Name, Opaque, Template
from slash24.plan.iac.file import MAX_NESTING, File
from slash24.plan.iac.node import Place, ReadError

SUBSTITUTION = "$()"  # the name of a call whose argument is the script within
DEFAULT = "${:-}"  # the name of a call: a variable, and what stands in for it


@dataclass(frozen=True, slots=True)
class Word:
    """One word. quoted: some of it stood in quotes, so it is one word however its variables turn out."""

    value: Expression
    quoted: bool
    line: int

    @property
    def literal(self) -> str:
        """The text it begins with, before the first variable."""
        first = self.value.parts[0] if isinstance(self.value, Template) and self.value.parts else self.value
        return str(first.value) if isinstance(first, Literal) else ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command. branch: it stands in a condition, a loop or a function, so it may run or not. array: the words in
    parentheses behind `NAME=`."""

    words: tuple[Word, ...]
    line: int
    branch: bool
    array: tuple[Word, ...] | None = None


_BASH = re.compile(
    r"""(?P<space>[ \t]+|\\\n|\\$)
    |(?P<newline>\n)
    |(?P<comment>(?<![^\s;&|()])\#[^\n]*)
    |(?P<heredoc><<-?[ \t]*(?P<mark>['"]?)(?P<tag>\w+)(?P=mark))
    |(?P<hole><[A-Za-z][\w .:/-]*>)
    |(?P<redirect>\d?(?:<<<|>>|>&|<&|>\||<|>)|&>>?)
    |(?P<operator>&&|\|\||;;|[;|&()])
    |(?P<single>\$?'[^']*')
    |(?P<double>\$?")
    |(?P<inner>\$\()
    |(?P<back>`[^`]*`)
    |(?P<variable>\$\{[^{}\n]*\}|\$\w+|\$[\#?@*!$-])
    |(?P<escape>\\.)
    |(?P<plain>[^\s;&|()<>'"$`\\\#]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_POWERSHELL = re.compile(
    r"""(?P<space>[ \t]+|`[ \t]*\n|`$)
    |(?P<newline>\n)
    |(?P<comment>(?<![^\s;&|(){}])\#[^\n]*)
    |(?P<remark><\#)
    |(?P<herestring>@['"]\n)
    |(?P<hole><[A-Za-z][\w .:/-]*>)
    |(?P<redirect>\d?(?:>>|>&|>))
    |(?P<operator>&&|\|\||[;|&()])
    |(?P<single>'(?:[^']|'')*')
    |(?P<double>")
    |(?P<inner>\$\()
    |(?P<variable>\$\{[^{}\n]*\}|\$\w+(?::\w+)?|\$[?^$])
    |(?P<escape>`.)
    |(?P<plain>[^\s;&|()<>'"$`\#{}]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_IN_DOUBLE = {
    False: re.compile(r"""(?P<end>")|(?P<inner>\$\()|(?P<variable>\$\{[^{}\n]*\}|\$\w+|\$[@*])|(?P<back>`[^`]*`)
        |(?P<hole><[A-Za-z][\w .:/-]*>)|(?P<escape>\\[\s\S])|(?P<plain>[^"$`\\<]+|[\s\S])""", re.VERBOSE),
    True: re.compile(r"""(?P<twice>"")|(?P<end>")|(?P<inner>\$\()|(?P<variable>\$\{[^{}\n]*\}|\$\w+(?::\w+)?)
        |(?P<hole><[A-Za-z][\w .:/-]*>)|(?P<escape>`[\s\S])|(?P<plain>[^"$`<]+|[\s\S])""", re.VERBOSE),
}  # fmt: skip
_PARENTHESES = re.compile(r"""'[^']*'|"(?:[^"\\`]|[\\`].)*"|\\.|[()]""", re.DOTALL)
_OPENS = frozenset({"if", "for", "while", "until", "case", "select", "foreach", "switch", "function", "try"})
_CLOSES = frozenset({"fi", "done", "esac"})
_PREFIXES = frozenset({"then", "else", "do", "elif", "!", "time", "exec", "command", "sudo", "&"}) | _OPENS
_LOOKS_POWERSHELL = re.compile(r"`[ \t]*\n\s*-|^\s*\$\w+\s*=\s", re.MULTILINE)
_ASSIGNED = re.compile(r"\w+\+?=$")


def is_powershell(file: File) -> bool:
    """Return whether a script is PowerShell, by its name, else by how it continues lines and sets variables."""
    return file.suffix == "ps1" or _LOOKS_POWERSHELL.search(file.text) is not None


def commands(text: str, file: str, *, powershell: bool, line: int = 1, depth: int = 0) -> Iterator[Command]:
    """Yield the commands of a script, in their order. Raises ReadError at a quote or parenthesis that isn't closed."""
    yield from _Lexer(text, file, powershell, line, depth).commands()


class _Lexer:
    def __init__(self, text: str, file: str, powershell: bool, line: int, depth: int) -> None:
        self._text = text
        self._file = file
        self._powershell = powershell
        self._token = _POWERSHELL if powershell else _BASH
        self._line = line
        self._at = 0
        self._branches = 0
        self._heredocs: list[str] = []
        if depth > MAX_NESTING:
            raise ReadError(f"$( is nested deeper than {MAX_NESTING}", Place(file, line))
        self._depth = depth

    def commands(self) -> Iterator[Command]:
        words: list[Word] = []
        word: list[Expression] = []
        quoted, began, skip = False, self._line, False

        def end_of_word() -> None:
            nonlocal quoted, skip
            if word or quoted:
                parts = tuple(word) or (Literal("", began),)
                if not skip:
                    words.append(Word(parts[0] if len(parts) == 1 else Template(parts, began), quoted, began))
                skip = False
            word.clear()
            quoted = False

        while self._at < len(self._text):
            match = self._token.match(self._text, self._at)
            if match is None:  # every letter matches; this keeps the loop from standing still
                break
            kind = match.lastgroup or ""
            kind = "heredoc" if kind in ("mark", "tag") else kind
            if not word and not quoted:
                began = self._line
            start, self._at = self._at, match.end()
            match kind:
                case "space" | "comment":
                    end_of_word()
                case "newline" | "operator":
                    end_of_word()
                    if match[0] == "(" and words and not self._powershell and _ASSIGNED.search(words[-1].literal):
                        inside = self._parenthesised(start + 1)
                        array = tuple(
                            one
                            for command in commands(
                                inside, self._file, powershell=False, line=self._line, depth=self._depth + 1
                            )
                            for one in command.words
                        )
                        self._line += inside.count("\n")
                        yield Command(tuple(words), words[0].line, self._branches > 0, array)
                        words = []
                        continue
                    if words:
                        yield from self._command(words)
                        words = []
                case "redirect":
                    end_of_word()
                    skip = True
                case "heredoc":
                    end_of_word()
                    self._heredocs.append(match["tag"])
                case "hole":
                    word.append(Opaque("a placeholder to be filled in", match[0], self._line))
                case "single":
                    inner = match[0].lstrip("$")[1:-1]
                    word.append(Literal(inner.replace("''", "'") if self._powershell else inner, self._line))
                    quoted = True
                case "herestring":
                    inner = self._up_to(f"\n{match[0][1]}@", match[0])
                    word.append(Literal(inner, self._line))
                    self._line += inner.count("\n") + 1
                    quoted = True
                case "remark":
                    self._line += self._up_to("#>", match[0]).count("\n")
                case "double":
                    word += self._double()
                    quoted = True
                case "inner":
                    word.append(self._substitution(start + 2))
                case "back":
                    word.append(Call(SUBSTITUTION, (Literal(match[0][1:-1], self._line),), self._line))
                case "variable":
                    word.append(_variable(match[0], self._line))
                case "escape":
                    word.append(Literal(match[0][1:], self._line))
                case _:
                    word.append(Literal(match[0], self._line))
            if kind not in ("double", "inner"):  # these two have counted the lines within
                self._line += match[0].count("\n")
            if kind == "newline" and self._heredocs:
                self._skip_heredocs()
        end_of_word()
        if words:
            yield from self._command(words)

    def _command(self, words: list[Word]) -> Iterator[Command]:
        """Yield a command without the keywords before it, and count the branches that they open and close."""
        rest = list(words)
        while rest and (rest[0].literal in _PREFIXES or rest[0].literal in ("{", "}", *_CLOSES)) and not rest[0].quoted:
            word = rest.pop(0).literal
            if (word in _OPENS and not self._powershell) or word == "{":
                self._branches += 1
            elif word in _CLOSES or word == "}":
                self._branches = max(0, self._branches - 1)
        inner = self._branches > 0
        self._branches += sum(word.literal == "{" for word in rest) - sum(word.literal == "}" for word in rest)
        self._branches = max(0, self._branches)
        if rest:
            yield Command(tuple(_whole(rest)), rest[0].line, inner)

    def _double(self) -> list[Expression]:
        """Return what is in double quotes, whose first has been passed."""
        parts: list[Expression] = []
        opened, pattern = self._line, _IN_DOUBLE[self._powershell]
        while True:
            match = pattern.match(self._text, self._at)
            if match is None:
                raise ReadError('a " is opened here and never closed', Place(self._file, opened))
            start, self._at = self._at, match.end()
            match match.lastgroup:
                case "end":
                    return parts
                case "inner":
                    parts.append(self._substitution(start + 2))
                    continue
                case "variable":
                    parts.append(_variable(match[0], self._line))
                case "back":
                    parts.append(Call(SUBSTITUTION, (Literal(match[0][1:-1], self._line),), self._line))
                case "hole":
                    parts.append(Opaque("a placeholder to be filled in", match[0], self._line))
                case "escape":
                    if match[0][1:] != "\n":
                        kept = "" if match[0][1:] in '"$`\\' or self._powershell else "\\"
                        parts.append(Literal(kept + match[0][1:], self._line))
                case "twice":
                    parts.append(Literal('"', self._line))
                case _:
                    parts.append(Literal(match[0], self._line))
            self._line += match[0].count("\n")

    def _substitution(self, start: int) -> Expression:
        inside, line = self._parenthesised(start), self._line
        self._line += inside.count("\n")
        if inside.startswith("(") and not self._powershell:
            return Opaque("arithmetic of a shell is not followed", "<arithmetic>", line)
        return Call(SUBSTITUTION, (Literal(inside, line),), line)

    def _parenthesised(self, start: int) -> str:
        """Return the text up to the parenthesis that closes the one before `start`, and pass it."""
        depth, at = 1, start
        while depth:
            match = _PARENTHESES.search(self._text, at)
            if match is None:
                raise ReadError("a ( is opened here and never closed", Place(self._file, self._line))
            at = match.end()
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth + self._depth > MAX_NESTING:
                raise ReadError(f"parentheses are nested deeper than {MAX_NESTING}", Place(self._file, self._line))
        self._at = at
        return self._text[start : at - 1]

    def _up_to(self, end: str, opener: str) -> str:
        """Return the text before `end`, and pass both."""
        found = self._text.find(end, self._at)
        if found < 0:
            raise ReadError(f"{opener.strip()} is opened here and never closed", Place(self._file, self._line))
        inner = self._text[self._at : found]
        self._at = found + len(end)
        return inner

    def _skip_heredocs(self) -> None:
        for tag in self._heredocs:
            match = re.compile(rf"^\t*{re.escape(tag)}$", re.MULTILINE).search(self._text, self._at)
            end = match.end() if match else len(self._text)
            self._line += self._text.count("\n", self._at, end)
            self._at = end
        self._heredocs.clear()


def _whole(words: list[Word]) -> list[Word]:
    """Return the words with neighbouring texts of each put together."""
    return [Word(_merged(word.value), word.quoted, word.line) for word in words]


def _merged(value: Expression) -> Expression:
    if not isinstance(value, Template):
        return value
    parts: list[Expression] = []
    for part in value.parts:
        last = parts[-1] if parts else None
        if isinstance(part, Literal) and isinstance(last, Literal):
            parts[-1] = Literal(f"{last.value}{part.value}", last.line)
        else:
            parts.append(part)
    return parts[0] if len(parts) == 1 else Template(tuple(parts), value.line)


_BRACED = re.compile(r"(\w+)(?:(:?[-=])(.*)|:?\?.*|(\[[@*]\]))?", re.DOTALL)


def _variable(text: str, line: int) -> Expression:
    """Return what `$x`, `${x}`, `${x:-default}` and `${x[@]}` mean."""
    inner = text[2:-1] if text.startswith("${") else text[1:]
    match = _BRACED.fullmatch(inner)
    if match is None:
        return Opaque(f"{text} is not followed", f"<{inner}>", line)
    if match[1].isdecimal():
        return Opaque(f"${match[1]} is an argument of the script", f"<{match[1]}>", line)
    if match[2]:
        plain = "$" not in match[3] and "`" not in match[3]
        other: Expression = (
            Literal(match[3].strip("\"'"), line) if plain else Opaque(f"{text} is not followed", text, line)
        )
        return Call(DEFAULT, (Name(match[1], line), other), line)
    return Name(match[1], line)
