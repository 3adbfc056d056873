"""Colours that a pixel may have: those that followed the same pixels before, and those around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pixelzip.drawing.around import LENGTHS, NORTH_2, WEST, WEST_2, Around


@dataclass(frozen=True)
class Follower:
    """The colour that came last after some pixels, the one before, how often in a row the last has come, their hash.

    ``run`` is at most 255.
    """

    check: int
    last: int
    before: int
    run: int


@dataclass(frozen=True)
class Candidates:
    """``sources`` has for each colour, likely ones first, a bit for each place that says so.

    ``order`` is the number of the longest context that has been seen, len(LENGTHS) if none has; ``run`` is its run.
    """

    sources: dict[int, int]
    order: int
    run: int


@dataclass
class Followers:
    """What followed each context of pixels, in as many slots for each of LENGTHS, a power of two."""

    num_slots: int
    _slots: list[dict[int, Follower]] = field(default_factory=lambda: [{} for _ in LENGTHS])

    def candidates(self, around: Around) -> Candidates:
        """List what may come next, but for a plain area's colour: that it does not go on has been coded."""
        found = [self._find(number, check) for number, check in enumerate(around.hashes)]
        known = [(number, follower) for number, follower in enumerate(found) if follower]
        order, run = (known[0][0], known[0][1].run) if known else (len(LENGTHS), 0)
        sources = dict[int, int]()
        places = [(number, follower.last) for number, follower in known]
        places += enumerate(around.pixels[:4], len(LENGTHS))
        places += [(len(LENGTHS) + 4, follower.before) for _, follower in known if follower.before != follower.last]
        places += enumerate((around.pixels[WEST_2], around.pixels[NORTH_2]), len(LENGTHS) + 5)
        for source, colour in places:
            sources[colour] = sources.get(colour, 0) | 1 << source
        if around.is_flat:
            del sources[around.pixels[WEST]]
        return Candidates(sources, order, run)

    def learn(self, around: Around, colour: int) -> None:
        """Note which colour came."""
        for number, check in enumerate(around.hashes):
            old = self._find(number, check)
            if old is None:
                new = Follower(check, colour, colour, 1)
            elif old.last == colour:
                new = Follower(check, colour, old.before, min(old.run + 1, 255))
            else:
                new = Follower(check, colour, old.last, 1)
            self._slots[number][check % self.num_slots] = new

    def _find(self, number: int, check: int) -> Follower | None:
        follower = self._slots[number].get(check % self.num_slots)
        return follower if follower and follower.check == check else None
