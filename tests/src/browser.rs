//! A browser with one session, and what a test asks of it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, io, process};

use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::driver::Driver;
use crate::kind::Kind;

/// How long a page may take to show what it should.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A fresh browser, driven through its WebDriver.
pub struct Browser {
    kind: Kind,
    client: Client,
    _driver: Driver,
}

/// A tab of a browser.
#[derive(Clone, Debug)]
pub struct Tab(WindowHandle);

impl Browser {
    pub(crate) async fn start(kind: Kind) -> Self {
        let driver = Driver::start(kind).await;
        let Value::Object(mut capabilities) = kind.capabilities(driver.scratch().path()) else {
            unreachable!("capabilities are an object")
        };
        // Those of the tests are issued by nobody.
        capabilities.insert("acceptInsecureCerts".to_owned(), true.into());
        let url = driver.url();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let session = builder.capabilities(capabilities).connect(&url);
        let session = timeout(PATIENCE, session).await;
        let session = session.expect("an answer from the driver");
        Self {
            kind,
            client: session.unwrap_or_else(|error| panic!("no session: {error}")),
            _driver: driver,
        }
    }

    /// Which browser it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// For what the methods here do not cover.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Goes to `url` and waits until the page has loaded.
    pub async fn open(&self, url: &str) {
        let outcome = timeout(PATIENCE, self.client.goto(url)).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("{url} does not finish loading"));
        outcome.unwrap_or_else(|error| panic!("cannot open {url}: {error}"));
    }

    /// The value of a JavaScript expression in the page.
    pub async fn eval(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"), &[]).await
    }

    /// What JavaScript statements return in the page, given `arguments`.
    pub async fn run(&self, statements: &str, arguments: &[Value]) -> Value {
        let outcome = self.client.execute(statements, arguments.to_vec());
        let outcome = timeout(PATIENCE, outcome).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("no answer to {statements}"));
        outcome.unwrap_or_else(|error| panic!("cannot run {statements}: {error}"))
    }

    /// Waits until `expression` has this value in the page.
    ///
    /// # Panics
    /// When it has not within 30 seconds, naming the value it had last.
    pub async fn wait_for(&self, expression: &str, expected: impl Into<Value>) {
        let expected = expected.into();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.eval(expression).await;
            if value == expected {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "{expression} is {value}, and never was {expected}");
            sleep(POLL).await;
        }
    }

    /// The tab the other methods mean.
    pub async fn tab(&self) -> Tab {
        Tab(self.client.window().await.expect("a tab is open"))
    }

    /// Opens another tab, goes to `url` there, and stays in it.
    pub async fn open_tab(&self, url: &str) -> Tab {
        let tab = self.client.new_window(true).await.expect("a new tab");
        let tab = Tab(tab.handle);
        self.switch_to(&tab).await;
        self.open(url).await;
        tab
    }

    /// Makes `tab` the one the other methods mean.
    pub async fn switch_to(&self, tab: &Tab) {
        let outcome = self.client.switch_to_window(tab.0.clone()).await;
        outcome.expect("the tab is open");
    }

    /// Where the picture of the page is now, or why there is none.
    pub(crate) async fn picture(&self) -> String {
        let png = match timeout(PATIENCE, self.client.screenshot()).await {
            Ok(Ok(png)) => png,
            Ok(Err(error)) => return format!("no picture: {error}"),
            Err(_) => return "no picture: the driver does not answer".to_owned(),
        };
        keep_picture(self.kind, &png).unwrap_or_else(|error| format!("no picture: {error}"))
    }

    /// Ends the session, and with it the browser.
    pub(crate) async fn close(self) {
        // The driver is killed next, whether it answered or not.
        let _ = timeout(PATIENCE, self.client.close()).await;
    }
}

fn keep_picture(kind: Kind, png: &[u8]) -> io::Result<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // target/debug/deps/PROGRAM
    let program = env::current_exe()?;
    let target = program
        .ancestors()
        .nth(3)
        .unwrap_or_else(|| Path::new("target"));
    let folder = target.join("browser-failures");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}-{}-{count}.png", kind.name(), process::id()));
    fs::write(&file, png)?;
    Ok(format!("the page is in {}", file.display()))
}
