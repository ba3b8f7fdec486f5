//! The leases, in `evertoken_state`.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::lease::{Claim, Fence, LeaseEntry, LeaseGrant, Owner};
use crate::domain::{Secret, ServiceName, Timestamp};

const FIND: &str = "SELECT fence, owner, since, until, note FROM evertoken_state WHERE service = ?1";

/// The last lease of a service. Values that evertoken did not write count as none.
pub(super) fn find(connection: &Connection, service: &ServiceName) -> rusqlite::Result<Option<LeaseEntry>> {
    let mut statement = connection.prepare_cached(FIND)?;
    let lease = statement.query_row([service.as_str()], |columns| {
        let number = |n| columns.get_ref(n).map(|value| value.as_i64().ok());
        let natural = |n| number(n).map(|value| value.and_then(|value| u64::try_from(value).ok()));
        let moment = |n| number(n).map(|value| Timestamp::from_millisecond(value.unwrap_or_default()));
        let Some(fence) = natural(0)? else { return Ok(None) };
        Ok(Some(LeaseEntry {
            fence: Fence(fence),
            owner: natural(1)?.and_then(Owner::from_number),
            since: moment(2)?,
            until: moment(3)?,
            note: columns.get_ref(4)?.as_str().ok().map(Secret::new),
        }))
    });
    lease.optional().map(Option::flatten)
}

const KEEP: &str = "
INSERT INTO evertoken_state (service, fence, owner, since, until, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (service) DO UPDATE SET fence = excluded.fence, owner = excluded.owner, since = excluded.since,
    until = excluded.until, note = excluded.note";

fn keep(connection: &Connection, service: &ServiceName, lease: &LeaseEntry) -> rusqlite::Result<()> {
    connection.prepare_cached(KEEP)?.execute(params![
        service.as_str(),
        lease.fence.0.cast_signed(),
        lease.owner.map(|owner| owner.number().cast_signed()),
        lease.since.as_millisecond(),
        lease.until.as_millisecond(),
        lease.note.as_ref().map(Secret::expose),
    ])?;
    Ok(())
}

/// The fence of the lease that another owner than `claim`'s holds.
pub(super) fn fence_against(
    connection: &Connection,
    service: &ServiceName,
    claim: &Claim,
) -> rusqlite::Result<Option<Fence>> {
    Ok(find(connection, service)?.filter(|lease| lease.is_held_against(claim)).map(|lease| lease.fence))
}

/// The lease for `claim`, or the fence of the lease that another owner holds.
pub(super) fn take(
    connection: &Connection,
    service: &ServiceName,
    claim: &Claim,
) -> rusqlite::Result<Result<LeaseGrant, Fence>> {
    let last = find(connection, service)?;
    if let Some(lease) = last.as_ref().filter(|lease| lease.is_held_against(claim)) {
        return Ok(Err(lease.fence));
    }
    let lease = LeaseEntry::after(last.as_ref(), claim);
    keep(connection, service, &lease)?;
    Ok(Ok(lease.grant()))
}

/// Extends the lease of this fence from `claim`'s moment. Returns whether it is still held.
pub(super) fn renew(
    connection: &Connection,
    service: &ServiceName,
    claim: &Claim,
    fence: Fence,
) -> rusqlite::Result<bool> {
    let Some(mut lease) = find(connection, service)?.filter(|lease| lease.is_under(fence)) else {
        return Ok(false);
    };
    lease.renew(claim);
    keep(connection, service, &lease).map(|()| true)
}

/// Ends the lease of this fence and leaves `note`. Returns whether it was still held.
pub(super) fn end(
    connection: &Connection,
    service: &ServiceName,
    fence: Fence,
    note: Option<Secret>,
) -> rusqlite::Result<bool> {
    let Some(mut lease) = find(connection, service)?.filter(|lease| lease.is_under(fence)) else {
        return Ok(false);
    };
    lease.end(note);
    keep(connection, service, &lease).map(|()| true)
}

/// Ends any lease, and keeps its note.
pub(super) fn end_any(connection: &Connection, service: &ServiceName) -> rusqlite::Result<()> {
    let free = "UPDATE evertoken_state SET owner = NULL WHERE service = ?1";
    connection.prepare_cached(free)?.execute([service.as_str()]).map(drop)
}
