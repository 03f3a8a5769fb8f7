"""How far a bot has come in what it is told: whatever is before has been done, so that nothing is lost between."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """Updates are done in any order; `pts` follows where no gap is left before them.

    An update's own place is its last: one at `pts` that counts `count` covers what is behind `pts - count`.
    """

    pts: int
    _done: dict[int, int] = field(default_factory=dict)
    """Behind which place, up to which."""

    def done(self, pts: int, count: int) -> bool:
        """Whether that moved us on."""
        if pts <= self.pts or count < 1:
            return False
        self._done[pts - count] = pts
        before = self.pts
        while (reached := self._done.pop(self.pts, None)) is not None:
            self.pts = reached
        return self.pts > before

    @property
    def gap(self) -> bool:
        """Whether something is done while something before it is not."""
        return bool(self._done)

    def jump(self, pts: int) -> None:
        """Telegram has given all up to there."""
        self.pts = pts
        self._done = {behind: reached for behind, reached in self._done.items() if behind >= pts}
