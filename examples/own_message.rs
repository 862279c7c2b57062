//! A message type of the application's own: it writes the JavaScript its callback receives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{Router, routing::get};
use encke::{BadRequest, Comet, CometMessage, Expression, MessageError};
use futures_util::stream;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    Router::new().route("/", get(index))
}

/// Arrives as a `Date`, which JSON has no word for.
struct Moment(Duration);

impl CometMessage for Moment {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        expression
            .code("new Date(")?
            .json(&self.0.as_millis())?
            .code(")")?;
        Ok(())
    }
}

async fn index() -> Result<Comet, BadRequest> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let hours = (0..3).map(move |hour| Moment(now + Duration::from_secs(hour * 3600)));
    Ok(Comet::new("console.log")?.messages(stream::iter(hours)))
}
