//! Compares this server with Cog's: the same list of requests is sent to both, and every pair of responses must
//! compare as the list says.

#![allow(clippy::print_stdout, reason = "it reports what was skipped")]
#![allow(
    clippy::excessive_nesting,
    reason = "cases lie in groups, and groups in servers"
)]

mod case;
pub(crate) mod cog;
mod director;
mod normal;
mod official_client;
mod play;
mod receiver;
mod results;
mod server;
mod table;
mod verdict;

use std::path::Path;

use case::Case;
use cog::Environment;
use play::Player;
use receiver::Receiver;
use results::{Row, document, short};
use server::{Kind, Server, Stage};
use verdict::check;

/// Whether a missing server of Cog is a failure: CI has to have one.
#[expect(
    clippy::disallowed_methods,
    reason = "`CI` is set by every CI service and is no setting of ours"
)]
fn is_required() -> bool {
    std::env::var_os("CI").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cogs_own_server_and_this_one_answer_alike() {
    let cog = match Environment::prepare() {
        Ok(cog) => cog,
        Err(reason) => {
            assert!(!is_required(), "CI needs Cog's server: {reason}");
            println!("passed over, since Cog's server cannot be had here: {reason}");
            return;
        }
    };
    let groups = table::groups();
    let mut failures = Vec::new();
    let mut compared = Vec::new();
    for stage in table::STAGES {
        let mut players = Players::start(stage, &cog).await;
        for (title, cases) in groups
            .iter()
            .filter(|group| group.stage == stage)
            .map(|group| (group.title, &group.cases))
        {
            let mut rows = Vec::new();
            for case in cases {
                let row = players.compare(case).await;
                if let Err(problem) = check(&case.verdict, &row.cog, &row.clipdraw) {
                    failures.push(format!(
                        "{title}: {}: {problem}\n  Cog:      {}\n  clipdraw: {}",
                        case.about,
                        short(&row.cog),
                        short(&row.clipdraw)
                    ));
                }
                rows.push(row);
            }
            compared.push((title, rows));
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases fail\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert_golden(&document(&compared));
}

/// Both servers with the same settings.
struct Players {
    cog: Player,
    clipdraw: Player,
    stage: Stage,
    played: usize,
}

impl Players {
    async fn start(stage: Stage, environment: &Environment) -> Self {
        let start = async |kind| {
            let receiver = Receiver::start().await;
            let server = Server::start(kind, stage, Some(environment), &receiver.address).await;
            Player::new(server, receiver)
        };
        let (cog, clipdraw) = tokio::join!(start(Kind::Cog), start(Kind::Clipdraw));
        Self {
            cog,
            clipdraw,
            stage,
            played: 0,
        }
    }

    async fn compare<'a>(&mut self, case: &'a Case) -> Row<'a> {
        self.played += 1;
        let id = format!("{:?}-case-{}", self.stage, self.played);
        let (cog, clipdraw) = tokio::join!(
            self.cog.play(case, id.clone()),
            self.clipdraw.play(case, id)
        );
        Row {
            case,
            cog,
            clipdraw,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the switch that accepts golden files is for tests alone"
)]
fn assert_golden(text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/RESULTS.md");
    if std::env::var_os("CLIPDRAW_UPDATE_GOLDEN").is_some() {
        std::fs::write(file, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(file).unwrap();
    assert!(
        text == expected,
        "RESULTS.md has changed; if that is meant, run CLIPDRAW_UPDATE_GOLDEN=1 scripts/test conformance"
    );
}
