//! The channels of a hub as a service, and how it answered each request.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use encke::Live;
use http::StatusCode;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// The status of every answer that was not taken out.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<Vec<StatusCode>>>);

impl Answers {
    /// `live` at `/live`, watched.
    pub(crate) fn of(live: Live) -> (Router, Self) {
        let answers = Self::default();
        let watched = answers.clone();
        let watch = map_response(move |response: Response| {
            watched.lock().push(response.status());
            ready(response)
        });
        let router = Router::new().nest_service("/live", live).route_layer(watch);
        (router, answers)
    }

    /// Waits for an answer and takes it out.
    pub(crate) async fn next(&self) -> StatusCode {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.lock().pop() {
                return status;
            }
            assert!(Instant::now() < deadline, "the browser did not ask");
            sleep(POLL).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StatusCode>> {
        self.0.lock().expect("no holder panics")
    }
}
