//! The steps of all drawings that have a slot, so that a failure of one costs no other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::warn;

use super::engine::Engine;
use super::fault::WorkerFault;
use super::measure;
use super::session::Session;
use crate::draw::Advance;
use crate::errors::{chain, panic_message};

/// Whether drawings that failed in a shared step are stepped one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepping {
    Together,
    OneByOne,
}

/// Moves every drawing by a few steps, and removes those that end with them. Returns how to step the
/// rest: one by one after a shared step has failed.
pub(super) fn step<E: Engine>(
    engine: &E,
    sessions: &mut Vec<Session<E::Drawing>>,
    stepping: Stepping,
) -> Result<Stepping, WorkerFault> {
    let drawings: usize = sessions.iter().map(|session| session.drawings.len()).sum();
    if stepping == Stepping::Together && drawings > 1 {
        let saved: Vec<_> = sessions
            .iter()
            .map(|session| session.drawings.clone())
            .collect();
        match step_together(engine, sessions) {
            Ok(()) => return Ok(Stepping::Together),
            Err(fault) => warn!(
                fault = chain(&fault),
                "a shared step failed; drawings continue one by one"
            ),
        }
        measure::fault();
        check(engine)?;
        for (session, drawings) in sessions.iter_mut().zip(saved) {
            session.drawings = drawings;
        }
    }
    let mut ended = Vec::with_capacity(sessions.len());
    for session in sessions.iter_mut() {
        ended.push(step_alone(engine, session)?);
    }
    let mut ended = ended.into_iter();
    sessions.retain(|_| !ended.next().unwrap_or(false));
    Ok(if drawings == 1 {
        Stepping::Together
    } else {
        Stepping::OneByOne
    })
}

/// A few steps for all drawings; nothing is reported if any of them fails.
fn step_together<E: Engine>(
    engine: &E,
    sessions: &mut Vec<Session<E::Drawing>>,
) -> Result<(), WorkerFault> {
    let mut drawings: Vec<_> = sessions
        .iter_mut()
        .flat_map(|session| &mut session.drawings)
        .collect();
    let advances = guarded(|| engine.advance(&mut drawings))?;
    let advances = advances.into_iter().map(Advance::into_result);
    let advances = advances.collect::<Result<Vec<_>, _>>()?;
    let mut advances = advances.into_iter();
    sessions.retain(|session| {
        let own = advances.by_ref().take(session.drawings.len());
        !session.report_all(own.collect())
    });
    Ok(())
}

/// A few steps for the drawings of one prediction, each of them alone. Returns whether the prediction ended. The error means
/// that the model no longer works.
fn step_alone<E: Engine>(
    engine: &E,
    session: &mut Session<E::Drawing>,
) -> Result<bool, WorkerFault> {
    let mut done = Vec::with_capacity(session.drawings.len());
    let mut fault = None;
    for drawing in &mut session.drawings {
        match guarded(|| engine.advance(&mut [drawing]).pop()) {
            Ok(Some(Advance { steps, error })) => {
                done.push(steps);
                fault = error.map(WorkerFault::from);
            }
            Ok(None) => {}
            Err(panic) => fault = Some(panic),
        }
        if fault.is_some() {
            break;
        }
    }
    let ended = session.report_all(done);
    let Some(fault) = fault else {
        return Ok(ended);
    };
    session.assignment.fail(fault);
    check(engine)?;
    Ok(true)
}

/// Checks whether a model that has just failed still works.
pub(super) fn check<E: Engine>(engine: &E) -> Result<(), WorkerFault> {
    Ok(guarded(|| engine.check())??)
}

/// Runs something that may panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, WorkerFault> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| WorkerFault::Panicked(panic_message(&*panic).to_owned()))
}
