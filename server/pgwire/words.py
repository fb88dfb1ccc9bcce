"""Takes the tokens of a statement apart, word by word."""

import re
from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from engine.query.sql_text import quoted_name
from server.pgwire.errors import PgError

_WORD = re.compile(r"[^\W\d]")
_MESSAGE_CHARS_MAX = 60


class Words:
    """Tokens, taken one after the other."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    @property
    def is_over(self) -> bool:
        """Whether none are left."""
        return self._at >= len(self._tokens)

    def ahead(self) -> str:
        """The next word in capitals; empty at the end, and for a quoted name or text."""
        if self.is_over or self._tokens[self._at].token_type in (
            TokenType.IDENTIFIER,
            TokenType.STRING,
        ):
            return ""
        return self._tokens[self._at].text.upper()

    def take(self, *words: str) -> bool:
        """Take these words if they come next."""
        before = self._at
        for word in words:
            if self.ahead() != word:
                self._at = before
                return False
            self._at += 1
        return True

    def expect(self, *words: str) -> None:
        """Take these words; raise ``PgError`` when others come."""
        if not self.take(*words):
            raise self.wrong()

    def one_of(self, *words: str) -> str:
        """Take the next word if it is one of these; else empty."""
        word = self.ahead()
        if word in words:
            self._at += 1
            return word
        return ""

    def name(self) -> str:
        """Take a name, folded unless it is quoted."""
        if self.is_over:
            raise self.wrong()
        token = self._tokens[self._at]
        is_quoted = token.token_type is TokenType.IDENTIFIER
        is_word = token.token_type is not TokenType.STRING and _WORD.match(token.text)
        if not (is_quoted or is_word):
            raise self.wrong()
        self._at += 1
        return token.text if is_quoted else token.text.lower()

    def dotted_name(self) -> str:
        """Take a name that may have dots."""
        name = self.name()
        while self.take("."):
            name += "." + self.name()
        return name

    def value(self, *, is_name: bool = False) -> str:
        """Take one value: a text, a number with its sign, a word; a name stays quoted if it is."""
        sign = "-" if self.take("-") else ""
        if self.is_over:
            raise self.wrong()
        token = self._tokens[self._at]
        self._at += 1
        is_quoted = token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
        return quoted_name(token.text) if is_name and is_quoted else sign + token.text

    def number(self) -> int:
        """Take a whole number."""
        text = self.value()
        try:
            return int(text)
        except ValueError:
            raise self.wrong(back=1) from None

    def rest(self) -> str:
        """Take all that is left, as it was written."""
        if self.is_over:
            return ""
        start = self._tokens[self._at].start
        self._at = len(self._tokens)
        return self._text[start:]

    def bracketed(self) -> str:
        """Take what is in the brackets that come next, as it was written."""
        self.expect("(")
        start, depth = self._at, 1
        while not self.is_over:
            kind = self._tokens[self._at].token_type
            depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
            self._at += 1
            if depth == 0:
                end = self._tokens[self._at - 1].start
                return self._text[self._tokens[start - 1].end + 1 : end]
        raise self.wrong()

    def items(self) -> list[str]:
        """Take a list in brackets: its parts, as they were written."""
        self.expect("(")
        parts: list[str] = []
        depth, start = 1, self._tokens[self._at - 1].end + 1
        while not self.is_over:
            token = self._tokens[self._at]
            self._at += 1
            kind = token.token_type
            depth += (kind in (TokenType.L_PAREN, TokenType.L_BRACKET)) - (
                kind in (TokenType.R_PAREN, TokenType.R_BRACKET)
            )
            if depth == 0 or (depth == 1 and kind is TokenType.COMMA):
                parts.append(self._text[start : token.start].strip())
                start = token.end + 1
            if depth == 0:
                return [part for part in parts if part]
        raise self.wrong()

    def end(self) -> None:
        """See that nothing is left."""
        if not self.is_over:
            raise self.wrong()

    def wrong(self, back: int = 0) -> PgError:
        """Make the error about what comes next, or came so many tokens before."""
        place = self._at - back
        if place < len(self._tokens):
            return PgError(
                f'syntax error at or near "{self._tokens[place].text[:_MESSAGE_CHARS_MAX]}"',
                "42601",
            )
        return PgError("syntax error at end of input", "42601")
