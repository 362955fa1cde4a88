//! The limit on the open files of the process. Every connection counts as one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Files besides connections: weights, libraries, the connections of webhooks and uploads, the reserve for
/// health checks.
const OTHER_FILES: u64 = 200;

/// Raises the limit on open files as far as needed and allowed, and returns the number of connections that
/// there is room for, at most `wanted`.
pub(super) fn room_for_connections(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let needed = wanted as u64 + OTHER_FILES;
    let mut allowed = soft;
    if soft < needed {
        let raised = needed.min(hard);
        if setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() {
            allowed = raised;
        }
    }
    let room = room(wanted as u64, allowed);
    if room < wanted as u64 {
        warn!(
            max_connections = wanted,
            open_files = allowed,
            room,
            "the limit on open files (ulimit -n) allows fewer connections"
        );
    }
    room as usize
}

fn room(wanted: u64, allowed: u64) -> u64 {
    wanted.min(allowed.saturating_sub(OTHER_FILES)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_at_least_one_connection_and_for_no_more_than_wanted() {
        for (wanted, allowed, expected) in [
            (8192, 1_000_000, 8192),
            (8192, 1024, 824),
            (8192, 100, 1),
            (10, 1024, 10),
        ] {
            assert_eq!(room(wanted, allowed), expected);
        }
    }

    #[test]
    fn a_small_number_always_has_room() {
        assert_eq!(room_for_connections(1), 1);
    }
}
