//! How a value is written in Redis, and the commands over it.
//!
//! A record is `expiry count value`, the expiry in microseconds, so that the clock handed in decides and not the server's;
//! the server's own expiry only sweeps up, a minute later. What must happen at once happens in a script. Scripts count in
//! doubles, which hold microseconds until the year 2255.

use core::time::Duration;

use claviger_kernel::Timestamp;
use redis::Cmd;

use crate::ephemeral::Slot;

/// Under this name Redis says what it has been filled with since it was last empty.
const FILLING: &str = "claviger:filling";
/// Asked for and never written: tells whether we may take.
const NOTHING: &str = "claviger:nothing";
/// How much longer than the value the record lives: nodes' clocks differ.
const GRACE: Duration = Duration::from_mins(1);

/// Keeps the filling if this run of the server made it, else begins a new one. Written in any case: a server that
/// refuses writes is of no use.
const FILL: &str = "local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then held = ARGV[1] .. ARGV[2] end
redis.call('SET', KEYS[1], held)
return held";

const INCREMENT: &str = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
local held = redis.call('GET', KEYS[1])
if held then
  local expires, count, value = string.match(held, '^(%-?%d+) (%d+) (.*)$')
  if tonumber(expires) > tonumber(ARGV[3]) then
    count = string.format('%d', tonumber(count) + 1)
    redis.call('SET', KEYS[1], expires .. ' ' .. count .. ' ' .. value, 'KEEPTTL')
    return tonumber(count)
  end
end
redis.call('SET', KEYS[1], ARGV[2] .. ' 1 ', 'PX', ARGV[4])
return 1";

const REPLACE: &str = "local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local expires, value = string.match(held, '^(%-?%d+) %d+ (.*)$')
if value ~= ARGV[1] or tonumber(expires) <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1";

/// A value as it stands in Redis.
pub(super) struct Record {
    bytes: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) expires: Timestamp,
}

impl Record {
    pub(super) fn of(value: &[u8], expires: Timestamp) -> Self {
        let mut bytes = format!("{} 0 ", expires.micros()).into_bytes();
        bytes.extend_from_slice(value);
        Self { bytes, value: value.to_vec(), expires }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(3, |byte| *byte == b' ');
        let micros = core::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        core::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok()?;
        let value = parts.next()?.to_vec();
        Some(Self { bytes: bytes.to_vec(), value, expires: Timestamp::from_micros(micros) })
    }
}

fn name(slot: Slot<'_>) -> Vec<u8> {
    let mut name = format!("claviger:{}:{}:", slot.realm, slot.kind).into_bytes();
    name.extend_from_slice(slot.key);
    name
}

/// After how many milliseconds the server may drop a record.
fn life(expires: Timestamp, now: Timestamp) -> u64 {
    let life = expires.since(now).saturating_add(GRACE).as_millis();
    // The server adds its own time and must not overflow.
    u64::try_from(life).unwrap_or(u64::MAX).min(1 << 50)
}

pub(super) fn put(slot: Slot<'_>, record: &Record, now: Timestamp) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(name(slot)).arg(&record.bytes).arg("PX").arg(life(record.expires, now));
    command
}

pub(super) fn get(slot: Slot<'_>) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(name(slot));
    command
}

pub(super) fn take(slot: Slot<'_>) -> Cmd {
    let mut command = redis::cmd("GETDEL");
    command.arg(name(slot));
    command
}

pub(super) fn replace(slot: Slot<'_>, old: &[u8], new: &Record, now: Timestamp) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(REPLACE).arg(1).arg(name(slot));
    command.arg(old).arg(now.micros()).arg(&new.bytes).arg(life(new.expires, now));
    command
}

pub(super) fn increment(slot: Slot<'_>, filling: &str, expires: Timestamp, now: Timestamp) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(INCREMENT).arg(2).arg(name(slot)).arg(FILLING);
    command.arg(filling).arg(expires.micros()).arg(now.micros()).arg(life(expires, now));
    command
}

/// What Redis is filled with; `other` names a new filling of the server's run `run`.
pub(super) fn fill(run: &str, other: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(FILL).arg(1).arg(FILLING).arg(format!("{run}/")).arg(other);
    command
}

/// Whether taking is allowed at all.
pub(super) fn take_nothing() -> Cmd {
    let mut command = redis::cmd("GETDEL");
    command.arg(NOTHING);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_whatever_its_value() {
        for value in [&b""[..], b"1 2 3", b"\0\xff\n", b" "] {
            let expires = Timestamp::from_micros(1_795_219_200_000_001);
            let read = Record::parse(&Record::of(value, expires).bytes).unwrap();
            assert_eq!((read.value.as_slice(), read.expires), (value, expires));
        }
        for strange in [&b""[..], b"1", b"1 0", b"x 0 v", b"1 x v"] {
            assert!(Record::parse(strange).is_none());
        }
    }

    #[test]
    fn a_record_outlives_its_value_and_not_the_servers_calendar() {
        let at = Timestamp::from_seconds;
        assert_eq!(life(at(100), at(40)), 120_000);
        assert_eq!(life(at(40), at(100)), 60_000);
        assert_eq!(life(Timestamp::from_micros(i64::MAX), at(0)), 1 << 50);
    }
}
