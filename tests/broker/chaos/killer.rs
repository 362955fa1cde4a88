//! Kills processes at random moments and starts them again.

use std::collections::BTreeMap;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::cluster::{Cluster, LEASE, Role};

/// What is done to the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    KillWorker,
    KillFrontEnd,
    KillBroker,
    KillBrokerAndWorkers,
    KillEverything,
    /// A worker is stopped until after its lease, and continued.
    StopWorker,
    TerminateWorker,
    TerminateFrontEnd,
}

impl Action {
    fn choose(random: &mut ChaCha8Rng) -> Self {
        match random.random_range(0..100) {
            0..40 => Self::KillWorker,
            40..58 => Self::KillFrontEnd,
            58..66 => Self::KillBroker,
            66..72 => Self::KillBrokerAndWorkers,
            72..75 => Self::KillEverything,
            75..83 => Self::StopWorker,
            83..93 => Self::TerminateWorker,
            _ => Self::TerminateFrontEnd,
        }
    }
}

/// A thread that kills.
#[derive(Debug)]
pub(super) struct Killer {
    thread: JoinHandle<Killed>,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Killed {
    pub(super) cluster: Cluster,
    /// How many processes got `kill -9`.
    pub(super) kills: u32,
    /// Processes that did not end properly at SIGTERM.
    pub(super) improper: Vec<Role>,
    actions: BTreeMap<Action, u32>,
}

impl Killed {
    pub(super) fn summary(&self) -> String {
        format!(
            "{} times kill -9; {:?}; improper ends: {:?}",
            self.kills, self.actions, self.improper
        )
    }
}

impl Killer {
    /// Kills for a time, and at least a number of processes. In the end every process runs.
    pub(super) fn start(
        cluster: Cluster,
        mut random: ChaCha8Rng,
        time: Duration,
        min_kills: u32,
    ) -> Self {
        let mut killed = Killed {
            cluster,
            kills: 0,
            improper: Vec::new(),
            actions: BTreeMap::new(),
        };
        let began = Instant::now();
        let thread = thread::spawn(move || {
            while began.elapsed() < time || killed.kills < min_kills {
                let pause = random.random_range(200..1600);
                thread::sleep(Duration::from_millis(pause));
                let action = Action::choose(&mut random);
                *killed.actions.entry(action).or_default() += 1;
                killed.act(action, &mut random);
            }
            killed.cluster.wait_until_ready();
            killed
        });
        Self { thread }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    pub(super) fn finish(self) -> Killed {
        self.thread.join().unwrap()
    }
}

impl Killed {
    fn act(&mut self, action: Action, random: &mut ChaCha8Rng) {
        let worker = Role::Worker(random.random_range(0..3));
        let front_end = Role::FrontEnd(random.random_range(0..2));
        let all = self.cluster.roles();
        let workers = all
            .iter()
            .copied()
            .filter(|role| matches!(role, Role::Worker(_)));
        match action {
            Action::KillWorker => self.kill(&[worker], random),
            Action::KillFrontEnd => self.kill(&[front_end], random),
            Action::KillBroker => self.kill(&[Role::Broker], random),
            Action::KillBrokerAndWorkers => {
                let roles: Vec<_> = [Role::Broker].into_iter().chain(workers).collect();
                self.kill(&roles, random);
            }
            Action::KillEverything => self.kill(&all, random),
            Action::StopWorker => {
                self.cluster.signal(worker, Signal::SIGSTOP);
                thread::sleep(LEASE.mul_f64(random.random_range(1.2..1.8)));
                self.cluster.signal(worker, Signal::SIGCONT);
            }
            Action::TerminateWorker => self.terminate(worker),
            Action::TerminateFrontEnd => self.terminate(front_end),
        }
    }

    /// Kills all of them, and starts them again after a moment.
    fn kill(&mut self, roles: &[Role], random: &mut ChaCha8Rng) {
        for role in roles {
            self.cluster.kill(*role);
            self.kills += 1;
        }
        thread::sleep(Duration::from_millis(random.random_range(0..800)));
        for role in roles {
            self.cluster.start_member(*role);
        }
    }

    fn terminate(&mut self, role: Role) {
        if !self.cluster.terminate(role) {
            self.improper.push(role);
        }
        self.cluster.start_member(role);
    }
}
