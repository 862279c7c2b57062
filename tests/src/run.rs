//! A test that runs in every browser and fails where it fails.

use std::any::Any;
use std::env;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use crate::browser::Browser;
use crate::kind::Kind;

/// How long one test may take in one browser.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs `test` in Chromium, Firefox and WebKit, one after the other.
///
/// `ENCKE_BROWSERS=firefox,webkit` chooses.
///
/// # Panics
/// When it failed in any of them, after it ran in all. The page of each failure is in
/// `target/browser-failures`.
pub fn in_every_browser(test: impl AsyncFn(&Browser)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let failures: Vec<String> = chosen()
        .filter_map(|kind| runtime.block_on(failure(kind, &test)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn chosen() -> impl Iterator<Item = Kind> {
    let names = env::var("ENCKE_BROWSERS").unwrap_or_default();
    Kind::ALL
        .into_iter()
        .filter(move |kind| names.is_empty() || names.split(',').any(|name| name == kind.name()))
}

async fn failure(kind: Kind, test: impl AsyncFn(&Browser)) -> Option<String> {
    let name = kind.name();
    let browser = match caught(Browser::start(kind)).await {
        Ok(browser) => browser,
        Err(failure) => return Some(format!("{name} did not start: {failure}")),
    };
    let outcome = caught(timeout(LIMIT, test(&browser))).await;
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(format!("still running after {LIMIT:?}")),
        Err(failure) => Some(failure),
    };
    let failure = match failure {
        None => None,
        Some(failure) => Some(format!(
            "in {name}: {failure}\n  {}",
            browser.picture().await
        )),
    };
    browser.close().await;
    failure
}

/// What the future gives, or what it said when it panicked.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let outcome = AssertUnwindSafe(future).catch_unwind().await;
    outcome.map_err(
        |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic
                .downcast_ref::<&str>()
                .map_or_else(|| "panicked".to_owned(), |&text| text.to_owned()),
        },
    )
}
