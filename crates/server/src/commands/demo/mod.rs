//! `weir demo`: a catalogue travels from a simulated Akeneo into a simulated Spryker, and the simulators judge the
//! result.

mod faults;
mod folder;
mod simulators;
mod verdict;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use weir_engine::Engine;
use weir_model::Kind;

use crate::cli::Demo;
use crate::commands::serve::{Entrance, stopped};
use crate::exit::Exit;
use crate::output::{Output, print};
use crate::place::{Places, socket};
use crate::progress::Progress;
use crate::runtime::{self, Running, Start};
use faults::Faults;
use folder::Folder;
use simulators::Simulators;
use verdict::Verdict;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A simulator may be down on purpose for a minute.
const BEGIN_ATTEMPTS_MAX: u32 = 120;
const BEGIN_AGAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(places: &Places, options: &Demo, output: Output) -> anyhow::Result<Exit> {
    let faults = Faults::parse(&options.faults)?;
    let named = places.data_named.then(|| places.data.clone());
    let folder = Folder::make(named)?;
    let simulators = Simulators::start(options).await?;
    output.say(&format!(
        "Akeneo (simulated) at {}, {} products",
        simulators.akeneo, options.products
    ));
    output.say(&format!("Spryker (simulated) at {}", simulators.spryker));
    folder.write_project(&simulators)?;
    output.say(&format!("project in {}", folder.project().display()));
    faults.arm(&simulators, output).await?;

    let begin = Instant::now();
    let demo_places = Places {
        project: folder.project(),
        environment: None,
        data: folder.data(),
        data_named: true,
        server: None,
        token: None,
    };
    let start = if options.once { Start::Idle } else { Start::Serving };
    let running = runtime::start(&demo_places, start, output).await?;
    let seconds = deliver(&running, begin, output).await?;
    let verdict = Verdict::reach(&running, &simulators, faults.breaks_products(), seconds).await?;
    if options.once {
        running.stop().await;
    }
    if output.json {
        verdict.explain(output);
    } else {
        print(&verdict.words());
    }
    if !options.once {
        serve(&running, options, &folder.data(), output).await?;
        running.stop().await;
    }
    simulators.stop().await;
    folder.remove();
    if output.json {
        // The last line of standard output is this object and nothing else.
        print(&verdict.summary().to_string());
    }
    Ok(Exit::of(verdict.verified()))
}

/// Runs every route until nothing is on its way; answers the seconds it took.
async fn deliver(running: &Running, begin: Instant, output: Output) -> anyhow::Result<f64> {
    let engine = running.engine()?;
    for route in engine.status().routes.keys() {
        begin_run(engine, route).await?;
    }
    let mut progress = Progress::new(output);
    let stop = stopped();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = engine.wait_settled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => progress.show(&engine.status(), |_| true),
            ended = &mut stop => {
                progress.end();
                ended?;
                running.stop().await;
                anyhow::bail!("stopped before everything was delivered");
            }
        }
    }
    progress.end();
    Ok(begin.elapsed().as_secs_f64())
}

/// Starts a run of a route. Lookups are read first, and with faults that may need more than one try.
async fn begin_run(engine: &Engine, route: &str) -> anyhow::Result<()> {
    for attempt in 1.. {
        match engine.run(route, "start").await {
            Ok(_) => break,
            // Its own trigger was faster.
            Err(error) if error.kind == Kind::Conflict => break,
            Err(error) if attempt < BEGIN_ATTEMPTS_MAX && may_pass(error.kind) => {
                tokio::time::sleep(BEGIN_AGAIN).await;
            }
            Err(error) => return Err(error).with_context(|| format!("could not run `{route}`")),
        }
    }
    Ok(())
}

fn may_pass(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::RateLimited | Kind::Unavailable | Kind::Timeout | Kind::Unauthenticated | Kind::OutcomeUnknown
    )
}

async fn serve(
    running: &Running,
    options: &Demo,
    data: &std::path::Path,
    output: Output,
) -> anyhow::Result<()> {
    let listen = format!("127.0.0.1:{}", options.port);
    let entrance = match Entrance::open(&listen).await {
        Ok(entrance) => entrance,
        // Somebody else has the port: any other will do.
        Err(_) => Entrance::open("127.0.0.1:0").await?,
    };
    let doors = entrance.doors(&running.api, &socket(data)).await?;
    let hint: PathBuf = data.to_owned();
    output.say(&format!(
        "\nstill serving: {}\nlook around: `weir tasks list --data {}` · Ctrl-C ends it",
        doors.words(),
        hint.display()
    ));
    if output.json {
        output.answer(
            &json!({ "url": doors.url, "setup": doors.setup, "data": hint }),
            String::new,
        );
    }
    stopped().await?;
    doors.close().await;
    Ok(())
}
