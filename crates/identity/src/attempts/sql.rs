//! The counters' statements. The wait doubles in SQL, so that counting is one atomic statement on both engines.

claviger_storage::statements! {
    /// Raises a counter unless it is closed or its wait is not over; where there is no wait, no clock decides. What is left of the attempts before is their number
    /// less one for each $9 that has passed; `last_at` moves on by whole $9, so that no part of one is lost. ($4 now,
    /// $5 forget before, $6 free, $7 longest wait, $8 limit, $9 decay)
    pub(super) RAISE: "insert into attempts (realm_id, kind, subject, failures, wait, next_at, last_at) \
        values ($1, $2, $3, 1, 0, $4, $4) \
        on conflict (realm_id, kind, subject) do update set \
        failures = case when attempts.last_at < $5 or attempts.failures <= ($4 - attempts.last_at) / $9 then 1 \
            else attempts.failures - ($4 - attempts.last_at) / $9 + 1 end, \
        wait = case when attempts.last_at < $5 or attempts.failures - ($4 - attempts.last_at) / $9 + 1 < $6 then 0 \
            when attempts.wait = 0 then 1000000 when attempts.wait * 2 > $7 then $7 else attempts.wait * 2 end, \
        next_at = $4 + case when attempts.last_at < $5 or attempts.failures - ($4 - attempts.last_at) / $9 + 1 < $6 \
            then 0 when attempts.wait = 0 then 1000000 when attempts.wait * 2 > $7 then $7 else attempts.wait * 2 end, \
        last_at = case when $9 > $4 or attempts.last_at < $5 or attempts.failures <= ($4 - attempts.last_at) / $9 then $4 \
            else attempts.last_at + ($4 - attempts.last_at) / $9 * $9 end \
        where attempts.last_at < $5 or ((attempts.wait = 0 or attempts.next_at <= $4) and attempts.failures < $8) \
        returning failures";
    /// Forgets what was counted.
    pub(super) CLEAR: "delete from attempts where realm_id = $1 and kind = $2 and subject = $3";
    /// Takes one back, and the wait that it caused: a success slows nobody of its network down.
    pub(super) LOWER: "update attempts set failures = failures - 1, \
        wait = case when failures <= $4 then 0 else wait / 2 end, next_at = last_at \
        where realm_id = $1 and kind = $2 and subject = $3 and failures > 0";
    /// Drops rows that nobody has used for long.
    pub(super) EXPIRE: "delete from attempts where realm_id = $1 and kind = $2 and subject in \
        (select subject from attempts where realm_id = $1 and kind = $2 and last_at < $3 order by last_at limit $4) \
        returning subject";
    /// What stands against one subject.
    pub(super) FAILURES: "select failures from attempts where realm_id = $1 and kind = $2 and subject = $3";
}
