"""How far a session's time zone is from UTC at given instants, for every instant Postgres knows.

Invariant: before the zone's first rule its local mean time holds, as in Postgres.
Trap: Arrow reads the zone files' transitions, which end in 2037; later instants are folded into the
400 years that follow, after which the Gregorian calendar and so every rule repeats.
"""

import datetime as dt
import re
import zoneinfo

import numpy as np
import pyarrow as pa

from engine.encode.strings import Array, Ints, kernels, taken

UTC_NAMES = frozenset(("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "+00:00"))
_YEAR_2_S = -62_104_060_800
_RULES_END_S = 2_114_380_800  # 2037-01-01
_CYCLE_S = 146_097 * 86_400
_QUARTER_S = 900
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_OFFSET = re.compile(r"[+-]\d\d:\d\d")


def check_zone(zone: str) -> None:
    """Refuse a time zone that is not known.

    Args:
        zone: an IANA name, or an ISO offset such as `+05:30` (east of Greenwich).

    Raises:
        ValueError: it is neither.
    """
    if zone in UTC_NAMES or _OFFSET.fullmatch(zone):
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ValueError(f'unrecognized time zone "{zone}"') from error


def offsets_s(instants_s: Ints, zone: str) -> Ints | None:
    """Return what to add to each instant, in seconds since 1970; None when it is always zero."""
    if zone in UTC_NAMES:
        return None
    late = instants_s >= _RULES_END_S
    near = np.clip(instants_s, _YEAR_2_S, _RULES_END_S - 1)
    local = kernels.local_timestamp(pa.array(near).view(pa.timestamp("s", zone)))
    shifts: Ints = local.view(pa.int64()).to_numpy() - near
    if late.any() and not _OFFSET.fullmatch(zone):
        folded = (instants_s[late] - _RULES_END_S) % _CYCLE_S + _RULES_END_S
        # Offsets change on quarter hours: one look-up serves all instants of the same quarter.
        quarters, index = np.unique(folded // _QUARTER_S, return_inverse=True)
        rules = zoneinfo.ZoneInfo(zone)
        found = [_rule_s(int(quarter) * _QUARTER_S, rules) for quarter in quarters]
        shifts[late] = np.array(found, np.int64)[index]
    return shifts


def offset_texts(shifts_s: Ints) -> Array:
    """Text of offsets: `+00`, `+05:30`, `-04:56:02`."""
    distinct, index = np.unique(shifts_s, return_inverse=True)
    return taken([offset_text(int(shift)) for shift in distinct], index)


def offset_text(shift_s: int) -> str:
    """Text of one offset in seconds east of Greenwich.

    >>> offset_text(-17762)
    '-04:56:02'
    """
    minutes, seconds = divmod(abs(shift_s), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{'-' if shift_s < 0 else '+'}{hours:02}"
    if minutes or seconds:
        text += f":{minutes:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _rule_s(second: int, rules: zoneinfo.ZoneInfo) -> int:
    offset = (_EPOCH + dt.timedelta(seconds=second)).astimezone(rules).utcoffset()
    return int(offset.total_seconds()) if offset else 0
