"""Which lines of a log a page shows, as it stands in the address."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

from stepwell.engine.logsearch import LogQuery

LEVELS = ("error", "warning", "info", "debug")
SOURCES = {"step": "what the step printed", "stepwell": "Stepwell's notes"}
_MAX_TEXT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Words to find, and what is left out."""

    text: str = ""
    is_pattern: bool = False
    is_exact: bool = False
    levels: tuple[str, ...] = ()
    source: str = ""
    #: lines without the words are left out too
    hides_others: bool = False
    #: the page itself is to find the words; else a script asks for them, and the page does not wait
    finds_words: bool = False

    @property
    def is_for_page(self) -> bool:
        """Whether the page itself leaves out lines: by level or source, or for words when it has no scripts."""
        return self.finds_words if self.text else bool(self.levels or self.source)

    @property
    def query(self) -> LogQuery:
        """What to search for."""
        return LogQuery(
            text=self.text,
            is_pattern=self.is_pattern,
            is_exact=self.is_exact,
            levels=self.levels,
            source=self.source,
        )

    @property
    def shown(self) -> LogQuery:
        """Which lines are shown: without the words when those only stand out."""
        if self.hides_others:
            return self.query
        return LogQuery(levels=self.levels, source=self.source)

    def url_query(self, **changed: object) -> str:
        """Return it as the query of an address, with ``changed`` parts."""
        values: dict[str, object] = {
            "q": self.text,
            "re": "1" if self.is_pattern and self.text else "",
            "case": "1" if self.is_exact and self.text else "",
            "only": "1" if self.hides_others and self.text else "",
            "find": "1" if self.finds_words and self.text else "",
            "level": self.levels,
            "source": self.source,
            **changed,
        }
        given = {name: value for name, value in values.items() if value not in (None, "", ())}
        return f"?{urlencode(given, doseq=True)}" if given else ""


def log_filter(asked: QueryDict) -> LogFilter:
    """Read a filter; what it does not know it leaves out."""
    source = asked.get("source", "")
    named = asked.getlist("level")
    return LogFilter(
        text=asked.get("q", "")[:_MAX_TEXT].replace("\0", ""),
        is_pattern=bool(asked.get("re")),
        is_exact=bool(asked.get("case")),
        levels=tuple(level for level in LEVELS if level in named),
        source=source if source in SOURCES else "",
        hides_others=bool(asked.get("only")),
        finds_words=bool(asked.get("find")),
    )
