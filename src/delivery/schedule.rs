//! When a request that failed is sent again.

use std::time::Duration;

/// The pauses between the attempts of one request: each twice as long as the one before, up to a
/// longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The pause after the first attempt.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How often the request is repeated: one attempt less than there are in all.
    pub repeats: u32,
}

impl Schedule {
    /// The pause after each attempt that may be repeated.
    pub fn pauses(self) -> impl Iterator<Item = Duration> + Send {
        let doubled = move |repeat| self.first.saturating_mul(2_u32.saturating_pow(repeat));
        (0..self.repeats).map(move |repeat| doubled(repeat).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_the_longest() {
        let schedule = Schedule {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(50),
            repeats: 5,
        };
        let millis: Vec<_> = schedule.pauses().map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [10, 20, 40, 50, 50]);
    }
}
