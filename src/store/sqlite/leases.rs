//! The leases, in `evertoken_state`. A locked file next to the database shows that the holder is alive: it is made before
//! the lease is stored, and removed when its end is stored, so that a holder that dies in between is not missed.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::lease::{Claim, Fence, LeaseEntry, LeaseGrant, Owner};
use super::super::lease_files::LeaseFiles;
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

/// The fence of the lease that another owner than `claim`'s holds, unless it is dead.
pub(super) fn fence_against(
    connection: &Connection,
    service: &ServiceName,
    claim: &Claim,
    files: &LeaseFiles,
) -> rusqlite::Result<Option<Fence>> {
    let last = find(connection, service)?;
    Ok(last.filter(|lease| is_held_against(lease, claim, files)).map(|lease| lease.fence))
}

fn is_held_against(lease: &LeaseEntry, claim: &Claim, files: &LeaseFiles) -> bool {
    lease.is_held_against(claim) && lease.owner.is_some_and(|owner| files.is_alive(owner))
}

/// A lease that was granted, and who had it before without having ended it.
pub(super) struct Taken {
    pub(super) grant: LeaseGrant,
    pub(super) former: Option<Owner>,
}

/// The lease for `claim`, or the fence of the lease that another owner holds.
pub(super) fn take(
    connection: &Connection,
    service: &ServiceName,
    claim: &Claim,
    files: &LeaseFiles,
) -> rusqlite::Result<Result<Taken, Fence>> {
    let last = find(connection, service)?;
    if let Some(lease) = last.as_ref().filter(|lease| is_held_against(lease, claim, files)) {
        return Ok(Err(lease.fence));
    }
    let lease = LeaseEntry::after(last.as_ref(), claim);
    files.hold(service, claim.owner, lease.fence);
    keep(connection, service, &lease)?;
    let former = last.and_then(|lease| lease.owner).filter(|owner| *owner != claim.owner);
    Ok(Ok(Taken { grant: lease.grant(), former }))
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

/// Ends any lease, and keeps its note. Returns its owner.
pub(super) fn end_any(connection: &Connection, service: &ServiceName) -> rusqlite::Result<Option<Owner>> {
    let owner = find(connection, service)?.and_then(|lease| lease.owner);
    let free = "UPDATE evertoken_state SET owner = NULL WHERE service = ?1";
    connection.prepare_cached(free)?.execute([service.as_str()])?;
    Ok(owner)
}

/// Removes the files that processes left that died.
pub(super) fn sweep(connection: &Connection, owners: &[u64], files: &LeaseFiles) -> rusqlite::Result<()> {
    let mut names =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM evertoken_state WHERE owner = ?1)")?;
    files.sweep(owners, |owner| names.query_row([owner.number().cast_signed()], |row| row.get(0)))
}
